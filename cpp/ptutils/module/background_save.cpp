#include "ptutils/module/background_save.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "ptutils/common/fork.h"
#include "ptutils/common/interrupt.h"
#include "ptutils/common/log.h"
#include "ptutils/common/shutdown.h"

namespace ptutils {
namespace {

/// A value with tensors of its own, and their bytes.
struct Snapshot {
  Value value;
  std::size_t bytes = 0;
};

Value copied(const Value& value, std::size_t& bytes, const std::string& where) {
  if (value.is_tensor()) {
    Tensor out = value.as_tensor().clone();
    out.origin = value.as_tensor().origin;
    out.numpy_scalar = value.as_tensor().numpy_scalar;
    bytes += out.nbytes();
    return out;
  }
  if (value.is_opaque())
    fail(Kind::kType, where,
         "in the background what is saved is copied, and a ",
         value.as_opaque()->type_name(),
         " cannot be: save it without background=True");
  if (value.is_list()) {
    List out;
    out.tuple = value.as_list().tuple;
    for (const Value& item : value.as_list().items)
      out.items.push_back(copied(item, bytes, where));
    return out;
  }
  if (!value.is_dict()) return value;
  Dict out;
  out.kind = value.as_dict().kind;
  for (const auto& [key, item] : value.as_dict())
    out.set(key, copied(item, bytes, where));
  return out;
}

class Saver {
 public:
  Saver() {
    shutdown::add([this] { stop(); });
  }

  void push(const std::filesystem::path& path, const Value& value,
            const WriteOptions& options) {
    raise_error();
    Job job{path, {}, options};
    job.snapshot.value =
        copied(value, job.snapshot.bytes, str("save ", path.string()));
    std::unique_lock lock(mutex_);
    wait(changed_, lock, [&] {
      return stopping_ || pushed_ == done_ ||
             bytes_ + job.snapshot.bytes <= kMaxPendingBytes;
    });
    if (stopping_)
      fail(Kind::kState, "save", path.string(),
           ": the process ends; save without background=True");
    ++pushed_;
    bytes_ += job.snapshot.bytes;
    waiting_.push_back(std::move(job));
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    changed_.notify_all();
  }

  void sync() {
    {
      std::unique_lock lock(mutex_);
      const std::uint64_t target = pushed_;
      wait(changed_, lock, [&] { return done_ >= target; });
    }
    raise_error();
  }

 private:
  struct Job {
    std::filesystem::path path;
    Snapshot snapshot;
    WriteOptions options;
  };

  void run() {
    for (;;) {
      Job job;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        job = std::move(waiting_.front());
        waiting_.pop_front();
      }
      try {
        save(job.path, job.snapshot.value, job.options);
      } catch (...) {
        std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
        ++errors_;
      }
      const std::size_t bytes = job.snapshot.bytes;
      job = {};  // before others are let in
      {
        std::lock_guard lock(mutex_);
        bytes_ -= bytes;
        ++done_;
      }
      changed_.notify_all();
    }
  }

  void raise_error() {
    std::exception_ptr error;
    std::size_t count = 0;
    {
      std::lock_guard lock(mutex_);
      if (!error_) return;
      error = std::exchange(error_, nullptr);
      count = std::exchange(errors_, 0);
    }
    try {
      std::rethrow_exception(error);
    } catch (const Error& cause) {
      throw Error(cause.kind(),
                  str("a save in the background failed",
                      count > 1 ? str(" (and ", count - 1, " more)") : "", ": ",
                      cause.what()));
    }
  }

  void stop() {
    std::thread thread;
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      thread = std::exchange(thread_, {});
    }
    changed_.notify_all();
    if (thread.joinable()) thread.join();
    try {
      raise_error();  // nobody asks any more
    } catch (const Error& error) {
      log::error(error.what());
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by the mutex.
  std::deque<Job> waiting_;
  std::uint64_t pushed_ = 0, done_ = 0;
  std::size_t bytes_ = 0;
  std::exception_ptr error_;
  std::size_t errors_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

/// The process's own; never destroyed. A forked child has a new one: what
/// waits is the parent's to write.
Saver& saver() {
  static std::mutex& mutex = []() -> std::mutex& {
    auto& made = *new std::mutex();
    hold_over_fork(made);
    return made;
  }();
  static Saver* current = nullptr;
  static std::uint64_t generation = 0;
  std::lock_guard lock(mutex);
  if (!current || generation != fork_generation()) {
    current = new Saver();
    generation = fork_generation();
  }
  return *current;
}

}  // namespace

void save_in_background(const std::filesystem::path& path, const Value& value,
                        const WriteOptions& options) {
  codec_for_writing(path, options);
  saver().push(std::filesystem::absolute(path), value, options);
}

void sync_saves() { saver().sync(); }

}  // namespace ptutils
