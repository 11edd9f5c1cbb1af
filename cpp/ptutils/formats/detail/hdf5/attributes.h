#pragma once

#include <string>
#include <string_view>

#include "ptutils/formats/detail/hdf5/open_file.h"
#include "ptutils/module/value.h"

namespace ptutils::detail::hdf5 {

/// The key of a group's dict under which attributes are: those of the group at
/// ".", those of its data sets at their names.
inline constexpr std::string_view kAttributesName = "__attributes__";
inline constexpr std::string_view kOwnAttributes = ".";

/// All of an object's but those that point to other objects (references of
/// dimension scales): scalars as numbers, text as text, others as tensors.
Dict read_attributes(OpenFile& file, hid_t object, std::string_view path);

/// Those that HDF5 holds as attributes: numbers, text, lists of text, tensors
/// of up to 32 KB. The others are in the skeleton alone, as all of them are.
void write_attributes(hid_t object, const Dict& attributes,
                      std::string_view prefix);

}  // namespace ptutils::detail::hdf5
