#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <memory>

#include "ptutils/common/export.h"

namespace ptutils {

/// Threads that this process may use in all: PTUTILS_NUM_THREADS, else the
/// processors of the affinity mask and of the cgroup's quota.
PTUTILS_API int thread_budget();

/// Changes the budget (n >= 1); kernels and pools follow at their next use.
PTUTILS_API void set_thread_budget(int n);

/// Calls body(begin, end) over [0, n) in ranges of at least `grain`, on the
/// calling thread and the process's one pool. The split depends on n and grain
/// alone (never on the number of threads), so reductions over ranges are
/// reproducible. Runs inline when n <= grain or inside another parallel_for.
/// The first exception is rethrown when every range has ended.
PTUTILS_API void parallel_for(
    std::int64_t n, std::int64_t grain,
    const std::function<void(std::int64_t begin, std::int64_t end)>& body);

/// A fixed set of worker threads with one queue, for work that is not a
/// kernel's (loaders, savers). Joined by the destructor, which drops tasks not
/// yet begun; listed for shutdown. After a fork the child has no workers:
/// the next submit starts new ones.
class PTUTILS_API ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;
  /// The future carries the task's exception.
  std::future<void> submit(std::function<void()> task);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ptutils
