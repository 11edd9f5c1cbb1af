#include "ptutils/database/detail/fork_gate.h"

#include <pthread.h>

#include <condition_variable>
#include <mutex>

namespace ptutils::detail {
namespace {

// Leaky: a fork may come after static destructors. No pthread_rwlock_t: it
// knows its writer by the thread's number, which changes in the child.
struct Gate {
  std::mutex mutex;
  std::condition_variable* changed = new std::condition_variable;
  int holders = 0;
  int forks = 0;  // that wait: they go first, so that none starves
};
Gate& gate() {
  static auto* one = new Gate;
  return *one;
}

// The mutex stays locked over the fork.
void before_fork() {
  Gate& one = gate();
  std::unique_lock lock(one.mutex);
  ++one.forks;
  one.changed->wait(lock, [&] { return one.holders == 0; });
  lock.release();
}

void in_parent() {
  Gate& one = gate();
  --one.forks;
  one.mutex.unlock();
  one.changed->notify_all();
}

void in_child() {
  Gate& one = gate();
  one.forks = 0;
  // The old one counts waiting threads that do not exist here.
  one.changed = new std::condition_variable;
  one.mutex.unlock();
}

}  // namespace

ForkGate::ForkGate() {
  Gate& one = gate();
  static const int registered =
      pthread_atfork(before_fork, in_parent, in_child);
  (void)registered;
  std::unique_lock lock(one.mutex);
  one.changed->wait(lock, [&] { return one.forks == 0; });
  ++one.holders;
}

ForkGate::~ForkGate() {
  Gate& one = gate();
  std::lock_guard lock(one.mutex);
  if (--one.holders == 0) one.changed->notify_all();
}

}  // namespace ptutils::detail
