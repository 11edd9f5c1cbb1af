#pragma once

#include <cstdint>
#include <functional>

#include "ptutils/common/export.h"

namespace ptutils::shutdown {

/// Registers something that must stop before the process ends (a loader's
/// threads, a save queue, a heartbeat). Returns an id for `remove`.
PTUTILS_API std::uint64_t add(std::function<void()> stop);

/// As `add`, for what uses the others and must end while they still work (a
/// run): it is executed before all of them.
PTUTILS_API std::uint64_t add_first(std::function<void()> stop);

/// Forgets it. When `run` is executing that very function on another thread,
/// waits until it has returned.
PTUTILS_API void remove(std::uint64_t id);

/// Runs and forgets all, those of add_first before the others, the newest
/// first; an exception is logged and the
/// others still run. Called by Python's atexit and by a static destructor.
PTUTILS_API void run();

/// True once run() has begun: nothing may be started any more.
PTUTILS_API bool done();

}  // namespace ptutils::shutdown
