#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>

#include "ptutils/common/export.h"

namespace ptutils {

/// Called by every blocking wait of the core, on the waiting thread, at least
/// every 50 ms, under no core lock; it throws to end the wait. The bindings
/// install one that runs Python's signal handlers (only on Python's main
/// thread). nullptr removes it.
PTUTILS_API void set_interrupt_hook(std::function<void()> hook);

/// Runs the hook once.
PTUTILS_API void check_interrupt();

/// Waits until `ready()` (evaluated under `lock`), or until `timeout`; returns
/// ready(). The one way to block in the core: notices Ctrl-C within 100 ms.
PTUTILS_API bool wait(
    std::condition_variable& condition, std::unique_lock<std::mutex>& lock,
    const std::function<bool()>& ready,
    std::optional<std::chrono::steady_clock::duration> timeout = {});

}  // namespace ptutils
