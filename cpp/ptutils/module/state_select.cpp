#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ptutils/common/log.h"
#include "ptutils/common/names.h"
#include "ptutils/common/regex.h"
#include "ptutils/module/state_part.h"
#include "ptutils/module/state_visit.h"

// A part of a state: by names, globs, a regular expression, under other names.

namespace ptutils {

using detail::Renames;
using detail::StateLeaf;

namespace {

constexpr std::string_view kWhere = "load_state_dict";

bool is_glob(const std::string& name) {
  return name.find_first_of("*?[") != std::string::npos;
}

/// The names of the leaves, and those that lead to them.
std::vector<std::string> names_in(const std::vector<StateLeaf>& leaves) {
  std::set<std::string> names;
  for (const StateLeaf& leaf : leaves)
    for (std::string& name : detail::prefixes_of(leaf.name))
      names.insert(std::move(name));
  names.erase("");  // of an empty state
  return {names.begin(), names.end()};
}

/// What the options' only_… say of names.
class NameFilter {
 public:
  explicit NameFilter(const LoadOptions& options) : options_(options) {
    if (options.only_names)
      for (const std::string& name : *options.only_names) {
        used_[name] = false;
        if (is_glob(name)) globs_.push_back(name);
      }
    if (options.only_regex)
      pattern_.emplace(*options.only_regex, "", std::string(kWhere), "only");
  }

  bool operator()(const std::string& name) {
    if (options_.only_if) return options_.only_if(name);
    if (options_.only_regex) return pattern_->search(name);
    return !options_.only_names || listed(name);
  }

  /// Every name and glob has fitted something.
  void check_used(const std::vector<StateLeaf>& leaves) const {
    std::vector<std::string> unused;
    for (const auto& [name, used] : used_)
      if (!used) unused.push_back(str("'", name, "'"));
    if (unused.empty()) return;
    auto first = std::find_if(used_.begin(), used_.end(),
                              [](const auto& entry) { return !entry.second; });
    fail(Kind::kKey, kWhere, "only: the state has no ", join(unused),
         did_you_mean(first->first, names_in(leaves)));
  }

 private:
  bool listed(const std::string& name) {
    bool found = false;
    for (const std::string& prefix : detail::prefixes_of(name)) {
      if (auto entry = used_.find(prefix); entry != used_.end())
        found = entry->second = true;
      for (const std::string& glob : globs_)
        if (glob_match(glob, prefix)) found = used_[glob] = true;
    }
    return found;
  }

