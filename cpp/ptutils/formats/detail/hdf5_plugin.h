#pragma once

#include <filesystem>

#include "ptutils/formats/rows.h"
#include "ptutils/module/codec.h"

namespace ptutils::detail {

/// What libptutils_hdf5.so gives: libhdf5 and the libraries that it wants
/// (curl, OpenSSL, Kerberos) take 10 ms to load, so that they are loaded when
/// the first file of this format is read or written.
struct Hdf5Plugin {
  Value (*read)(const std::filesystem::path& path, const ReadOptions& options);
  void (*write)(const std::filesystem::path& path, const Value& value,
                const WriteOptions& options);
  NamedRows (*rows)(const std::filesystem::path& path, const std::string& group,
                    const std::vector<std::string>& names,
                    std::size_t cache_bytes);
};

/// The one symbol of the plugin, of type const Hdf5Plugin.
inline constexpr const char* kHdf5Plugin = "ptutils_hdf5_plugin";

}  // namespace ptutils::detail
