#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ptutils/common/interrupt.h"

namespace ptutils {

/// Items that one thread works on, in order. Bounded: push waits. Thread-safe.
/// The thread starts with the first item. An Item has an `id` (text) and
/// `bytes()`, and is moved.
template <class Item>
class WorkQueue {
 public:
  struct Limits {
    std::size_t count, bytes;  ///< that wait; one larger item waits alone
    std::size_t group_count = 1, group_bytes = SIZE_MAX;  ///< of one call
  };
  /// The first error since it was last asked for, and how many there were.
  struct Failure {
    std::exception_ptr error;  ///< null: none
    std::string id;
    std::size_t count = 0;
  };
  /// Works on a group, all or none; called on the thread.
  using Work = std::function<void(const std::vector<Item>& group)>;
  /// Ends a wait; asked now and then.
  using GiveUp = std::function<bool()>;
  struct Waiting {
    std::uint64_t items;
    std::size_t bytes;
  };
  enum class Push { kTaken, kStopped, kGivenUp };

  WorkQueue(Work work, Limits limits)
      : work_(std::move(work)), limits_(limits) {}
  ~WorkQueue() { stop(); }
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  /// The item is taken, or not.
  Push push(Item item, const GiveUp& give_up = never) {
    const std::size_t bytes = item.bytes();
    std::unique_lock lock(mutex_);
    auto has_room = [&] {
      std::uint64_t pending = pushed_ - done_;
      return pending == 0 ||
             (pending < limits_.count && bytes_ + bytes <= limits_.bytes);
    };
    wait(changed_, lock, [&] { return stopping_ || has_room() || give_up(); });
    if (stopping_) return Push::kStopped;
    if (!has_room()) return Push::kGivenUp;
    ++pushed_;
    bytes_ += bytes;
    last_of_id_[item.id] = pushed_;
    waiting_.push_back(std::move(item));
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    changed_.notify_all();
    return Push::kTaken;
  }

  /// Until everything pushed so far (with this id) is done or has failed.
  /// False: given up.
  bool wait_all(const GiveUp& give_up = never) {
    std::unique_lock lock(mutex_);
    return wait_until(lock, pushed_, give_up);
  }
  bool wait_for(const std::string& id, const GiveUp& give_up = never) {
    std::unique_lock lock(mutex_);
    auto found = last_of_id_.find(id);
    return found == last_of_id_.end() ||
           wait_until(lock, found->second, give_up);
  }
  Waiting waiting() {
    std::lock_guard lock(mutex_);
    return {pushed_ - done_, bytes_};
  }

  Failure take_failure() {
    std::lock_guard lock(mutex_);
    return std::exchange(failure_, {});
  }

  /// Works on what waits, then ends the thread. Idempotent.
  void stop() {
    std::thread thread;
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      thread = std::exchange(thread_, {});
    }
    changed_.notify_all();
    if (thread.joinable()) thread.join();
  }

 private:
  static bool never() { return false; }

  bool wait_until(std::unique_lock<std::mutex>& lock, std::uint64_t target,
                  const GiveUp& give_up) {
    wait(changed_, lock, [&] { return done_ >= target || give_up(); });
    return done_ >= target;
  }

  void run() {
    for (;;) {
      std::vector<Item> group;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        group = take_group();
      }
      work_on(group);
      finish(group);
      // Here, with nothing locked: what an item holds may need its language's
      // lock to go.
      group.clear();
    }
  }

  std::vector<Item> take_group() {
    std::vector<Item> group;
    std::size_t bytes = 0;
    while (!waiting_.empty() && group.size() < limits_.group_count &&
           bytes < limits_.group_bytes) {
      bytes += waiting_.front().bytes();
      group.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    return group;
  }

  void work_on(std::vector<Item>& group) {
    try {
      work_(group);
      return;
    } catch (...) {
      if (group.size() == 1) return note_failure(group[0].id);
    }
    // One bad item shall not take the others with it.
    for (Item& item : group) {
      std::vector<Item> one;
      one.push_back(std::move(item));
      try {
        work_(one);
      } catch (...) {
        note_failure(one[0].id);
      }
      item = std::move(one[0]);
    }
  }

  void note_failure(const std::string& id) {
    std::exception_ptr error = std::current_exception();
    std::lock_guard lock(mutex_);
    if (failure_.count++ > 0) return;
    failure_.error = error;
    failure_.id = id;
  }

  void finish(const std::vector<Item>& group) {
    std::size_t bytes = 0;
    for (const Item& item : group) bytes += item.bytes();
    {
      std::lock_guard lock(mutex_);
      done_ += group.size();
      bytes_ -= bytes;
      for (const Item& item : group) {
        auto last = last_of_id_.find(item.id);
        if (last != last_of_id_.end() && last->second <= done_)
          last_of_id_.erase(last);
      }
    }
    changed_.notify_all();
  }

  const Work work_;
  const Limits limits_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by the mutex.
  std::deque<Item> waiting_;
  std::unordered_map<std::string, std::uint64_t> last_of_id_;
  std::uint64_t pushed_ = 0, done_ = 0;  // items, in order
  std::size_t bytes_ = 0;
  Failure failure_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace ptutils
