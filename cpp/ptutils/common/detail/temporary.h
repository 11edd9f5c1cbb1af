#pragma once

#include <sys/types.h>

#include <filesystem>

#include "ptutils/common/detail/file_descriptor.h"

namespace ptutils::detail {

/// A file that will take the place of another in the same folder.
struct Temporary {
  std::filesystem::path path;
  FileDescriptor fd;  // holds a lock on it, which tells that its writer lives
};

/// Removes the temporaries that killed writers of `target` left.
void remove_stale(const std::filesystem::path& target);

/// Does so, then creates ".NAME.PID-COUNTER.tmp" beside it. On failure the fd
/// is empty and errno set. `mode` is subject to the umask.
Temporary create_temporary(const std::filesystem::path& target, mode_t mode);

}  // namespace ptutils::detail
