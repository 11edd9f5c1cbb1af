#pragma once

#include <filesystem>
#include <string_view>

namespace ptutils::detail {

enum class Access { kRead, kWrite };

/// Throws Kind::kIO: "[where] cannot read|write PATH: cause; advice".
[[noreturn]] void fail_io(std::string_view where, Access access,
                          const std::filesystem::path& path, int error);

/// Throws Kind::kValue when no file can have this path (empty, NUL inside).
void check_path(std::string_view where, const std::filesystem::path& path);

/// Where a symbolic link leads that leads to nothing; else empty.
std::filesystem::path link_to_nothing(const std::filesystem::path& path);

/// The folder that a path lies in, "." for a bare name.
std::filesystem::path folder_of(const std::filesystem::path& path);

}  // namespace ptutils::detail
