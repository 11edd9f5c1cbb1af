#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "ptutils/common/names.h"
#include "ptutils/module/state_part.h"

// Which names of a state and of a module belong together: by what they hold,
// then by the longest common ending. Each pair speaks for a renamed prefix
// ("module" -> "", "fc" -> "head"); the prefix that most speak for is taken
// first, and where two are as good, neither.

namespace ptutils::detail {

namespace {

// A name with more candidates is undecided; so is a longer comparison.
constexpr std::size_t kMostCandidates = 16, kLongestCompared = 200;
// By how much one of two rivals has to be nearer.
constexpr double kMargin = 0.15;
constexpr double kSameNumbers = 0.5, kSameBeginning = 0.25;

std::string parent(std::string_view name) {
  auto dot = name.rfind('.');
  return std::string(name.substr(0, dot == std::string_view::npos ? 0 : dot));
}

/// The digits of a name, and the name without them.
std::string digits(std::string_view name, bool kept) {
  std::string out;
  bool inside = false;
  for (char c : name) {
    bool digit = c >= '0' && c <= '9';
    if (digit == kept) out += c;
    if (!digit && inside) out += kept ? '.' : '#';
    inside = digit;
  }
  if (inside) out += kept ? '.' : '#';
  return out;
}

std::optional<int> number_of(std::string_view text) {
  int out = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return out;
}

/// From 0 (unlike) to 1, without what both begin with; more for the same
/// numbers, and for abbreviations ("enc" of "encoder").
double likeness(std::string_view a, std::string_view b) {
  for (auto dot = a.find('.');
       dot != std::string_view::npos && dot < b.size() &&
       a.substr(0, dot + 1) == b.substr(0, dot + 1);
       dot = a.find('.')) {
    a.remove_prefix(dot + 1);
    b.remove_prefix(dot + 1);
  }
  std::size_t shorter = std::min(a.size(), b.size()),
              longest = std::max(a.size(), b.size());
  if (longest > kLongestCompared) return 0;
  double out = digits(a, true) == digits(b, true) ? kSameNumbers : 0;
  if (shorter == 0) return out;
  auto common = std::mismatch(a.begin(), a.begin() + shorter, b.begin()).first -
                a.begin();
  out += kSameBeginning * static_cast<double>(common) /
         static_cast<double>(shorter);
  return out + 1 -
         static_cast<double>(edit_distance(a, b)) /
             static_cast<double>(longest);
}

struct Prefixes {  // saved prefix -> prefix here
  std::string from, to;
  std::vector<std::size_t> links;
  std::size_t live = 0;
  double score = 0;
};
struct Link {
  std::size_t saved, here, rule;
  bool live = true, taken = false;
};

class Pairing {
 public:
  Pairing(const std::vector<NamedKind>& saved,
          const std::vector<NamedKind>& here,
          const std::set<std::string>& settled)
      : saved_(saved),
        here_(here),
        settled_(settled),
        of_saved_(saved.size()),
        of_here_(here.size()),
        saved_state_(saved.size(), State::kOpen),
        here_state_(here.size(), State::kOpen) {}

  std::vector<std::pair<std::size_t, std::size_t>> run() {
    link_by_ending();
    take_rules();
    undo_shifted();
    std::vector<std::pair<std::size_t, std::size_t>> out;
    for (const Link& link : links_)
      if (link.taken) out.emplace_back(link.saved, link.here);
    pair_leftovers(out);
    return out;
  }

 private:
  enum class State : char { kOpen, kTaken, kInDoubt };

  /// A leaf moves out of a module of which others stay: no rename.
  bool leaves_others(std::string_view from, std::string_view to) const {
    return settled_.contains(std::string(from)) && !is_under(from, to) &&
           !is_under(to, from);
  }

  void link_by_ending() {
    std::unordered_map<std::string, std::vector<std::size_t>> by_ending;
    auto each_ending = [](const NamedKind& item, auto&& f) {
      for (std::size_t at = 0;;) {
        if (!f(item.kind + '\n' + item.name.substr(at), at)) return;
        auto dot = item.name.find('.', at);
        if (dot == std::string::npos) return;
        at = dot + 1;
      }
    };
    for (std::size_t i = 0; i < saved_.size(); ++i)
      each_ending(saved_[i], [&](std::string ending, std::size_t) {
        by_ending[std::move(ending)].push_back(i);
        return true;
      });
    for (std::size_t i = 0; i < here_.size(); ++i)
      each_ending(here_[i], [&](const std::string& ending, std::size_t at) {
        auto found = by_ending.find(ending);
        if (found == by_ending.end()) return true;
        if (found->second.size() <= kMostCandidates)
          for (std::size_t j : found->second)
            add_link(j, i, here_[i].name.size() - at);
        return false;  // the longest alone
      });
    for (Prefixes& rule : rules_) rule.score = likeness(rule.from, rule.to);
  }

