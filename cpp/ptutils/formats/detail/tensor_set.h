#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ptutils/module/value.h"

namespace ptutils::detail {

/// What a container of named tensors holds.
struct TensorSet {
  std::vector<std::pair<std::string, Value>> members;
  bool has_skeleton = false;
  std::string skeleton;
};

/// The value of a set: by its skeleton, which names every tensor, or without
/// one the flat dict of its members. `prefix` begins messages; `verify`
/// compares the checksums of the skeleton. The set is used up.
PTUTILS_API Value value_of(TensorSet&& set, const std::string& prefix,
                           bool verify = false);

}  // namespace ptutils::detail
