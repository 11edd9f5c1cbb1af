#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <limits>
#include <mutex>
#include <system_error>
#include <utility>

#include "ptutils/common/detail/thread.h"
#include "ptutils/common/error.h"
#include "ptutils/common/fork.h"
#include "ptutils/common/log.h"
#include "ptutils/common/shutdown.h"
#include "ptutils/common/thread_pool.h"

namespace ptutils {
namespace {

using Body = std::function<void(std::int64_t, std::int64_t)>;

// Enough to balance the load of many threads, few enough to cost nothing.
constexpr std::int64_t kMostRanges = 256;
// About two microseconds: the last range of a small kernel ends within them,
// and going to sleep would cost more.
constexpr int kSpins = 50;

thread_local bool inside_parallel_for = false;

class Inside {
 public:
  Inside() : before_(std::exchange(inside_parallel_for, true)) {}
  ~Inside() { inside_parallel_for = before_; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  bool before_;
};

// [0, n) in equal parts, the first ones longer by one.
class Ranges {
 public:
  Ranges(std::int64_t n, std::int64_t grain)
      : count_(std::clamp<std::int64_t>(n / grain, 1, kMostRanges)),
        length_(n / count_),
        longer_(n % count_) {}

  std::int64_t count() const { return count_; }
  std::int64_t begin(std::int64_t i) const {
    return i * length_ + std::min(i, longer_);
  }
  std::int64_t end(std::int64_t i) const { return begin(i + 1); }

 private:
  std::int64_t count_, length_, longer_;
};

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// One parallel_for, on the stack of its caller.
class Job {
 public:
  Job(const Body& body, const Ranges& ranges, int most_helpers)
      : body_(body), ranges_(ranges), most_helpers_(most_helpers) {}

  // Runs ranges until none is left. They are claimed in order, so when one
  // fails all before it have begun: those behind it are left out, and the
  // failure of the lowest range is the same whoever runs which.
  void work() {
    Inside inside;
    while (!failed_.load(std::memory_order_relaxed)) {
      std::int64_t i = next_.fetch_add(1, std::memory_order_relaxed);
      if (i >= ranges_.count()) return;
      try {
        body_(ranges_.begin(i), ranges_.end(i));
      } catch (...) {
        record(i, std::current_exception());
      }
    }
  }

  bool wants_help() const {
    return helpers_.load(std::memory_order_relaxed) < most_helpers_ &&
           next_.load(std::memory_order_relaxed) < ranges_.count() &&
           !failed_.load(std::memory_order_relaxed);
  }
  void join() { helpers_.fetch_add(1, std::memory_order_relaxed); }
  // The last touch of a helper: true when it was the last one.
  bool leave() { return helpers_.fetch_sub(1) == 1; }
  bool alone() const { return helpers_.load() == 0; }

  void rethrow() {
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  void record(std::int64_t i, std::exception_ptr error) {
    failed_ = true;
    // What is replaced is destroyed by the caller of record, after the lock.
    std::lock_guard lock(error_mutex_);
    if (i >= error_range_) return;
    error_range_ = i;
    error_.swap(error);
  }

  const Body& body_;
  const Ranges ranges_;
  const int most_helpers_;
  std::atomic<std::int64_t> next_{0};
  std::atomic<int> helpers_{0};
  std::atomic<bool> failed_{false};
  std::mutex error_mutex_;
  std::exception_ptr error_;
  std::int64_t error_range_ = std::numeric_limits<std::int64_t>::max();
};

// The threads of one process. Never destroyed; a forked child makes its own.
class Pool {
 public:
  explicit Pool(std::uint64_t generation) : generation_(generation) {}

  std::uint64_t generation() const { return generation_; }

  void run(Job& job, int helpers) {
    enlist(job, helpers);
    job.work();
    if (generation_ != fork_generation()) {
      fail(Kind::kState, "parallel_for",
           "the process was forked inside the body of a parallel_for, and the "
           "child has not the threads to end it; fork outside of it");
    }
    dismiss(job);
    job.rethrow();
  }

 private:
  void enlist(Job& job, int helpers) {
    int started = 0;
    {
      std::lock_guard lock(mutex_);
      most_active_ = thread_budget() - 1;
      start_workers(helpers);
      started = workers_;
      jobs_.push_back(&job);
    }
    if (helpers >= started) {
      work_.notify_all();
    } else {
      for (int i = 0; i < helpers; ++i) work_.notify_one();
    }
  }

  // Returns when no helper touches the job any more.
  void dismiss(Job& job) {
    {
      std::lock_guard lock(mutex_);
      jobs_.erase(std::find(jobs_.begin(), jobs_.end(), &job));
    }
    for (int i = 0; i < kSpins && !job.alone(); ++i) pause();
    if (job.alone()) return;
    // Not ptutils::wait: the helpers work on the caller's memory, so that not
    // even Ctrl-C can end this wait early; they are in their last range.
    std::unique_lock lock(mutex_);
    left_.wait(lock, [&] { return job.alone(); });
  }

  // Under mutex_.
  void start_workers(int wanted) {
    while (workers_ < wanted) {
      try {
        detail::start_thread("ptutils-kernel", [this] { work(); }).detach();
      } catch (const std::system_error&) {
        return;  // a limit of the system: the caller and the others do it
      }
      ++workers_;
    }
  }

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      Job* job = pick();
      if (job == nullptr) {
        work_.wait(lock);
        continue;
      }
      job->join();
      ++active_;
      lock.unlock();
      job->work();
      lock.lock();
      --active_;
      if (job->leave()) left_.notify_all();
    }
  }

  // Under mutex_. The budget may have shrunk since the threads were started.
  Job* pick() {
    if (active_ >= most_active_) return nullptr;
    for (Job* job : jobs_) {
      if (job->wants_help()) return job;
    }
    return nullptr;
  }

  const std::uint64_t generation_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable left_;
  std::deque<Job*> jobs_;
  int workers_ = 0;
  int active_ = 0;
  int most_active_ = 0;
};

struct Current {
  Current() { hold_over_fork(mutex); }

  std::mutex mutex;
  std::atomic<Pool*> pool{nullptr};
};

Current& current() {
  static Current& instance = *new Current;
  return instance;
}

[[maybe_unused]] const bool kPoolMade = (current(), true);

Pool& pool() {
  std::uint64_t generation = fork_generation();
  Pool* known = current().pool.load(std::memory_order_acquire);
  if (known && known->generation() == generation) return *known;
  std::lock_guard lock(current().mutex);
  known = current().pool.load(std::memory_order_relaxed);
  if (!known || known->generation() != generation) {
    // The parent's pool is left as it was: its mutex may be locked for ever.
    known = new Pool(generation);
    current().pool.store(known, std::memory_order_release);
  }
  return *known;
}

}  // namespace

void parallel_for(std::int64_t n, std::int64_t grain, const Body& body) {
  if (n <= 0) return;
  Ranges ranges(n, std::max<std::int64_t>(grain, 1));
  if (ranges.count() == 1) {
    Inside inside;
    return body(0, n);
  }
  bool alone = inside_parallel_for || thread_budget() == 1 || shutdown::done();
  int helpers = alone ? 0
                      : static_cast<int>(std::min<std::int64_t>(
                            thread_budget() - 1, ranges.count() - 1));
  if (helpers < 1) {
    Inside inside;
    for (std::int64_t i = 0; i < ranges.count(); ++i) {
      body(ranges.begin(i), ranges.end(i));
    }
    return;
  }
  Job job(body, ranges, helpers);
  pool().run(job, helpers);
}

}  // namespace ptutils
