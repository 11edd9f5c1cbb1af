#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "ptutils/common/export.h"

namespace ptutils::detail {

/// The value of PTUTILS_NUM_THREADS; Kind::kValue when it is no whole number
/// in range.
PTUTILS_API int parse_thread_count(std::string_view text);

/// The processors that the cgroups of a process (v1 and v2, each group and
/// those above it) grant by quota, rounded up; nothing where there is none.
/// `process` is /proc/self, with its files `cgroup` and `mountinfo`.
PTUTILS_API std::optional<int> cgroup_processors(
    const std::filesystem::path& process);

}  // namespace ptutils::detail
