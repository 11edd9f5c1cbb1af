#include "ptutils/common/interrupt.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "ptutils/common/fork.h"

namespace ptutils {
namespace {

using Clock = std::chrono::steady_clock;
using Hook = std::function<void()>;

constexpr Clock::duration kSlice = std::chrono::milliseconds(50);

struct Installed {
  Installed() { hold_over_fork(mutex); }

  std::mutex mutex;
  std::shared_ptr<const Hook> hook;
};

Installed& installed() {
  // Never destroyed: threads may wait while the process ends.
  static Installed& instance = *new Installed;
  return instance;
}

[[maybe_unused]] const bool kInterruptMade = (installed(), true);

// When this thread last ran the hook: many short waits in a row must notice
// Ctrl-C as one long wait does.
thread_local Clock::time_point last_check;

// Gives the lock back for the time of a call, also when the call throws.
class Unlocked {
 public:
  explicit Unlocked(std::unique_lock<std::mutex>& lock) : lock_(lock) {
    lock_.unlock();
  }
  ~Unlocked() { lock_.lock(); }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  std::unique_lock<std::mutex>& lock_;
};

}  // namespace

void set_interrupt_hook(std::function<void()> hook) {
  std::shared_ptr<const Hook> next;
  if (hook) next = std::make_shared<const Hook>(std::move(hook));
  // The old hook is destroyed after the lock: it may belong to Python.
  std::lock_guard lock(installed().mutex);
  installed().hook.swap(next);
}

void check_interrupt() {
  last_check = Clock::now();
  std::shared_ptr<const Hook> hook;
  {
    std::lock_guard lock(installed().mutex);
    hook = installed().hook;
  }
  if (hook) (*hook)();
}

bool wait(std::condition_variable& condition,
          std::unique_lock<std::mutex>& lock,
          const std::function<bool()>& ready,
          std::optional<std::chrono::steady_clock::duration> timeout) {
  const Clock::time_point start = Clock::now();
  while (!ready()) {
    Clock::time_point time = Clock::now();
    Clock::duration slice = kSlice;
    if (timeout) {
      if (time - start >= *timeout) return false;
      slice = std::min(slice, *timeout - (time - start));
    }
    if (time - last_check >= kSlice) {
      Unlocked unlocked(lock);
      check_interrupt();
      continue;  // ready() may have changed meanwhile
    }
    slice = std::min(slice, kSlice - (time - last_check));
    condition.wait_for(lock, slice);
  }
  return true;
}

}  // namespace ptutils
