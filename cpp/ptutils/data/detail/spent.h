#pragma once

#include <chrono>

namespace ptutils::data::detail {

using Clock = std::chrono::steady_clock;

/// Time that a thread has spent in the parts of making batches.
struct Spent {
  Clock::duration making{}, reading{}, decoding{}, transforming{};
  Spent operator-(const Spent& before) const {
    return {making - before.making, reading - before.reading,
            decoding - before.decoding, transforming - before.transforming};
  }
};

/// This thread's, since it began.
Spent& spent();

/// Adds the time of its life to a part.
class Timed {
 public:
  explicit Timed(Clock::duration& part) : part_(part), begin_(Clock::now()) {}
  ~Timed() { part_ += Clock::now() - begin_; }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  Clock::duration& part_;
  Clock::time_point begin_;
};

}  // namespace ptutils::data::detail
