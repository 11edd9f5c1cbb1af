#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "ptutils/common/fork.h"
#include "ptutils/common/process.h"
#include "support.h"

TEST_CASE("each forked child is a generation further") {
  auto here = ptutils::fork_generation();
  CHECK(test::in_child([&] {
    bool child = ptutils::fork_generation() == here + 1;
    return child && test::in_child(
                        [&] { return ptutils::fork_generation() == here + 2; });
  }));
  CHECK(ptutils::fork_generation() == here);
}

TEST_CASE("a mutex held over forks is free in a child of a busy process") {
  static std::mutex mutex;
  static std::atomic<long> guarded = 0;
  ptutils::hold_over_fork(mutex);
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) {
      std::lock_guard lock(mutex);
      ++guarded;
      std::this_thread::yield();
      --guarded;
    }
  });
  for (int i = 0; i < 20; ++i) {
    CHECK(test::in_child([] {
      std::lock_guard lock(mutex);
      return guarded == 0;  // never caught in the middle
    }));
  }
  stop = true;
  busy.join();
}

TEST_CASE("a child of a process that makes ids, logs and waits can do so too") {
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) ptutils::new_id();
  });
  for (int i = 0; i < 20; ++i) {
    CHECK(test::in_child([] { return ptutils::new_id().size() == 24; }));
  }
  stop = true;
  busy.join();
}
