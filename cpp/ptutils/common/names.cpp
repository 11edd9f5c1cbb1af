#include "ptutils/common/names.h"

#include <algorithm>
#include <cstddef>
#include <tuple>

#include "ptutils/common/detail/ascii.h"
#include "ptutils/common/error.h"

namespace ptutils {
namespace {

// Longer texts are no names that somebody mistyped: not worth the quadratic
// comparison.
constexpr std::size_t kLongestName = 200;

// Optimal string alignment: insertions, deletions, substitutions and swaps of
// neighbours. `limit` + 1 stands for anything further apart.
std::size_t distance(std::string_view a, std::string_view b,
                     std::size_t limit) {
  std::size_t longer = std::max(a.size(), b.size());
  if (longer - std::min(a.size(), b.size()) > limit) return limit + 1;
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1),
      row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t substituted = last[j - 1] + (a[i - 1] != b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, substituted});
      bool swapped =
          i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return std::min(last[b.size()], limit + 1);
}

// A third of the letters may be wrong.
std::size_t allowed_distance(std::string_view a, std::string_view b) {
  return std::max<std::size_t>(1, std::max(a.size(), b.size()) / 3);
}

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// The position after the UTF-8 character at `position`.
std::size_t next_character(std::string_view text, std::size_t position) {
  ++position;
  while (position < text.size() && is_continuation(text[position])) ++position;
  return position;
}

// Whether one character fits the `[set]` at pattern[p]; returns the position
// behind the set, npos where nothing closes it.
std::size_t match_set(std::string_view pattern, std::size_t p,
                      std::string_view character, bool& fits) {
  std::size_t at = p + 1;
  bool others = at < pattern.size() && pattern[at] == '!';
  if (others) ++at;
  auto end = pattern.find(']', at + 1);  // a first `]` is one of the set
  if (end == std::string_view::npos) return end;
  bool found = false;
  while (at < end) {
    std::size_t next = next_character(pattern, at);
    std::string_view low = pattern.substr(at, next - at), high = low;
    if (next + 1 < end && pattern[next] == '-') {
      std::size_t last = next_character(pattern, next + 1);
      high = pattern.substr(next + 1, last - next - 1);
      next = last;
    }
    // The bytes of UTF-8 are ordered as its characters are.
    found = found || (low <= character && character <= high);
    at = next;
  }
  fits = found != others;
  return end + 1;
}

}  // namespace

std::vector<std::string> nearest_names(std::string_view name,
                                       const std::vector<std::string>& known,
                                       std::size_t count) {
  if (name.empty() || name.size() > kLongestName) return {};
  std::string lower = detail::lower(name);
  // Distance without case, then with it, then the order of `known`.
  std::vector<std::tuple<std::size_t, std::size_t, std::size_t>> near;
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (known[i].empty() || known[i].size() > kLongestName) continue;
    std::size_t limit = allowed_distance(name, known[i]);
    std::size_t found = distance(lower, detail::lower(known[i]), limit);
    // Every letter replaced is no resemblance.
    if (found > limit || found >= std::max(name.size(), known[i].size())) {
      continue;
    }
    near.emplace_back(found, distance(name, known[i], kLongestName), i);
  }
  std::sort(near.begin(), near.end());
  std::vector<std::string> names;
  for (const auto& hit : near) {
    if (names.size() == count) break;
    const std::string& candidate = known[std::get<2>(hit)];
    if (std::find(names.begin(), names.end(), candidate) == names.end()) {
      names.push_back(candidate);
    }
  }
  return names;
}

std::string did_you_mean(std::string_view name,
                         const std::vector<std::string>& known) {
  if (known.empty()) return "";
  std::vector<std::string> near = nearest_names(name, known);
  if (near.empty()) return str("; known: ", join(known));
  std::string last = near.back();
  near.pop_back();
  if (near.empty()) return str("; did you mean ", last, "?");
  return str("; did you mean ", join(near), " or ", last, "?");
}

std::string join(const std::vector<std::string>& items,
                 std::string_view separator, std::size_t count) {
  std::string out;
  std::size_t shown = std::min(items.size(), count);
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) out += separator;
    out += items[i];
  }
  if (shown == items.size()) return out;
  if (shown > 0) out += separator;
  return out + str("… (", items.size() - shown, " more)");
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  return distance(a, b, std::max(a.size(), b.size()));
}

bool glob_match(std::string_view pattern, std::string_view text) {
  // On a mismatch only the last `*` need take one character more: linear
  // memory, and never worse than pattern x text steps.
  std::size_t p = 0, t = 0;
  std::size_t star = std::string_view::npos, retry = 0;
  while (t < text.size()) {
    std::size_t after = next_character(text, t);
    std::size_t behind = std::string_view::npos;
    bool fits = false;
    if (p < pattern.size() && pattern[p] == '[')
      behind = match_set(pattern, p, text.substr(t, after - t), fits);
    if (behind != std::string_view::npos && fits) {
      p = behind;
      t = after;
    } else if (behind == std::string_view::npos && p < pattern.size() &&
               pattern[p] == '*') {
      star = p++;
      retry = t;
    } else if (p < pattern.size() && pattern[p] == '?') {
      ++p;
      t = after;
    } else if (behind == std::string_view::npos && p < pattern.size() &&
               pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = retry = next_character(text, retry);
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace ptutils
