#pragma once

#include <filesystem>

#include "ptutils/common/export.h"
#include "ptutils/module/codec.h"

namespace ptutils::detail {

/// What the npz codec does; `zip64` forces the records of large archives, for
/// tests that have no 4 GB to spare.
PTUTILS_API void write_npz(const std::filesystem::path& path,
                           const Value& value, const WriteOptions& options,
                           bool zip64);

}  // namespace ptutils::detail
