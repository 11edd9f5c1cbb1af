#pragma once

#include <cstdint>
#include <functional>
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

/// What became of work in a forked child.
struct ForkResult {
  bool ended = false;  ///< it returned; else a signal or the limits ended it
  int signal = 0;      ///< that signal; 0 when `seconds` were over
  std::string output;  ///< what `work` returned
};
/// Runs `work` in a forked copy of this process that may use `memory` bytes
/// more than it has now, and `seconds` of its processors' time (ten times as
/// much by the clock). A crash there is no crash here. The child has no
/// threads, prints nothing, and must not touch another language's runtime.
/// Kind::kState when there can be no fork.
PTUTILS_API ForkResult run_forked(const std::function<std::string()>& work,
                                  std::uint64_t memory, double seconds);

}  // namespace ptutils
