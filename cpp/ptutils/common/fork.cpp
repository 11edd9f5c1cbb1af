#include "ptutils/common/fork.h"

#include <pthread.h>

#include <atomic>
#include <vector>

namespace ptutils {
namespace {

struct State {
  std::atomic<std::uint64_t> generation{0};
  std::mutex list_mutex;
  // Locked in the order of registration, the same at every fork. They are
  // leaves: under one of them no other is ever taken.
  std::vector<std::mutex*> held;
};

State& state();

void before_fork() {
  State& all = state();
  all.list_mutex.lock();
  for (std::mutex* mutex : all.held) mutex->lock();
}

void release() {
  State& all = state();
  for (auto it = all.held.rbegin(); it != all.held.rend(); ++it) {
    (*it)->unlock();
  }
  all.list_mutex.unlock();
}

void after_fork_in_child() {
  state().generation.fetch_add(1);
  release();
}

State& state() {
  // Never destroyed: threads may still ask while the process ends.
  static State& instance = *new State;
  return instance;
}

// When the library is loaded: a fork before the first question counts too.
[[maybe_unused]] const bool kInstalled = [] {
  state();
  return pthread_atfork(before_fork, release, after_fork_in_child) == 0;
}();

}  // namespace

std::uint64_t fork_generation() { return state().generation.load(); }

void hold_over_fork(std::mutex& mutex) {
  State& all = state();
  std::lock_guard lock(all.list_mutex);
  all.held.push_back(&mutex);
}

}  // namespace ptutils
