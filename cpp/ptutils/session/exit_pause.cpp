#include "ptutils/session/exit_pause.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "ptutils/common/shutdown.h"

namespace ptutils {

namespace {
constexpr std::chrono::seconds kLongestWait{5};
}  // namespace

struct ExitPause::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false;
};

ExitPause::ExitPause(std::function<void()> ask)
    : shared_(std::make_shared<Shared>()) {
  shutdown_id_ = shutdown::add_first([shared = shared_, ask = std::move(ask),
                                      mine = std::this_thread::get_id()] {
    if (std::this_thread::get_id() == mine) return;  // nobody goes on with it
    ask();
    std::unique_lock lock(shared->mutex);
    shared->changed.wait_for(lock, kLongestWait, [&] { return shared->ended; });
  });
}

ExitPause::~ExitPause() {
  {
    std::lock_guard lock(shared_->mutex);
    shared_->ended = true;
  }
  shared_->changed.notify_all();
  shutdown::remove(shutdown_id_);
}

}  // namespace ptutils