  void add_link(std::size_t saved, std::size_t here, std::size_t common) {
    auto before = [common](const std::string& name) {
      return name.size() > common ? name.substr(0, name.size() - common - 1)
                                  : std::string();
    };
    std::string from = before(saved_[saved].name),
                to = before(here_[here].name);
    if (from == parent(saved_[saved].name) && leaves_others(from, to)) return;
    auto [entry, is_new] =
        by_prefixes_.emplace(from + '\n' + to, rules_.size());
    if (is_new) rules_.push_back({from, to, {}});
    Prefixes& rule = rules_[entry->second];
    std::size_t id = links_.size();
    links_.push_back({saved, here, entry->second});
    rule.links.push_back(id);
    ++rule.live;
    of_saved_[saved].push_back(id);
    of_here_[here].push_back(id);
  }

  /// The name on either side is done with: links to others are dead.
  void close(std::size_t id, State state) {
    const Link link = links_[id];
    saved_state_[link.saved] = here_state_[link.here] = state;
    for (auto* ids : {&of_saved_[link.saved], &of_here_[link.here]})
      for (std::size_t other : *ids) {
        if (!links_[other].live) continue;
        links_[other].live = false;
        --rules_[links_[other].rule].live;
      }
  }

  void take_rules() {
    using Entry = std::tuple<std::size_t, double, std::size_t>;
    auto entry = [this](std::size_t id) {
      return Entry(rules_[id].live, rules_[id].score, rules_.size() - id);
    };
    std::priority_queue<Entry> queue;
    for (std::size_t id = 0; id < rules_.size(); ++id) queue.push(entry(id));
    while (!queue.empty()) {
      Entry top = queue.top();
      queue.pop();
      std::size_t id = rules_.size() - std::get<2>(top);
      if (rules_[id].live == 0) continue;
      if (rules_[id].live != std::get<0>(top)) {
        queue.push(entry(id));
        continue;
      }
      settle(id);
    }
  }

  /// Takes the pairs of the rule, unless it or a rival may be meant.
  void settle(std::size_t id) {
    std::set<std::size_t> rivals = rivals_of(id);
    bool doubt = !rivals.empty() || is_shift(rules_[id]);
    if (!doubt) followed_[rules_[id].from].push_back(id);
    rivals.insert(id);
    std::vector<std::size_t> concerned;  // before any closes others
    for (std::size_t rule : rivals)
      for (std::size_t link : rules_[rule].links)
        if (links_[link].live) concerned.push_back(link);
    for (std::size_t link : concerned) {
      links_[link].taken = !doubt;
      close(link, doubt ? State::kInDoubt : State::kTaken);
    }
  }

  /// Other rules of as many names, and as near, that want one of the same.
  std::set<std::size_t> rivals_of(std::size_t id) const {
    const Prefixes& rule = rules_[id];
    std::set<std::size_t> out;
    for (std::size_t mine : rule.links) {
      if (!links_[mine].live) continue;
      for (const auto* ids :
           {&of_saved_[links_[mine].saved], &of_here_[links_[mine].here]})
        for (std::size_t link : *ids) {
          const Link& other = links_[link];
          if (other.live && other.rule != id &&
              rules_[other.rule].live == rule.live &&
              rules_[other.rule].score > rule.score - kMargin)
            out.insert(other.rule);
        }
    }
    return out;
  }

  /// Calls f with every name that the rules followed so far give `saved`.
  template <class F>
  void each_image(const std::string& saved, F&& f) const {
    auto prefixes = prefixes_of(saved);
    prefixes.emplace_back();
    for (const std::string& prefix : prefixes) {
      auto rules = followed_.find(prefix);
      if (rules == followed_.end()) continue;
      for (std::size_t id : rules->second)
        f(joined(rules_[id].to, below(saved, prefix)));
    }
  }

  /// After layers -> blocks: layers.0 to another number than blocks.0; or
  /// layers.0 to layers.3 where layers.1 stays.
  bool is_shift(const Prefixes& rule) const {
    bool out = false;
    each_image(rule.from, [&](const std::string& image) {
      out = out || (image != rule.to &&
                    digits(image, false) == digits(rule.to, false));
    });
    return out || passes_settled(rule);
  }

