#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <limits>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>

#include "ptutils/common/thread_pool.h"
#include "support.h"

using ptutils::parallel_for;
using namespace std::chrono_literals;
using Ranges = std::set<std::pair<std::int64_t, std::int64_t>>;

namespace {

// A budget for the time of a test.
struct Budget {
  explicit Budget(int n) : before(ptutils::thread_budget()) {
    ptutils::set_thread_budget(n);
  }
  ~Budget() { ptutils::set_thread_budget(before); }
  int before;
};

Ranges ranges_of(std::int64_t n, std::int64_t grain) {
  std::mutex mutex;
  Ranges ranges;
  parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    std::lock_guard lock(mutex);
    CHECK(ranges.emplace(begin, end).second);
  });
  return ranges;
}

bool covers(const Ranges& ranges, std::int64_t n, std::int64_t grain) {
  std::int64_t at = 0;
  for (auto [begin, end] : ranges) {
    if (begin != at || (end - begin < grain && ranges.size() > 1)) return false;
    at = end;
  }
  return at == n;
}

bool sums_right() {
  std::atomic<std::int64_t> sum{0};
  parallel_for(10000, 10, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) sum += i;
  });
  return sum == 10000 * 9999 / 2;
}

}  // namespace

TEST_CASE("the ranges cover everything once, each at least the grain") {
  Budget budget(4);
  for (std::int64_t n : {1, 2, 7, 100, 1000, 4097, 1000003}) {
    for (std::int64_t grain : {1, 2, 3, 64, 1000, 5000}) {
      CAPTURE(n);
      CAPTURE(grain);
      CHECK(covers(ranges_of(n, grain), n, grain));
    }
  }
}

TEST_CASE("no range for nothing, one range up to the grain") {
  CHECK(ranges_of(0, 1).empty());
  CHECK(ranges_of(-5, 1).empty());
  CHECK(ranges_of(10, 10) == Ranges{{0, 10}});
  CHECK(ranges_of(3, 0).size() == 3);
  auto huge = std::numeric_limits<std::int64_t>::max();
  CHECK(covers(ranges_of(huge, 1), huge, 1));
}

TEST_CASE("the split does not depend on the number of threads or on nesting") {
  Ranges expected;
  {
    Budget budget(1);
    expected = ranges_of(12345, 7);
  }
  CHECK(expected.size() > 8);
  for (int n : {2, 3, 8}) {
    Budget budget(n);
    CHECK(ranges_of(12345, 7) == expected);
    Ranges nested;
    parallel_for(2, 1, [&](std::int64_t begin, std::int64_t) {
      if (begin == 0) nested = ranges_of(12345, 7);
    });
    CHECK(nested == expected);
  }
}

TEST_CASE("ranges run on several threads at the same time") {
  Budget budget(3);
  std::atomic<int> inside{0};
  // Ends only if three are inside together.
  parallel_for(3, 1, [&](std::int64_t, std::int64_t) {
    ++inside;
    auto late = std::chrono::steady_clock::now() + 20s;
    while (inside < 3 && std::chrono::steady_clock::now() < late) {
      std::this_thread::yield();
    }
  });
  CHECK(inside == 3);
}

TEST_CASE("no more threads than the budget work on one parallel_for") {
  for (int n : {4, 2, 1}) {
    Budget budget(n);
    std::mutex mutex;
    std::set<std::thread::id> threads;
    std::atomic<int> inside{0}, most{0};
    parallel_for(64, 1, [&](std::int64_t, std::int64_t) {
      int now = ++inside;
      int seen = most;
      while (now > seen && !most.compare_exchange_weak(seen, now)) {
      }
      std::this_thread::sleep_for(1ms);
      --inside;
      std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
    });
    CHECK(most <= n);
    if (n == 1) CHECK(threads.size() == 1);
  }
}

TEST_CASE("a smaller budget holds for all callers together") {
  Budget budget(4);
  CHECK(sums_right());
  ptutils::set_thread_budget(2);
  std::atomic<int> inside{0}, most{0};
  auto caller = [&] {
    parallel_for(64, 1, [&](std::int64_t, std::int64_t) {
      int now = ++inside;
      int seen = most;
      while (now > seen && !most.compare_exchange_weak(seen, now)) {
      }
      std::this_thread::sleep_for(1ms);
      --inside;
    });
  };
  std::thread other(caller);
  caller();
  other.join();
  CHECK(most <= 3);  // two callers and one worker
}

