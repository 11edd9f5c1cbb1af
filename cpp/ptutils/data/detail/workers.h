#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>

#include "ptutils/data/detail/batch_job.h"

namespace ptutils::data::detail {

class Crew;

/// Threads that load the batches of a plan, each into its slot of a ring, for
/// one consumer that takes them in order. Its methods are for the consumer's
/// thread; any other may stop it, as the shutdown list does.
class Workers {
 public:
  /// nullptr when not one thread could be started (or the process ends).
  /// `thrifty`: one large batch ahead is enough, where the threads can share
  /// it.
  static std::unique_ptr<Workers> start(std::shared_ptr<const BatchJob> job,
                                        int threads, std::int64_t ahead,
                                        bool thrifty);
  /// No more than so many batches ahead; 0: each when it is taken.
  void limit(std::int64_t ahead);
  bool limited = false;  ///< the consumer's note: limit() was called
  /// In the place of the plan, for batches that were not begun.
  void follow(std::shared_ptr<const Plan> plan);
  /// Ends the threads. Those that are still busy after `grace` (in another
  /// language they may wait for the very lock that the caller holds) end on
  /// their own, and the shutdown list waits for them.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  std::chrono::milliseconds grace{0};
  /// From any thread: take() returns, and gives nothing any more.
  void stop();

  /// Loads from this batch on; what was loaded so far is dropped. A null plan:
  /// loads nothing.
  void seek(std::shared_ptr<const Plan> plan, std::int64_t batch);
  bool seeked = false;  ///< the consumer's note: they are where it is

  struct Taken {
    Loaded loaded;
    std::exception_ptr error;
    bool stopped = false;  // the threads were: no batch
  };
  /// Waits for the next batch; Kind::kState after `timeout` seconds (0: no
  /// limit). Then nothing has changed.
  Taken take(double timeout);

  int threads() const { return threads_; }
  /// By the shutdown list, or by a fork.
  bool stopped() const;

 private:
  struct Shared;
  Workers() = default;
  std::shared_ptr<Shared> shared_;
  std::shared_ptr<Crew> crew_;
  std::uint64_t shutdown_id_ = 0;
  int threads_ = 0;
};

}  // namespace ptutils::data::detail
