#include "ptutils/formats/detail/tensor_set.h"

#include <unordered_map>
#include <utility>

#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/flatten.h"

namespace ptutils::detail {

Value value_of(TensorSet&& set, const std::string& prefix, bool verify) {
  if (!set.has_skeleton) {
    Dict out;
    for (auto& [name, value] : set.members) {
      if (out.contains(name))
        malformed(prefix, "the name '", name, "' is there twice");
      out.set(std::move(name), std::move(value));
    }
    return out;
  }
  std::unordered_map<std::string_view, Value*> left;
  left.reserve(set.members.size());
  for (auto& [name, value] : set.members)
    if (!left.emplace(name, &value).second)
      malformed(prefix, "the name '", name, "' is there twice");
  auto lookup = [&](const std::string& name) {
    auto found = left.find(name);
    if (found == left.end() ||
        !(found->second->is_tensor() || found->second->is_opaque()))
      malformed(prefix, "no tensor '", name, "', which the skeleton names");
    Value tensor = std::move(*found->second);
    left.erase(found);
    return tensor;
  };
  Value value = unflatten(set.skeleton, lookup, prefix, verify);
  if (!left.empty())
    malformed(prefix, "holds '", left.begin()->first,
              "', which its skeleton does not name");
  return value;
}

}  // namespace ptutils::detail
