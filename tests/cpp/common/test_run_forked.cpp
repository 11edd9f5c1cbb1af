#include <doctest/doctest.h>
#include <signal.h>

#include <chrono>
#include <string>
#include <vector>

#include "ptutils/common/error.h"
#include "ptutils/common/interrupt.h"
#include "ptutils/common/process.h"

using namespace ptutils;

namespace {

constexpr std::uint64_t kMemory = std::uint64_t{64} << 20;

double seconds_of(const std::function<void()>& work) {
  auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
      .count();
}

}  // namespace

TEST_CASE("what the work returns comes back whole, with any bytes") {
  const std::string text = std::string(1 << 20, 'x') + std::string("\0.", 2);
  ForkResult result = run_forked([&] { return text; }, kMemory, 5);
  CHECK(result.ended);
  CHECK(result.signal == 0);
  CHECK(result.output == text);
}

TEST_CASE("a crash in the child is a signal here") {
  ForkResult result = run_forked(
      []() -> std::string {
        ::raise(SIGSEGV);
        return "not reached";
      },
      kMemory, 5);
  CHECK_FALSE(result.ended);
  CHECK(result.signal == SIGSEGV);
}

TEST_CASE("a child that computes for ever is ended by its time") {
  ForkResult result;
  double took = seconds_of([&] {
    result = run_forked(
        []() -> std::string {
          volatile bool on = true;
          while (on) {
          }
          return "";
        },
        kMemory, 1);
  });
  CHECK_FALSE(result.ended);
  CHECK(took < 9);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("a child cannot take more memory than it may") {
  ForkResult result = run_forked(
      [] {
        try {
          std::vector<char> much(4 * kMemory, 'x');
          return std::string("had ") + much[1];
        } catch (const std::bad_alloc&) {
          return std::string("refused");
        }
      },
      kMemory, 5);
  CHECK(result.output == "refused");
}
#endif

TEST_CASE("an interrupt of the waiting thread ends the child") {
  struct Interrupt {
    Interrupt() {
      set_interrupt_hook([] { fail(Kind::kInterrupted, "test", "stop"); });
    }
    ~Interrupt() { set_interrupt_hook(nullptr); }
  } interrupt;
  double took = seconds_of([] {
    CHECK_THROWS_AS(run_forked(
                        []() -> std::string {
                          volatile bool on = true;
                          while (on) {
                          }
                          return "";
                        },
                        kMemory, 30),
                    Error);
  });
  CHECK(took < 5);
}