  const LoadOptions& options_;
  std::map<std::string, bool> used_;
  std::vector<std::string> globs_;
  std::optional<Regex> pattern_;
};

/// Every name that is to be renamed is there.
void check_remap(const std::vector<StateLeaf>& leaves, const Remap& remap) {
  if (remap.empty()) return;
  auto names = names_in(leaves);
  for (const auto& [from, to] : remap)
    if (!from.empty() && !std::binary_search(names.begin(), names.end(), from))
      fail(Kind::kKey, kWhere, "remap: the state has no '", from, "'",
           did_you_mean(from, names));
}

/// The keys by which a leaf is found under its name here.
std::vector<std::string> renamed_keys(const StateLeaf& leaf,
                                      const Renames& renames) {
  const auto* rule = renames.rule(leaf.name);
  if (!rule) return leaf.keys;
  // Below the prefix the keys stay: only the one that it ends in is cut.
  std::vector<std::string> keys;
  std::size_t rest = detail::below(leaf.name, rule->first).size();
  for (auto key = leaf.keys.rbegin(); rest > 0; ++key) {
    keys.push_back(key->size() <= rest ? *key
                                       : key->substr(key->size() - rest));
    rest -= std::min(rest, keys.back().size() + 1);
  }
  std::reverse(keys.begin(), keys.end());
  if (keys.empty()) return {rule->second};
  keys.front() = detail::joined(rule->second, keys.front());
  return keys;
}

void put(Dict& out, const std::vector<std::string>& keys,
         const StateLeaf& leaf) {
  Dict* at = &out;
  std::size_t above =
      leaf.kinds.size() - std::min(leaf.kinds.size(), keys.size());
  for (std::size_t i = 0; i + 1 < keys.size(); ++i) {
    Value& next = (*at)[keys[i]];
    if (next.is_null()) {
      Dict made;
      made.kind = leaf.kinds[above + i + 1];
      next = Value(std::move(made));
    }
    at = &next.as_dict(leaf.name);
  }
  if (at->contains(keys.back()))
    fail(Kind::kValue, kWhere, "'", leaf.name, "' would hide what is below '",
         keys.back(), "'");
  at->set(keys.back(), *leaf.value);
}

/// The part of a state that the options take, under the names here.
Value selected(const Value& state, const LoadOptions& options) {
  auto leaves = detail::state_leaves(state);
  check_remap(leaves, options.remap);
  Renames renames(options.remap);
  NameFilter taken(options);
  std::map<std::string, const std::string*> sources;
  Dict out;
  for (const StateLeaf& leaf : leaves) {
    if (leaf.name.empty()) continue;  // an empty state
    std::string here = renames(leaf.name);
    bool by_old = taken(leaf.name);  // both, so that each entry counts as used
    if (!taken(here) && !by_old) continue;
    if (here.empty())
      fail(Kind::kValue, kWhere, "remap leaves '", leaf.name, "' no name");
    auto [first, is_new] = sources.emplace(here, &leaf.name);
    if (!is_new)
      fail(Kind::kValue, kWhere, "'", *first->second, "' and '", leaf.name,
           "' of the state both go to '", here, "'");
    put(out, renamed_keys(leaf, renames), leaf);
  }
  taken.check_used(leaves);
  if (options.filtered() && out.empty())
    fail(Kind::kKey, kWhere, "only",
         options.only_regex ? str("='", *options.only_regex, "'") : "",
         " matches no name of the state",
         did_you_mean(options.only_regex.value_or(" "), names_in(leaves)));
  return Value(std::move(out));
}

/// The options with the renames that were asked for by remap='suggested'.
LoadOptions with_suggestion(Module& module, const Value& state,
                            const LoadOptions& options) {
  LoadOptions out = options;
  Remap remap = detail::suggested_remap(module, state, options);
  if (remap.empty()) return out;
  log::info(module.class_name(),
            ": loads with remap=", detail::remap_text(remap, 6));
  out.remap = std::move(remap);
  return out;
}

void log_left_alone(Module& module, const Loaded& left) {
  auto names = [](const std::vector<std::string>& all) {
    return str(all.size(), all.empty() ? "" : ": ", join(all, ", ", 4));
  };
  if (left.missing.empty() && left.unexpected.empty()) return;
  log::info(module.class_name(), ": loaded with strict=False; missing in the ",
            "state: ", names(left.missing),
            "; unexpected: ", names(left.unexpected));
}

}  // namespace

Loaded Module::load_state_dict(const Value& state, const LoadOptions& options) {
  if (options.whole()) {
    load_state_dict(state);
    return {};
  }
  LoadOptions plan =
      options.suggested ? with_suggestion(*this, state, options) : options;
  bool moved = plan.filtered() || !plan.remap.empty();
  Value part = moved ? selected(state, plan) : state;
  if (options.cast) part = detail::with_dtypes_of(*this, std::move(part));
  Mismatch found;
  check_state(part, "", options.strict, found);
  Loaded left{{}, found.unexpected};
  NameFilter asked(options);
  for (const std::string& name : found.missing)
    if (asked(name)) left.missing.push_back(name);
  // A part was asked for, or any names. A suggestion is for a whole state.
  bool partial = options.filtered() || !options.remap.empty();
  if (partial || !options.strict) found.missing.clear();
  if (!options.strict) found.unexpected.clear();
  if (!found.empty()) detail::fail_load(*this, state, plan, std::move(found));
  detail::load_checked(*this, part);
  if (!options.strict) log_left_alone(*this, left);
  return left;
}

}  // namespace ptutils
