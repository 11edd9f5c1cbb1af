#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace ptutils::data::detail {

/// Threads that are asked to end elsewhere and awaited here. Safe after a fork:
/// the child has none of them and waits for none.
class Crew {
 public:
  Crew();
  /// Runs `body` on a new thread; false when the system has none left. What the
  /// body captures is destroyed before the thread counts as ended.
  bool add(std::function<void()> body);
  int size() const { return static_cast<int>(threads_.size()); }
  /// This process started them.
  bool mine() const;
  /// Waits until all have ended; false after `limit`.
  bool ended(std::chrono::milliseconds limit);
  /// Joins them if they have ended within the limit; else hands them to the
  /// process's list, which joins them later, at the latest at shutdown.
  static void dismiss(std::shared_ptr<Crew> crew,
                      std::chrono::milliseconds limit);
  /// Puts the list among what the process stops at its end: before anything
  /// that may dismiss a crew then, since the newest entry stops first.
  static void list_for_shutdown();
  /// Joins those of the list that have ended.
  static void reap();

 private:
  struct List;
  static List& list();
  void join();
  void detach();
  static void stop_list();

  std::mutex mutex_;
  std::condition_variable ended_;
  int running_ = 0;
  std::mutex join_mutex_;
  std::vector<std::thread> threads_;
  std::uint64_t generation_;
};

}  // namespace ptutils::data::detail
