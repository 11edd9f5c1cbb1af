#include "ptutils/common/thread_pool.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <iterator>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "ptutils/common/detail/thread.h"
#include "ptutils/common/error.h"
#include "ptutils/common/fork.h"
#include "ptutils/common/shutdown.h"

namespace ptutils {
namespace {

struct Task {
  std::function<void()> body;
  std::promise<void> promise;

  void run() {
    std::exception_ptr error;
    try {
      body();
    } catch (...) {
      error = std::current_exception();
    }
    body = nullptr;  // what it held is gone when the future is ready
    if (error) {
      promise.set_exception(std::move(error));
    } else {
      promise.set_value();
    }
  }

  void drop() {
    promise.set_exception(std::make_exception_ptr(
        Error(Kind::kState,
              "[ThreadPool] stopped before the task began: submit it again to "
              "a pool that lives")));
  }
};

// The threads of one pool in one process. Each thread holds it, so that a task
// may drop the last reference to its own pool.
class Crew : public std::enable_shared_from_this<Crew> {
 public:
  explicit Crew(int size) : size_(size) {}

  // The first task starts the threads. False when the crew was stopped.
  bool push(Task& task) {
    {
      std::lock_guard lock(mutex_);
      if (stopping_) return false;
      if (threads_.empty()) start();
      tasks_.push_back(std::move(task));
    }
    changed_.notify_one();
    return true;
  }

  // For the owner: stop(), also out of the shutdown list.
  void end() {
    std::uint64_t id = 0;
    {
      std::lock_guard lock(mutex_);
      id = shutdown_id_;
    }
    if (id != 0) shutdown::remove(id);
    stop();
  }

  // Drops what has not begun and waits for what has. Twice is once.
  void stop() {
    std::deque<Task> dropped;
    std::vector<std::thread> threads;
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      dropped.swap(tasks_);
      threads.swap(threads_);
    }
    changed_.notify_all();
    for (Task& task : dropped) task.drop();
    for (std::thread& thread : threads) {
      if (thread.get_id() == std::this_thread::get_id()) {
        thread.detach();
      } else {
        thread.join();
      }
    }
  }

 private:
  // Under mutex_.
  void start() {
    auto self = shared_from_this();
    if (shutdown_id_ == 0)
      shutdown_id_ = shutdown::add([self] { self->stop(); });
    try {
      while (std::ssize(threads_) < size_) {
        threads_.push_back(
            detail::start_thread("ptutils-worker", [self] { self->work(); }));
      }
    } catch (const std::system_error& error) {
      if (!threads_.empty()) return;  // fewer threads do the same work
      fail(Kind::kState, "ThreadPool", "cannot start a thread: ", error.what(),
           "; end other programs or raise the limit (ulimit -u)");
    }
  }

  void work() {
    while (true) {
      Task task;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopping_ || !tasks_.empty(); });
        if (stopping_) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task.run();
    }
  }

  const int size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t shutdown_id_ = 0;
  std::deque<Task> tasks_;
  std::vector<std::thread> threads_;
  bool stopping_ = false;
};

struct Crews {
  Crews() { hold_over_fork(mutex); }

  // Guards which crew a pool has. Held over forks, so that a child can replace
  // the parent's crew, whose own mutex may be locked for ever.
  std::mutex mutex;
  // Those of parents: their threads do not exist here, and joining or
  // destroying them is an error.
  std::vector<std::shared_ptr<Crew>> abandoned;
};

Crews& crews() {
  static Crews& instance = *new Crews;
  return instance;
}

[[maybe_unused]] const bool kCrewsMade = (crews(), true);

}  // namespace

struct ThreadPool::Impl {
  explicit Impl(int threads_) : threads(threads_) {}

  const int threads;
  std::uint64_t generation = fork_generation();
  std::shared_ptr<Crew> crew;

  // Under the mutex of crews().
  void forget_parent() {
    if (generation == fork_generation()) return;
    generation = fork_generation();
    if (crew) crews().abandoned.push_back(std::move(crew));
    crew = nullptr;
  }

  std::shared_ptr<Crew> current() {
    std::lock_guard lock(crews().mutex);
    forget_parent();
    if (!crew) crew = std::make_shared<Crew>(threads);
    return crew;
  }
};

ThreadPool::ThreadPool(int threads) {
  if (threads < 1) {
    fail(Kind::kValue, "ThreadPool", "cannot have ", threads,
         " threads; give at least 1");
  }
  impl_ = std::make_unique<Impl>(threads);
}

ThreadPool::~ThreadPool() {
  std::shared_ptr<Crew> crew;
  {
    std::lock_guard lock(crews().mutex);
    impl_->forget_parent();
    crew = std::move(impl_->crew);
  }
  if (crew) crew->end();
}

int ThreadPool::size() const { return impl_->threads; }

std::future<void> ThreadPool::submit(std::function<void()> body) {
  std::shared_ptr<Crew> crew = impl_->current();
  Task task{std::move(body), {}};
  std::future<void> future = task.promise.get_future();
  if (!crew->push(task)) {
    fail(Kind::kState, "ThreadPool", "the pool was stopped: the process ends");
  }
  return future;
}

}  // namespace ptutils
