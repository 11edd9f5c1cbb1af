#pragma once

#include <filesystem>

#include "ptutils/module/codec.h"

namespace ptutils::detail::hdf5 {

Value read_file(const std::filesystem::path& path, const ReadOptions& options);
void write_file(const std::filesystem::path& path, const Value& value,
                const WriteOptions& options);

}  // namespace ptutils::detail::hdf5
