#pragma once

#include <chrono>
#include <cstdint>

namespace ptutils::data::detail {

using Clock = std::chrono::steady_clock;

/// A counter of time in a unit of its own: a look at it costs some 10 ns, one
/// at the clock 50.
inline std::uint64_t ticks() {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  return static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
#endif
}

/// Ticks that a thread has spent in the parts of making batches.
struct Ticks {
  std::uint64_t reading = 0, decoding = 0, transforming = 0, python = 0;

  Ticks& operator+=(const Ticks& more) {
    reading += more.reading;
    decoding += more.decoding;
    transforming += more.transforming;
    python += more.python;
    return *this;
  }
  Ticks operator-(const Ticks& before) const {
    return {reading - before.reading, decoding - before.decoding,
            transforming - before.transforming, python - before.python};
  }
};
/// This thread's, since it began.
Ticks& spent_ticks();

/// Adds the time of its life to a part.
class Timed {
 public:
  explicit Timed(std::uint64_t& part) : part_(part), begin_(ticks()) {}
  ~Timed() { part_ += ticks() - begin_; }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  std::uint64_t& part_;
  std::uint64_t begin_;
};

/// Seconds of one batch.
struct Spent {
  double making = 0, reading = 0, decoding = 0, transforming = 0, python = 0;
};

/// From its begin to spent(): a batch, on one thread.
class Stopwatch {
 public:
  Spent spent() const;

 private:
  Clock::time_point begin_ = Clock::now();
  std::uint64_t begin_ticks_ = ticks();
  Ticks before_ = spent_ticks();
};

}  // namespace ptutils::data::detail
