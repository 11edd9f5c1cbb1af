#include "ptutils/database/detail/regex.h"

#include <algorithm>

#include "ptutils/common/error.h"

namespace ptutils::detail {
namespace {

// libstdc++ holds one state a character and repeats them for {n}; its closure
// over empty transitions recurses once a state.
constexpr std::size_t kMaxPattern = 1000;
constexpr std::size_t kMaxStates = 5000;

// Invalid bytes become U+FFFD: a query is no place to refuse a document.
std::wstring code_points(std::string_view text) {
  std::wstring out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    auto lead = static_cast<unsigned char>(text[i]);
    int more = lead < 0x80 ? 0 : lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    wchar_t point = more == 0 ? lead : lead & (0x3f >> more);
    ++i;
    for (int k = 0; k < more; ++k, ++i) {
      bool valid = i < text.size() && (text[i] & 0xc0) == 0x80;
      if (!valid) {
        point = 0xfffd;
        break;
      }
      point = point << 6 | (text[i] & 0x3f);
    }
    out += point;
  }
  return out;
}

// `.` outside a class -> any code point, newlines too (option s).
std::wstring dot_matches_all(const std::wstring& pattern) {
  std::wstring out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    wchar_t c = pattern[i];
    if (c == L'\\' && i + 1 < pattern.size()) {
      out += c;
      out += pattern[++i];
    } else if (c == L'.' && !in_class) {
      out += L"[\\s\\S]";
    } else {
      if (c == L'[') in_class = true;
      if (c == L']') in_class = false;
      out += c;
    }
  }
  return out;
}

// An upper bound of the states: the pattern's length times every {n,m}.
std::size_t bound_states(const std::wstring& pattern) {
  std::size_t product = std::max<std::size_t>(pattern.size(), 1);
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != L'{') continue;
    std::size_t largest = 0, number = 0;
    for (++i; i < pattern.size() && pattern[i] != L'}'; ++i) {
      number = pattern[i] >= L'0' && pattern[i] <= L'9'
                   ? std::min<std::size_t>(number * 10 + (pattern[i] - L'0'),
                                           kMaxStates)
                   : 0;
      largest = std::max(largest, number);
    }
    product =
        std::min(product * std::max<std::size_t>(largest, 1), kMaxStates + 1);
  }
  return product;
}

}  // namespace

Regex::Regex(const std::string& pattern, const std::string& options,
             const std::string& where) {
  auto flags =
      std::regex_constants::ECMAScript | std::regex_constants::__polynomial;
  bool all = false;
  for (char option : options) {
    if (option == 'i')
      flags |= std::regex_constants::icase;
    else if (option == 'm')
      flags |= std::regex_constants::multiline;
    else if (option == 's')
      all = true;
    else
      fail(Kind::kValue, "query", where, ": $options takes i, m and s, not '",
           options, "'");
  }
  std::wstring wide = code_points(pattern);
  if (wide.size() > kMaxPattern || bound_states(wide) > kMaxStates)
    fail(Kind::kValue, "query", where,
         ": the regular expression is too large (", kMaxPattern,
         " characters, ", kMaxStates, " with its {n} written out)");
  try {
    regex_.assign(all ? dot_matches_all(wide) : wide, flags);
  } catch (const std::regex_error& error) {
    if (error.code() == std::regex_constants::error_complexity)
      fail(Kind::kValue, "query", where, ": '", pattern,
           "' uses a back reference; $regex has none");
    fail(Kind::kValue, "query", where, ": '", pattern,
         "' is no ECMAScript regular expression: ", error.what());
  }
}

bool Regex::search(std::string_view text) const {
  return std::regex_search(code_points(text), regex_);
}

}  // namespace ptutils::detail
