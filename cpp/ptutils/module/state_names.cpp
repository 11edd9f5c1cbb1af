#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ptutils/module/state_part.h"

// Names of a state, what a remap makes of them, and the shortest remap that
// sends each where it belongs.

namespace ptutils::detail {

namespace {

void add_leaves(const Value& value, StateLeaf& at,
                std::vector<StateLeaf>& out) {
  bool nested = value.is_dict() && !value.as_dict().empty();
  if (nested)
    for (const auto& [key, item] : value.as_dict())
      nested = nested && std::holds_alternative<std::string>(key);
  if (!nested) {
    out.push_back(at);
    out.back().value = &value;
    return;
  }
  const Dict& dict = value.as_dict();
  std::string above = at.name;
  for (const auto& [key, item] : dict) {
    const auto& text = std::get<std::string>(key);
    at.name = at.keys.empty() ? text : above + "." + text;
    at.keys.push_back(text);
    at.kinds.push_back(dict.kind);
    add_leaves(item, at, out);
    at.keys.pop_back();
    at.kinds.pop_back();
  }
  at.name = std::move(above);
}

}  // namespace

std::vector<StateLeaf> state_leaves(const Value& state) {
  std::vector<StateLeaf> out;
  StateLeaf at{};
  add_leaves(state, at, out);
  return out;
}

bool is_under(std::string_view name, std::string_view prefix) {
  return prefix.empty() || name == prefix ||
         (name.size() > prefix.size() && name.starts_with(prefix) &&
          name[prefix.size()] == '.');
}

std::vector<std::string> prefixes_of(const std::string& name) {
  std::vector<std::string> out;
  for (auto dot = name.find('.'); dot != std::string::npos;
       dot = name.find('.', dot + 1))
    out.push_back(name.substr(0, dot));
  out.push_back(name);
  return out;
}

std::string_view below(std::string_view name, std::string_view prefix) {
  if (prefix.empty()) return name;
  return name.size() > prefix.size() ? name.substr(prefix.size() + 1)
                                     : std::string_view();
}

std::string joined(std::string_view a, std::string_view b) {
  std::string out(a);
  if (!a.empty() && !b.empty()) out += '.';
  return out += b;
}

Renames::Renames(const Remap& remap) {
  for (const auto& [from, to] : remap) rules_[from] = to;
}

const std::pair<const std::string, std::string>* Renames::rule(
    std::string_view name) const {
  if (rules_.empty()) return nullptr;
  for (auto end = name.size();;) {
    auto found = rules_.find(name.substr(0, end));
    if (found != rules_.end()) return &*found;
    if (end == 0) return nullptr;
    auto dot = name.rfind('.', end - 1);
    end = dot == std::string_view::npos ? 0 : dot;
  }
}

std::string Renames::operator()(const std::string& name) const {
  const auto* found = rule(name);
  return found ? joined(found->second, below(name, found->first)) : name;
}

std::string remap_text(const Remap& remap, std::size_t count) {
  std::string out = "{";
  for (std::size_t i = 0; i < std::min(remap.size(), count); ++i) {
    if (i) out += ", ";
    out += Value(remap[i].first).repr(10'000) + ": " +
           Value(remap[i].second).repr(10'000);
  }
  out += remap.size() > count ? ", …" : "";
  out += "}";
  if (remap.size() > count)
    out += " and " + std::to_string(remap.size() - count) + " more";
  return out;
}

namespace {

// Deeper, a name is renamed alone.
constexpr int kDeepestPrefix = 64;

/// Walks the tree of the names that are to move, from the root down, and gives
/// a prefix a rule where more names below want it than are content without.
class RuleFinder {
 public:
  RuleFinder(std::vector<Target> targets, const std::set<std::string>& taken)
      : targets_(std::move(targets)), taken_(taken) {
    // By parts: what is below "a" stands together.
    std::sort(targets_.begin(), targets_.end(),
              [](const auto& x, const auto& y) {
                return std::lexicographical_compare(
                    x.saved.begin(), x.saved.end(), y.saved.begin(),
                    y.saved.end(), [](unsigned char a, unsigned char b) {
                      return (a == '.' ? 0 : a + 1) < (b == '.' ? 0 : b + 1);
                    });
              });
  }
  Remap find() {
    walk(0, targets_.size(), "", {"", ""}, 0);
    return std::move(rules_);
  }

 private:
  using Rule = std::pair<std::string, std::string>;

  bool content(const Target& t, const Rule& rule) const {
    std::string image = joined(rule.second, below(t.saved, rule.first));
    if (!t.free) return image == t.here;
    return image == t.saved || (!image.empty() && !taken_.contains(image));
  }
  std::size_t count_content(std::size_t low, std::size_t high,
                            const Rule& rule) const {
    std::size_t count = 0;
    for (std::size_t i = low; i < high; ++i)
      count += content(targets_[i], rule);
    return count;
  }
  /// The prefix that `prefix` would become for that name.
  std::optional<std::string> wanted(const Target& t, std::string_view prefix,
                                    const Rule& inherited) const {
    if (t.free && content(t, inherited)) return {};
    std::string_view rest = below(t.saved, prefix);
    std::string_view here = t.free ? t.saved : t.here;
    if (rest.empty()) return std::string(here);
    if (here == rest) return "";
    if (here.size() <= rest.size() + 1 || !here.ends_with(rest) ||
        here[here.size() - rest.size() - 1] != '.')
      return {};
    return std::string(here.substr(0, here.size() - rest.size() - 1));
  }
  static std::string_view next_part(const Target& t, std::string_view prefix) {
    std::string_view rest = below(t.saved, prefix);
    return rest.substr(0, rest.find('.'));
  }

  /// A rule for `prefix` itself, when it is worth one.
  std::optional<Rule> rule_at(std::size_t low, std::size_t high,
                              const std::string& prefix, const Rule& inherited,
                              std::size_t contented) const {
    struct Vote {
      std::size_t count = 0;
      std::set<std::string_view> parts;
    };
    std::map<std::string, Vote> votes;
    std::set<std::string_view> parts;
    for (std::size_t i = low; i < high; ++i) {
      parts.insert(next_part(targets_[i], prefix));
      auto to = wanted(targets_[i], prefix, inherited);
      if (!to) continue;
      Vote& vote = votes[*to];
      ++vote.count;
      vote.parts.insert(next_part(targets_[i], prefix));
    }
    auto best = std::max_element(votes.begin(), votes.end(),
                                 [](const auto& a, const auto& b) {
                                   return a.second.count < b.second.count;
                                 });
    if (best == votes.end() || best->second.count <= contented) return {};
    // For one child of many the child's own rule says more.
    if (best->second.parts.size() == 1 && parts.size() > 1) return {};
    return Rule{prefix, best->first};
  }

  void walk(std::size_t low, std::size_t high, const std::string& prefix,
            Rule rule, int depth) {
    std::size_t contented = count_content(low, high, rule);
    if (contented == high - low) return;
    if (depth <= kDeepestPrefix)
      if (auto own = rule_at(low, high, prefix, rule, contented))
        rules_.push_back(rule = *own);
    for (std::size_t at = low; at < high;) {
      const Target& first = targets_[at];
      std::string part(next_part(first, prefix));
      std::string child = joined(prefix, part);
      if (first.saved.size() == prefix.size() || depth > kDeepestPrefix) {
        if (!content(first, rule)) {
          rules_.emplace_back(first.saved,
                              first.free ? first.saved : first.here);
          if (first.saved == prefix) rule = rules_.back();
        }
        ++at;
        continue;
      }
      std::size_t end = at + 1;
      while (end < high && is_under(targets_[end].saved, child)) ++end;
      walk(at, end, child, rule, depth + 1);
      at = end;
    }
  }

  std::vector<Target> targets_;
  const std::set<std::string>& taken_;
  Remap rules_;
};

}  // namespace

Remap short_remap(std::vector<Target> targets,
                  const std::set<std::string>& taken) {
  return RuleFinder(std::move(targets), taken).find();
}

}  // namespace ptutils::detail
