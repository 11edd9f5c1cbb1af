#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>

#include "ptutils/common/log.h"
#include "ptutils/common/shutdown.h"
#include "support.h"

// run() ends a process's life, so each of these tests has a process of its own.
namespace shutdown = ptutils::shutdown;
using namespace std::chrono_literals;

TEST_CASE("shutdown runs all, the newest first, and forgets them") {
  CHECK(test::in_child([] {
    std::string order;
    for (char c : {'a', 'b', 'c'}) {
      shutdown::add([&order, c] { order += c; });
    }
    bool before = shutdown::done();
    shutdown::run();
    shutdown::run();
    return order == "cba" && !before && shutdown::done();
  }));
}

TEST_CASE("what comes first is run before all others") {
  CHECK(test::in_child([] {
    std::string order;
    shutdown::add([&] { order += 'a'; });
    shutdown::add_first([&] { order += 'b'; });
    auto removed = shutdown::add_first([&] { order += 'x'; });
    shutdown::add_first([&] { order += 'c'; });
    shutdown::add([&] { order += 'd'; });
    shutdown::remove(removed);
    shutdown::run();
    return order == "cbda";
  }));
}

TEST_CASE("a stop function that throws is logged and the others still run") {
  CHECK(test::in_child([] {
    std::string logged, order;
    ptutils::log::set_sink([&](const auto& r) { logged += r.message; });
    shutdown::add([&] { order += 'a'; });
    shutdown::add([] { throw std::runtime_error("broken pipe"); });
    shutdown::add([] { throw 7; });
    shutdown::run();
    return order == "a" && test::contains(logged, "broken pipe") &&
           test::contains(logged, "unknown");
  }));
}

TEST_CASE("what was removed is not run, and is destroyed at once") {
  CHECK(test::in_child([] {
    auto owned = std::make_shared<int>(0);
    auto id = shutdown::add([owned] { ++*owned; });
    bool held = owned.use_count() == 2;
    shutdown::remove(id);
    shutdown::remove(id);
    bool released = owned.use_count() == 1;
    shutdown::run();
    return held && released && *owned == 0;
  }));
}

TEST_CASE("nothing can be started once the shutdown has begun") {
  CHECK(test::in_child([] {
    int kind = -1;
    shutdown::add([&] { kind = test::kind_of([] { shutdown::add([] {}); }); });
    shutdown::run();
    return kind == static_cast<int>(ptutils::Kind::kState);
  }));
}

TEST_CASE("a stop function may remove itself and run the shutdown again") {
  CHECK(test::in_child([] {
    std::uint64_t id = 0;
    int runs = 0;
    id = shutdown::add([&] {
      ++runs;
      shutdown::remove(id);
      shutdown::run();
    });
    shutdown::run();
    return runs == 1;
  }));
}

#ifndef PTUTILS_TEST_TSAN  // which forbids new threads after a fork
TEST_CASE("remove waits for a stop function that another thread runs") {
  CHECK(test::in_child([] {
    std::atomic<bool> began{false}, ended{false};
    auto id = shutdown::add([&] {
      began = true;
      std::this_thread::sleep_for(50ms);
      ended = true;
    });
    std::thread runner([] { shutdown::run(); });
    while (!began) std::this_thread::yield();
    shutdown::remove(id);
    bool waited = ended;
    runner.join();
    return waited;
  }));
}

TEST_CASE("a second run waits until the first has ended") {
  CHECK(test::in_child([] {
    std::atomic<bool> began{false}, ended{false};
    shutdown::add([&] {
      began = true;
      std::this_thread::sleep_for(50ms);
      ended = true;
    });
    std::thread runner([] { shutdown::run(); });
    while (!began) std::this_thread::yield();
    shutdown::run();
    bool waited = ended;
    runner.join();
    return waited;
  }));
}
#endif

TEST_CASE("a program without Python is shut down when it exits") {
  int status = test::status_of_child([]() -> int {
    shutdown::add([] { _exit(42); });
    exit(0);
  });
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 42);
}

TEST_CASE(
    "a forked child neither runs nor destroys what the parent registered") {
  auto owned = std::make_shared<int>(0);
  auto id = shutdown::add([owned] { ++*owned; });
  CHECK(test::in_child([&] {
    int own = 0;
    shutdown::add([&] { ++own; });
    shutdown::run();
    return *owned == 0 && own == 1 && owned.use_count() == 2;
  }));
  shutdown::remove(id);
  CHECK(owned.use_count() == 1);
}
