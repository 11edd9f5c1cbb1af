#pragma once

#include <cstdint>
#include <mutex>

#include "ptutils/common/export.h"

namespace ptutils {

/// 0 in the first process, +1 in each forked child. What owns threads or
/// connections notes it at creation and rebuilds itself when it has changed.
PTUTILS_API std::uint64_t fork_generation();

/// Holds `mutex` over every fork of the process (pthread_atfork), so that the
/// child never inherits it locked by a thread that does not exist there. For
/// mutexes of static lifetime.
PTUTILS_API void hold_over_fork(std::mutex& mutex);

}  // namespace ptutils
