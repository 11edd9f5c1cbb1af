#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace ptutils {

/// A thread that calls `beat` every `seconds` until it is destroyed. It never
/// takes a lock of another language; an exception is logged, and it goes on.
class Heartbeat {
 public:
  Heartbeat(double seconds, std::function<void()> beat);
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;
  void stop();  ///< waits for a running beat; idempotent

 private:
  void run();

  const std::chrono::steady_clock::duration pause_;
  const std::function<void()> beat_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::uint64_t shutdown_id_ = 0;
  std::thread thread_;
};

}  // namespace ptutils
