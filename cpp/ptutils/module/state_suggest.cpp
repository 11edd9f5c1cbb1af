#include <map>
#include <string>
#include <vector>

#include "ptutils/common/log.h"
#include "ptutils/module/state_part.h"
#include "ptutils/tensor/ops.h"

// What would make a state fit that does not: a remap, a cast.

namespace ptutils::detail {

namespace {

using Leaves = std::map<std::string, const Value*>;

Leaves leaves_by_name(const Value& state, const Renames& renames) {
  Leaves out;
  for (const StateLeaf& leaf : state_leaves(state))
    if (!leaf.name.empty()) out[renames(leaf.name)] = leaf.value;
  return out;
}

/// Tensors may belong together by shape and dtype, anything else by the last
/// part of its name as well.
NamedKind named_kind(const std::string& name, const Value& value, bool cast) {
  if (!value.is_tensor())
    return {name,
            str(value.type_name(), " ", name.substr(name.rfind('.') + 1))};
  const Tensor& t = value.as_tensor();
  return {name, cast ? t.shape_str() : value.summary(), t.numel() > 1};
}

/// 0 to 3; what is stored of a number that becomes one of a lower kind is lost.
int kind_of(DType dtype) {
  if (is_complex(dtype)) return 3;
  if (is_floating(dtype)) return 2;
  return is_integer(dtype) ? 1 : 0;
}

/// Two tensors of one shape that differ in dtype alone. A NumPy scalar is a
/// number like Python's: replaced as it is.
bool is_other_dtype(const Value& saved, const Value* here) {
  if (!here || !saved.is_tensor() || !here->is_tensor()) return false;
  const Tensor &a = saved.as_tensor(), &b = here->as_tensor();
  return a.shape() == b.shape() && a.dtype() != b.dtype() && !a.numpy_scalar &&
         !b.numpy_scalar;
}

const Value* find_in(const Leaves& leaves, const std::string& name) {
  auto found = leaves.find(name);
  return found == leaves.end() ? nullptr : found->second;
}

/// A leaf of the state and where it goes so far.
struct Moved {
  const StateLeaf* leaf;
  Target target;
  bool fits, given;  // by a rule of the caller's
};

std::vector<Moved> moved_by(const std::vector<StateLeaf>& leaves,
                            const Leaves& here, const Remap& remap) {
  Renames renames(remap);
  std::vector<Moved> out;
  for (const StateLeaf& leaf : leaves) {
    if (leaf.name.empty()) continue;
    std::string to = renames(leaf.name);
    bool fits = here.contains(to), given = to != leaf.name;
    out.push_back({&leaf, {leaf.name, to, !fits && !given}, fits, given});
  }
  return out;
}

/// Gives the leaves that fit nowhere the names of the module that no leaf has;
/// how many found one.
std::size_t pair_up(std::vector<Moved>& moved, const Leaves& here, bool cast) {
  std::set<std::string> settled, filled;
  std::vector<NamedKind> saved, missing;
  std::vector<Moved*> movable;
  for (Moved& m : moved) {
    const std::string& name = m.target.here;
    if (m.fits) {
      filled.insert(name);
      auto dot = name.rfind('.');
      if (dot != std::string::npos) settled.insert(name.substr(0, dot));
    } else if (!m.given) {
      saved.push_back(named_kind(name, *m.leaf->value, cast));
      movable.push_back(&m);
    }
  }
  std::vector<const Value*> values;
  for (const auto& [name, value] : here)
    if (!filled.contains(name)) {
      missing.push_back(named_kind(name, *value, cast));
      values.push_back(value);
    }
  std::size_t count = 0;
  for (auto [i, j] : pair_names(saved, missing, settled)) {
    Moved& m = *movable[i];
    if (cast && is_other_dtype(*m.leaf->value, values[j]) &&
        !is_castable(m.leaf->value->as_tensor().dtype(),
                     values[j]->as_tensor().dtype()))
      continue;
    m.target = {m.leaf->name, missing[j].name};
    ++count;
  }
  return count;
}

/// Whether no number has wrapped around, or become infinite.
bool in_range(const Tensor& given, const Tensor& made) {
  auto count = [](const Tensor& flags) {
    return sum(cast(flags, DType::kI64)).item<std::int64_t>();
  };
  if (given.numel() == 0 || is_complex(made.dtype())) return true;
  if (is_integer(made.dtype()))
    return count(ne(cast(made, given.dtype()), given)) == 0;
  if (!is_floating(made.dtype()) || !is_floating(given.dtype())) return true;
  return count(isinf(made)) == count(isinf(given));
}

void cast_leaves(Value& value, const std::string& name, const Leaves& here) {
  if (value.is_dict()) {
    for (auto& [key, item] : value.as_dict())
      cast_leaves(item, joined(name, to_string(key)), here);
    return;
  }
  const Value* mine = find_in(here, name);
  if (!is_other_dtype(value, mine)) return;
  DType to = mine->as_tensor().dtype();
  if (!is_castable(value.as_tensor().dtype(), to)) return;
  Tensor made = cast(value.as_tensor(), to);
  if (!in_range(value.as_tensor(), made))
    fail(Kind::kValue, "load_state_dict", "cast=True: '", name,
         "' has numbers beyond ", ptutils::name(to), " (it is ",
         ptutils::name(value.as_tensor().dtype()),
         "); leave it out, or convert it yourself");
  value = Value(std::move(made));
}

bool has_other_dtypes(Module& module, const Value& state, const Remap& remap) {
  const Value mine = module.state_dict(false);
  Leaves here = leaves_by_name(mine, Renames({}));
  for (const auto& [name, value] : leaves_by_name(state, Renames(remap)))
    if (is_other_dtype(*value, find_in(here, name))) return true;
  return false;
}

}  // namespace

bool is_castable(DType from, DType to) { return kind_of(from) <= kind_of(to); }

Value with_dtypes_of(Module& module, Value state) {
  const Value mine = module.state_dict(false);
  cast_leaves(state, "", leaves_by_name(mine, Renames({})));
  return state;
}

Remap suggested_remap(Module& module, const Value& state,
                      const LoadOptions& options) {
  const Value mine = module.state_dict(false);
  Leaves here = leaves_by_name(mine, Renames({}));
  auto leaves = state_leaves(state);
  auto moved = moved_by(leaves, here, options.remap);
  if (pair_up(moved, here, options.cast) == 0) return {};
  std::vector<Target> targets;
  std::set<std::string> taken;
  for (const auto& [name, value] : here) taken.insert(name);
  for (Moved& m : moved) targets.push_back(m.target);
  Remap out = short_remap(targets, taken);
  Renames renames(out);
  for (const Target& t : targets)  // names that are prefixes of others
    if (!t.free && renames(t.saved) != t.here) return {};
  return out;
}

void fail_load(Module& module, const Value& state, const LoadOptions& options,
               Mismatch found) {
  Remap remap;
  bool castable = false;
  try {
    if (!found.unexpected.empty())
      remap = suggested_remap(module, state, options);
    if (!found.different.empty())
      castable = has_other_dtypes(module, state, options.remap);
  } catch (const std::exception& e) {
    // A class's own state_dict; the mismatch itself is what is to be told.
    log::debug(module.class_name(), ": no advice for a mismatch: ", e.what());
  }
  if (!remap.empty())
    found.advice.push_back("by shape, dtype and name these belong together:\n" +
                           str("    remap=", remap_text(remap, 12)) +
                           "; remap='suggested' applies " +
                           (remap.size() > 1 ? "them all" : "it"));
  else if (options.suggested && !found.unexpected.empty())
    found.advice.push_back(
        "remap='suggested': no more names of equal shape and dtype belong "
        "together beyond doubt");
  if (castable)
    found.advice.push_back(
        options.cast ? "cast=True keeps the kind of number (bool < integer < "
                       "float < complex): a lower one would lose values"
                     : "cast=True takes the dtypes that are here");
  found.raise(module.class_name());
}

}  // namespace ptutils::detail
