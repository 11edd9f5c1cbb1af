#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ptutils/module/module.h"

// What selecting, renaming and pairing the names of a state share.

namespace ptutils::detail {

/// A leaf of a state: through dicts with text keys only (an optimizer's integer
/// keys belong to its one leaf).
struct StateLeaf {
  std::string name;               ///< dotted
  std::vector<std::string> keys;  ///< the way to it; a key may have dots
  std::vector<DictKind> kinds;    ///< of the dict that each key is in
  const Value* value;             ///< in the state, which outlives this
};
std::vector<StateLeaf> state_leaves(const Value& state);

/// name == prefix, or below it.
bool is_under(std::string_view name, std::string_view prefix);
/// "a", "a.b", "a.b.c": every prefix of a dotted name, itself last.
std::vector<std::string> prefixes_of(const std::string& name);

/// A remap, applied: of the saved names that fit the longest counts.
class Renames {
 public:
  explicit Renames(const Remap& remap);
  /// The rule for a name, nullptr for a name that stays.
  const std::pair<const std::string, std::string>* rule(
      std::string_view name) const;
  std::string operator()(const std::string& name) const;

 private:
  std::map<std::string, std::string, std::less<>> rules_;
};
/// What stands below `prefix` in `name`: "b.c" for ("a.b.c", "a").
std::string_view below(std::string_view name, std::string_view prefix);
/// "a.b", or the one that is not empty.
std::string joined(std::string_view a, std::string_view b);

/// A name with what it holds: names may belong together where kinds are equal.
struct NamedKind {
  std::string name;
  std::string kind;
  bool many = false;  ///< a tensor of two or more numbers
};
/// Pairs (index into saved, index into here) of equal kind that belong together
/// beyond doubt, each index at most once. `settled`: modules of which some leaf
/// fits as it is.
std::vector<std::pair<std::size_t, std::size_t>> pair_names(
    const std::vector<NamedKind>& saved, const std::vector<NamedKind>& here,
    const std::set<std::string>& settled);

/// Where a saved name goes.
struct Target {
  std::string saved;
  std::string here;
  bool free = false;  ///< to no name of the module; wherever else
};
/// A short remap that sends every name to its target. `taken`: the names here.
Remap short_remap(std::vector<Target> targets,
                  const std::set<std::string>& taken);
/// "{'module': '', 'fc': 'head', … and 3 more}", at most `count` entries.
std::string remap_text(const Remap& remap, std::size_t count);

/// The remap by which names of the state fit the module that do not with
/// options.remap, which it includes; empty when no names pair up.
Remap suggested_remap(Module& module, const Value& state,
                      const LoadOptions& options);
/// Raises `found`, with what would help: `state` was loaded with `options`.
[[noreturn]] void fail_load(Module& module, const Value& state,
                            const LoadOptions& options, Mismatch found);

/// Whether a cast keeps the kind: bool < integer < float < complex.
bool is_castable(DType from, DType to);
/// `state` with the dtypes of the module where shapes agree and is_castable.
Value with_dtypes_of(Module& module, Value state);

}  // namespace ptutils::detail
