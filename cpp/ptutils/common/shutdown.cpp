#include "ptutils/common/shutdown.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "ptutils/common/error.h"
#include "ptutils/common/fork.h"
#include "ptutils/common/log.h"

namespace ptutils::shutdown {
namespace {

struct Entry {
  std::uint64_t id = 0;
  std::function<void()> stop;
  bool first = false;
};

struct State {
  State() { hold_over_fork(mutex); }

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Entry> entries;
  std::uint64_t last_id = 0;
  std::uint64_t running_id = 0;  // 0: none
  std::thread::id runner;        // the thread inside run(), or none
  std::uint64_t generation = 0;  // of `entries`, `running_id` and `runner`
  std::vector<std::vector<Entry>> abandoned;  // of parents, never destroyed
  std::atomic<bool> done{false};
};

State& state() {
  // Never destroyed: remove() is called by static destructors.
  static State& instance = *new State;
  return instance;
}

// What the parent registered belongs to threads and connections that the
// child does not have: it is forgotten, neither run nor destroyed.
void forget_parent(State& all) {
  if (all.generation == fork_generation()) return;
  all.generation = fork_generation();
  all.abandoned.push_back(std::move(all.entries));
  all.entries.clear();
  all.running_id = 0;
  all.runner = {};
}

void call(const Entry& entry) {
  try {
    entry.stop();
  } catch (const std::exception& error) {
    log::error("[shutdown] ", error.what());
  } catch (...) {
    log::error("[shutdown] an error of unknown type");
  }
}

// The newest of those that come first, or of all.
Entry take_next(std::vector<Entry>& entries) {
  auto next = std::find_if(entries.rbegin(), entries.rend(),
                           [](const Entry& entry) { return entry.first; });
  if (next == entries.rend()) next = entries.rbegin();
  Entry out = std::move(*next);
  entries.erase(std::prev(next.base()));
  return out;
}

// Runs the next entry; false when there is none.
bool run_next(State& all) {
  Entry entry;
  {
    std::lock_guard lock(all.mutex);
    if (all.entries.empty()) return false;
    entry = take_next(all.entries);
    all.running_id = entry.id;
  }
  call(entry);
  entry.stop = nullptr;  // before remove() returns, and under no lock
  std::lock_guard lock(all.mutex);
  all.running_id = 0;
  all.changed.notify_all();
  return true;
}

// For programs without Python. In Python, atexit has emptied the list before.
struct AtExit {
  AtExit() { state(); }
  ~AtExit() { run(); }
} at_exit;

}  // namespace

namespace {

std::uint64_t add_entry(std::function<void()> stop, bool first) {
  State& all = state();
  std::lock_guard lock(all.mutex);
  if (all.done) {
    fail(Kind::kState, "shutdown",
         "the process is ending: nothing new can be started");
  }
  forget_parent(all);
  all.entries.push_back({++all.last_id, std::move(stop), first});
  return all.last_id;
}

}  // namespace

std::uint64_t add(std::function<void()> stop) {
  return add_entry(std::move(stop), false);
}

std::uint64_t add_first(std::function<void()> stop) {
  return add_entry(std::move(stop), true);
}

void remove(std::uint64_t id) {
  State& all = state();
  Entry removed;  // destroyed after the lock
  std::unique_lock lock(all.mutex);
  forget_parent(all);
  auto found = std::find_if(all.entries.begin(), all.entries.end(),
                            [&](const Entry& entry) { return entry.id == id; });
  if (found != all.entries.end()) {
    removed = std::move(*found);
    all.entries.erase(found);
  } else if (all.runner != std::this_thread::get_id()) {
    // Not ptutils::wait: destructors call this and must not throw.
    all.changed.wait(lock, [&] { return all.running_id != id; });
  }
}

void run() {
  State& all = state();
  {
    std::unique_lock lock(all.mutex);
    forget_parent(all);
    all.done = true;
    if (all.runner == std::this_thread::get_id()) return;  // from a stop()
    all.changed.wait(lock, [&] { return all.runner == std::thread::id(); });
    all.runner = std::this_thread::get_id();
  }
  while (run_next(all)) {
  }
  std::lock_guard lock(all.mutex);
  all.runner = {};
  all.changed.notify_all();
}

bool done() { return state().done; }

}  // namespace ptutils::shutdown
