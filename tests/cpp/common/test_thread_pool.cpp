#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <stdexcept>

#include "ptutils/common/shutdown.h"
#include "ptutils/common/thread_pool.h"
#include "support.h"

using ptutils::Kind;
using ptutils::ThreadPool;
using namespace std::chrono_literals;

TEST_CASE("a pool runs every task") {
  std::atomic<int> runs{0};
  ThreadPool pool(3);
  CHECK(pool.size() == 3);
  std::vector<std::future<void>> futures;
  for (int i = 0; i < 200; ++i) {
    futures.push_back(pool.submit([&] { ++runs; }));
  }
  for (auto& future : futures) future.get();
  CHECK(runs == 200);
}

TEST_CASE("one thread runs the tasks in order") {
  std::string order;
  ThreadPool pool(1);
  std::future<void> last;
  for (char c : {'a', 'b', 'c'})
    last = pool.submit([&order, c] { order += c; });
  last.get();
  CHECK(order == "abc");
}

TEST_CASE("the future carries the task's exception") {
  ThreadPool pool(2);
  auto future = pool.submit([] { throw std::runtime_error("sample 37"); });
  CHECK_THROWS_WITH_AS(future.get(), "sample 37", std::runtime_error);
  pool.submit([] {}).get();
}

TEST_CASE("what a task held is gone when its future is ready") {
  std::atomic<bool> gone{false};
  auto slow_end = [&](int* held) {
    std::this_thread::sleep_for(30ms);
    delete held;
    gone = true;
  };
  ThreadPool pool(1);
  auto held = std::shared_ptr<int>(new int(1), slow_end);
  std::promise<void> may_go;
  auto future = pool.submit(
      [held, start = may_go.get_future().share()] { start.wait(); });
  held.reset();
  may_go.set_value();
  future.get();
  CHECK(gone);
}

TEST_CASE("a pool of no threads is refused") {
  CHECK(test::kind_of([] { ThreadPool pool(0); }) ==
        static_cast<int>(Kind::kValue));
}

TEST_CASE("the destructor ends the task in work and drops those not begun") {
  std::atomic<bool> began{false};
  std::atomic<int> ended{0};
  std::future<void> first, second;
  {
    ThreadPool pool(1);
    first = pool.submit([&] {
      began = true;
      std::this_thread::sleep_for(50ms);
      ++ended;
    });
    second = pool.submit([&] { ++ended; });
    while (!began) std::this_thread::yield();
  }
  CHECK(ended == 1);
  first.get();
  CHECK(test::kind_of([&] { second.get(); }) == static_cast<int>(Kind::kState));
}

TEST_CASE("a pool that was never used or is used by many threads ends well") {
  { ThreadPool pool(2); }
  std::atomic<int> runs{0};
  {
    ThreadPool pool(2);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 100; ++i) pool.submit([&] { ++runs; }).get();
      });
    }
    for (auto& thread : threads) thread.join();
  }
  CHECK(runs == 400);
}

TEST_CASE("a task may drop the last reference to its own pool") {
  auto pool = std::make_shared<ThreadPool>(1);
  auto* raw = pool.get();
  std::promise<void> may_go;
  auto gone = may_go.get_future().share();
  auto future = raw->submit([pool, gone] { gone.wait(); });
  pool.reset();
  may_go.set_value();
  future.get();
}

TEST_CASE("workers leave the program's signals to its own threads") {
  ThreadPool pool(1);
  sigset_t mask;
  pool.submit([&] { pthread_sigmask(SIG_SETMASK, nullptr, &mask); }).get();
  CHECK(sigismember(&mask, SIGINT) == 1);
  CHECK(sigismember(&mask, SIGTERM) == 1);
  CHECK(sigismember(&mask, SIGSEGV) == 0);
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  CHECK(sigismember(&mask, SIGINT) == 0);
}

#ifndef PTUTILS_TEST_TSAN  // which forbids new threads after a fork
TEST_CASE("a pool goes on in a forked child, with threads of its own") {
  ThreadPool pool(2);
  pool.submit([] {}).get();
  CHECK(test::in_child([&] {
    int runs = 0;
    pool.submit([&] { ++runs; }).get();
    return runs == 1;
  }));
  pool.submit([] {}).get();
}

TEST_CASE("a pool may be destroyed in a forked child") {
  auto pool = std::make_unique<ThreadPool>(2);
  pool->submit([] {}).get();
  CHECK(test::in_child([&] {
    pool.reset();
    return true;
  }));
}

TEST_CASE("the shutdown stops a pool, which takes no task any more") {
  CHECK(test::in_child([] {
    ThreadPool pool(2);
    pool.submit([] {}).get();
    ptutils::shutdown::run();
    return test::kind_of([&] { pool.submit([] {}); }) ==
           static_cast<int>(Kind::kState);
  }));
}

TEST_CASE("a program that exits with a busy pool ends well") {
  int status = test::status_of_child([]() -> int {
    static ThreadPool pool(2);
    for (int i = 0; i < 10; ++i) {
      pool.submit([] { std::this_thread::sleep_for(5ms); });
    }
    exit(0);
  });
  CHECK(status == 0);
}
#endif
