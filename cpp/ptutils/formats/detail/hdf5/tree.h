#pragma once

#include <filesystem>

#include "ptutils/formats/rows.h"
#include "ptutils/module/codec.h"

namespace ptutils::detail::hdf5 {

Value read_file(const std::filesystem::path& path, const ReadOptions& options);
void write_file(const std::filesystem::path& path, const Value& value,
                const WriteOptions& options);
/// hdf5_rows() of ptutils/formats/rows.h.
NamedRows open_rows(const std::filesystem::path& path, const std::string& group,
                    const std::vector<std::string>& names,
                    std::size_t cache_bytes);

}  // namespace ptutils::detail::hdf5
