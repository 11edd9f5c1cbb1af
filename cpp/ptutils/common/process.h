#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ptutils/common/export.h"

namespace ptutils {

/// Seconds since the epoch, with microseconds.
PTUTILS_API double now();

/// This machine's name.
PTUTILS_API std::string host_name();

/// An id of this boot of this machine: pids mean something only within it.
PTUTILS_API std::string boot_id();

/// A process, told apart from a later one with the same pid by its start time
/// (clock ticks since boot, field 22 of /proc/PID/stat).
struct ProcessId {
  std::int64_t pid = 0;
  std::int64_t start = 0;
};
PTUTILS_API ProcessId this_process();
PTUTILS_API bool is_alive(const ProcessId& process);

/// 24 hexadecimal digits, unique over machines and processes, ordered by time
/// (the layout of a MongoDB ObjectId: seconds, random, counter).
PTUTILS_API std::string new_id();

/// What `argv` prints on stdout (no shell, stderr dropped), at most `limit`
/// bytes; nullopt-like empty `ok` when it cannot be started, fails, or takes
/// longer than `timeout` seconds (it is then killed).
struct CommandResult {
  bool ok = false;
  std::string output;
};
PTUTILS_API CommandResult run_command(const std::vector<std::string>& argv,
                                      const std::string& directory = "",
                                      std::size_t limit = 1 << 20,
                                      double timeout = 5);

}  // namespace ptutils
