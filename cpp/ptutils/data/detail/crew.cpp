#include "ptutils/data/detail/crew.h"

#include <algorithm>
#include <optional>
#include <system_error>

#include "ptutils/common/fork.h"
#include "ptutils/common/log.h"
#include "ptutils/common/shutdown.h"

namespace ptutils::data::detail {
namespace {

constexpr std::chrono::seconds kAtShutdown{5};

}  // namespace

/// Crews that were still busy when their owner went away.
struct Crew::List {
  std::mutex mutex;
  std::vector<std::shared_ptr<Crew>> crews;
  std::optional<std::uint64_t> listed;  // generation that lists it for shutdown
};

Crew::List& Crew::list() {
  static List* list = [] {
    auto* made = new List;  // loaders of static lifetime end after any order
    hold_over_fork(made->mutex);
    return made;
  }();
  return *list;
}

Crew::Crew() : generation_(fork_generation()) {}

bool Crew::mine() const { return generation_ == fork_generation(); }

bool Crew::add(std::function<void()> body) {
  {
    std::lock_guard lock(mutex_);
    ++running_;
  }
  auto run = [this, body = std::move(body)]() mutable {
    body();
    body = nullptr;
    std::lock_guard lock(mutex_);
    --running_;
    ended_.notify_all();
  };
  try {
    threads_.emplace_back(std::move(run));
    return true;
  } catch (const std::system_error&) {
    std::lock_guard lock(mutex_);
    --running_;
    return false;
  }
}

bool Crew::ended(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  // A bounded wait without the interrupt hook: it runs in destructors.
  return ended_.wait_for(lock, limit, [this] { return running_ == 0; });
}

void Crew::join() {
  std::lock_guard lock(join_mutex_);
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
}

void Crew::detach() {
  std::lock_guard lock(join_mutex_);
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.detach();
}

void Crew::dismiss(std::shared_ptr<Crew> crew,
                   std::chrono::milliseconds limit) {
  if (!crew->mine()) {
    // Handles of threads that do not exist here can neither be joined nor
    // destroyed.
    new std::shared_ptr<Crew>(std::move(crew));
    return;
  }
  if (crew->ended(limit)) return crew->join();
  List& left = list();
  std::lock_guard lock(left.mutex);
  left.crews.push_back(std::move(crew));
}

void Crew::list_for_shutdown() {
  List& left = list();
  {
    std::lock_guard lock(left.mutex);
    // A fork's child begins with an empty shutdown list.
    if (left.listed == fork_generation()) return;
    left.listed = fork_generation();
  }
  shutdown::add(&Crew::stop_list);
}

void Crew::stop_list() {
  List& all = list();
  std::vector<std::shared_ptr<Crew>> crews;
  {
    std::lock_guard lock(all.mutex);
    crews.swap(all.crews);
  }
  for (auto& crew : crews) {
    if (!crew->mine()) {
      new std::shared_ptr<Crew>(std::move(crew));
    } else if (crew->ended(kAtShutdown)) {
      crew->join();
    } else {
      log::warning("a DataLoader's thread is still in its data set at exit");
      crew->detach();
      new std::shared_ptr<Crew>(std::move(crew));  // the thread uses it
    }
  }
}

void Crew::reap() {
  List& left = list();
  std::vector<std::shared_ptr<Crew>> ready;
  {
    std::lock_guard lock(left.mutex);
    auto done = [](const std::shared_ptr<Crew>& crew) {
      return crew->mine() && crew->ended({});
    };
    auto from = std::stable_partition(left.crews.begin(), left.crews.end(),
                                      [&](auto& crew) { return !done(crew); });
    std::move(from, left.crews.end(), std::back_inserter(ready));
    left.crews.erase(from, left.crews.end());
  }
  for (auto& crew : ready) crew->join();
}

}  // namespace ptutils::data::detail
