#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace ptutils::data::detail {

/// What one thread does at a time, however long it takes: the others wait, and
/// notice Ctrl-C. A fork's child finds it free.
class Turn {
 public:
  /// Kind::kState where this thread has it already.
  void take();
  bool try_take();
  void give();

  /// Has it while it lives.
  class Mine {
   public:
    explicit Mine(Turn& turn) : turn_(turn) { turn_.take(); }
    ~Mine() { turn_.give(); }
    Mine(const Mine&) = delete;
    Mine& operator=(const Mine&) = delete;

   private:
    Turn& turn_;
  };

 private:
  bool is_free() const;
  void note_holder();

  std::mutex mutex_;
  std::condition_variable given_;
  bool taken_ = false;
  std::thread::id holder_;
  std::uint64_t process_ = 0;  // its fork_generation()
};

}  // namespace ptutils::data::detail