TEST_CASE("a nested run stays on its thread") {
  Budget budget(4);
  std::atomic<int> strayed{0};
  parallel_for(8, 1, [&](std::int64_t, std::int64_t) {
    auto self = std::this_thread::get_id();
    parallel_for(100, 1, [&](std::int64_t, std::int64_t) {
      if (std::this_thread::get_id() != self) ++strayed;
    });
  });
  CHECK(strayed == 0);
}

TEST_CASE("the failure of the lowest range is rethrown, whoever runs which") {
  for (int n : {1, 2, 4}) {
    Budget budget(n);
    for (int repeat = 0; repeat < 50; ++repeat) {
      std::atomic<int> inside{0};
      std::string message;
      try {
        parallel_for(100, 1, [&](std::int64_t begin, std::int64_t) {
          ++inside;
          // Now the lowest fails last, now first.
          if (begin == 30 + repeat % 2) std::this_thread::sleep_for(100us);
          bool fails = begin >= 30;
          --inside;
          if (fails) throw std::runtime_error(std::to_string(begin));
        });
      } catch (const std::runtime_error& error) {
        message = error.what();
        CHECK(inside == 0);  // every range that began has ended
      }
      CHECK(message == "30");
    }
  }
}

TEST_CASE("of two failures the lower counts, whichever comes first") {
  Budget budget(2);
  for (int slow : {0, 1}) {
    std::atomic<int> inside{0};
    std::string message;
    try {
      parallel_for(2, 1, [&](std::int64_t begin, std::int64_t) {
        ++inside;
        while (inside < 2) std::this_thread::yield();
        if (begin == slow) std::this_thread::sleep_for(20ms);
        throw std::runtime_error(std::to_string(begin));
      });
    } catch (const std::runtime_error& error) {
      message = error.what();
    }
    CHECK(message == "0");
  }
}

TEST_CASE("after a failure the next run works") {
  Budget budget(3);
  CHECK_THROWS_AS(
      parallel_for(100, 1, [](std::int64_t, std::int64_t) { throw 1; }), int);
  CHECK(sums_right());
}

TEST_CASE("several threads use parallel_for at once, and budgets change") {
  Budget budget(3);
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      for (int i = 0; i < 50; ++i) wrong += !sums_right();
    });
  }
  for (int i = 0; i < 20; ++i) ptutils::set_thread_budget(1 + i % 4);
  for (auto& caller : callers) caller.join();
  CHECK(wrong == 0);
}

TEST_CASE("what workers write is seen by the caller") {
  Budget budget(4);
  for (int repeat = 0; repeat < 200; ++repeat) {
    std::vector<int> data(1000);
    parallel_for(1000, 10, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = begin; i < end; ++i) data[i] = static_cast<int>(i);
    });
    CHECK(std::accumulate(data.begin(), data.end(), 0) == 499500);
  }
}

TEST_CASE("idle workers use no processor time") {
  Budget budget(4);
  CHECK(sums_right());
  auto processor_time = [] {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * time.tv_nsec;
  };
  std::this_thread::sleep_for(20ms);
  double before = processor_time();
  std::this_thread::sleep_for(300ms);
  CHECK(processor_time() - before < 0.05);
}

#ifndef PTUTILS_TEST_TSAN  // which forbids new threads after a fork
TEST_CASE("a forked child has threads of its own") {
  Budget budget(3);
  CHECK(sums_right());
  CHECK(test::in_child([] {
    std::atomic<int> inside{0};
    parallel_for(3, 1, [&](std::int64_t, std::int64_t) {
      ++inside;
      while (inside < 3) std::this_thread::yield();
    });
    return sums_right() && test::in_child(sums_right);
  }));
  CHECK(sums_right());
}

TEST_CASE("children forked while other threads compute can compute") {
  Budget budget(3);
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) sums_right();
  });
  for (int i = 0; i < 20; ++i) CHECK(test::in_child(sums_right));
  stop = true;
  busy.join();
}

TEST_CASE("a fork inside a body is an error in the child, no hang") {
  Budget budget(2);
  bool parent = true;
  int kind = -1;
  int status = 0;
  kind = test::kind_of([&] {
    auto caller = std::this_thread::get_id();
    parallel_for(2, 1, [&](std::int64_t, std::int64_t) {
      if (std::this_thread::get_id() != caller) {
        std::this_thread::sleep_for(100ms);
        return;
      }
      if (!parent) return;
      pid_t pid = fork();
      if (pid != 0) {
        waitpid(pid, &status, 0);
      } else {
        alarm(20);
        parent = false;
      }
    });
  });
  if (!parent) _exit(kind == static_cast<int>(ptutils::Kind::kState) ? 0 : 1);
  CHECK(kind == -1);
  CHECK(status == 0);
}
#endif