  bool passes_settled(const Prefixes& rule) const {
    std::string list = parent(rule.from);
    auto from = number_of(below(rule.from, list));
    auto to = number_of(below(rule.to, list));
    if (parent(rule.to) != list || !from || !to) return false;
    auto [low, high] = std::minmax({*from, *to});
    for (const std::string& name : settled_)
      if (parent(name) == list)
        if (auto at = number_of(below(name, list)); at > low && at < high)
          return true;
    return false;
  }

  static std::string numberless(const NamedKind& item,
                                const std::string& name) {
    return item.kind + '\n' + digits(name, false);
  }

  /// Names left over on both sides that differ by their numbers alone:
  /// layers.0, 1, 2 and blocks.1, 2, 3 may be shifted, and what was paired is
  /// in doubt.
  void undo_shifted() {
    std::set<std::string> over, shifted;
    for (std::size_t i = 0; i < here_.size(); ++i)
      if (here_state_[i] != State::kTaken)
        over.insert(numberless(here_[i], here_[i].name));
    if (over.empty()) return;
    for (std::size_t i = 0; i < saved_.size(); ++i) {
      if (saved_state_[i] == State::kTaken) continue;
      each_image(saved_[i].name, [&](const std::string& image) {
        std::string key = numberless(saved_[i], image);
        if (over.contains(key)) shifted.insert(key);
      });
    }
    if (shifted.empty()) return;
    for (Link& link : links_) {
      const NamedKind& here = here_[link.here];
      if (!link.taken || !shifted.contains(numberless(here, here.name)))
        continue;
      link.taken = false;
      saved_state_[link.saved] = here_state_[link.here] = State::kInDoubt;
    }
  }

  /// Names with no common ending: alone of their kind, or clearly alike.
  void pair_leftovers(std::vector<std::pair<std::size_t, std::size_t>>& out) {
    struct Group {
      std::vector<std::size_t> saved, here;
    };
    std::unordered_map<std::string, Group> groups;
    for (std::size_t i = 0; i < saved_.size(); ++i)
      if (saved_[i].many && saved_state_[i] != State::kTaken)
        groups[saved_[i].kind].saved.push_back(i);
    for (std::size_t i = 0; i < here_.size(); ++i)
      if (here_[i].many && here_state_[i] != State::kTaken)
        groups[here_[i].kind].here.push_back(i);
    for (const auto& [kind, group] : groups) {
      if (group.saved.size() > kMostCandidates ||
          group.here.size() > kMostCandidates)
        continue;
      bool alone = group.saved.size() == 1 && group.here.size() == 1;
      for (std::size_t i : group.saved)
        for (std::size_t j : group.here)
          if (saved_state_[i] == State::kOpen &&
              here_state_[j] == State::kOpen &&
              !leaves_others(parent(saved_[i].name), parent(here_[j].name)) &&
              (alone || clearly_alike(i, j, group.saved, group.here)))
            out.emplace_back(i, j);
    }
  }

  bool clearly_alike(std::size_t i, std::size_t j,
                     const std::vector<std::size_t>& saved,
                     const std::vector<std::size_t>& here) const {
    double mine = likeness(saved_[i].name, here_[j].name);
    if (mine < 0.6 + kSameNumbers) return false;
    for (std::size_t other : saved)
      if (other != i &&
          likeness(saved_[other].name, here_[j].name) > mine - kMargin)
        return false;
    for (std::size_t other : here)
      if (other != j &&
          likeness(saved_[i].name, here_[other].name) > mine - kMargin)
        return false;
    return true;
  }

  const std::vector<NamedKind>& saved_;
  const std::vector<NamedKind>& here_;
  const std::set<std::string>& settled_;
  std::vector<Prefixes> rules_;
  std::map<std::string, std::vector<std::size_t>> followed_;  // by from
  std::unordered_map<std::string, std::size_t> by_prefixes_;
  std::vector<Link> links_;
  std::vector<std::vector<std::size_t>> of_saved_, of_here_;  // links
  std::vector<State> saved_state_, here_state_;
};

}  // namespace

std::vector<std::pair<std::size_t, std::size_t>> pair_names(
    const std::vector<NamedKind>& saved, const std::vector<NamedKind>& here,
    const std::set<std::string>& settled) {
  return Pairing(saved, here, settled).run();
}

}  // namespace ptutils::detail
