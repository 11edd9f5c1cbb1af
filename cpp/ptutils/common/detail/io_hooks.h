#pragma once

#include <sys/types.h>

#include <cstddef>

#include "ptutils/common/export.h"

namespace ptutils::detail {

/// The system calls by which files are written. Tests replace them to inject
/// failures and short writes; nothing else does. Not synchronised: replace
/// them while no other thread writes.
struct IoHooks {
  ssize_t (*write)(int fd, const void* bytes, std::size_t size);
  ssize_t (*pwrite)(int fd, const void* bytes, std::size_t size, off_t offset);
  int (*fsync)(int fd);
  int (*rename)(const char* from, const char* to);
};

PTUTILS_API IoHooks& io_hooks();

}  // namespace ptutils::detail
