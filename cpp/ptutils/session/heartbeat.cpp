#include "ptutils/session/heartbeat.h"

#include <string>
#include <utility>

#include "ptutils/common/log.h"
#include "ptutils/common/shutdown.h"

namespace ptutils {

Heartbeat::Heartbeat(double seconds, std::function<void()> beat)
    : pause_(std::chrono::duration_cast<std::chrono::steady_clock::duration>(
          std::chrono::duration<double>(seconds))),
      beat_(std::move(beat)) {
  // Before there is a thread: it fails where the process is ending.
  shutdown_id_ = shutdown::add([this] { stop(); });
  try {
    std::lock_guard lock(mutex_);
    thread_ = std::thread([this] { run(); });
  } catch (...) {
    shutdown::remove(shutdown_id_);
    throw;
  }
}

void Heartbeat::run() {
  std::string said;
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, pause_, [this] { return stopping_; })) {
    lock.unlock();
    try {
      beat_();
    } catch (const std::exception& e) {
      if (said != e.what()) log::warning("heartbeat: ", e.what());
      said = e.what();  // once, not every second
    }
    lock.lock();
  }
}

void Heartbeat::stop() {
  std::thread thread;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    thread = std::move(thread_);
  }
  wake_.notify_all();
  if (thread.joinable()) thread.join();
}

Heartbeat::~Heartbeat() {
  shutdown::remove(shutdown_id_);
  stop();
}

}  // namespace ptutils
