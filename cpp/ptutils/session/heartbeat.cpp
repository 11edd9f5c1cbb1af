#include "ptutils/session/heartbeat.h"

#include <chrono>
#include <string>

#include "ptutils/common/log.h"
#include "ptutils/common/shutdown.h"

namespace ptutils {

Heartbeat::Heartbeat(double seconds, std::function<void()> beat) {
  auto pause = std::chrono::duration_cast<std::chrono::steady_clock::duration>(
      std::chrono::duration<double>(seconds));
  thread_ = std::thread([this, pause, beat = std::move(beat)] {
    std::string said;
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, pause, [this] { return stopping_; })) {
      lock.unlock();
      try {
        beat();
      } catch (const std::exception& e) {
        if (said != e.what()) log::warning("heartbeat: ", e.what());
        said = e.what();  // once, not every second
      }
      lock.lock();
    }
  });
  shutdown_id_ = shutdown::add([this] { stop(); });
}

void Heartbeat::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Heartbeat::~Heartbeat() {
  shutdown::remove(shutdown_id_);
  stop();
}

}  // namespace ptutils
