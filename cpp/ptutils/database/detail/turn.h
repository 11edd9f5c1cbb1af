#pragma once

#include <condition_variable>
#include <mutex>

#include "ptutils/common/interrupt.h"

/// Private to this folder.
namespace ptutils::detail {

/// A lock for long work (a save of gigabytes): waiting for it can be
/// interrupted, and no mutex is held meanwhile.
class Turn {
 public:
  class Holder {
   public:
    /// `interruptible`: false on threads of our own.
    explicit Holder(Turn& turn, bool interruptible = true) : turn_(turn) {
      std::unique_lock lock(turn_.mutex_);
      auto ready = [&] { return !turn_.taken_; };
      if (interruptible)
        wait(turn_.free_, lock, ready);
      else
        turn_.free_.wait(lock, ready);
      turn_.taken_ = true;
    }
    ~Holder() {
      {
        std::lock_guard lock(turn_.mutex_);
        turn_.taken_ = false;
      }
      turn_.free_.notify_one();
    }
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;

   private:
    Turn& turn_;
  };

 private:
  std::mutex mutex_;
  std::condition_variable free_;
  bool taken_ = false;
};

}  // namespace ptutils::detail
