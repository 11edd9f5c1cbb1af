#include "ptutils/common/detail/map_note.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <utility>

namespace ptutils::detail {
namespace {

/// Read by the handler, so without a lock: free where `begin` is 0, to be read
/// where there is a path.
struct Place {
  std::atomic<const char*> path{nullptr};
  std::atomic<std::uintptr_t> begin{0}, end{0};
};
std::array<Place, 1024> places;
struct sigaction before;

void say(const char* text) {
  const ::ssize_t ignored = ::write(STDERR_FILENO, text, std::strlen(text));
  (void)ignored;
}

void on_bus_error(int, siginfo_t* info, void*) {
  const auto at = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (const Place& place : places) {
    const char* path = place.path.load(std::memory_order_acquire);
    if (!path || at < place.begin || at >= place.end) continue;
    say("\n[MappedFile] ");
    say(path);
    say(": another program shortened this file while it was read through a "
        "map, "
        "or its disk failed; the process cannot go on. Change such files by "
        "writing another and renaming it; ptutils.read(path, mmap=False) "
        "copies one first\n");
    break;
  }
  ::sigaction(SIGBUS, &before, nullptr);  // and the access is tried again
}

void install() {
  struct sigaction mine {};
  mine.sa_sigaction = &on_bus_error;
  mine.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&mine.sa_mask);
  ::sigaction(SIGBUS, &mine, &before);
}

}  // namespace

MapNote::MapNote(const std::byte* begin, std::size_t size, std::string path)
    : path_(std::move(path)) {
  static std::once_flag once;
  std::call_once(once, install);
  const auto from = reinterpret_cast<std::uintptr_t>(begin);
  for (std::size_t i = 0; i < places.size(); ++i) {
    Place& place = places[i];
    std::uintptr_t none = 0;
    if (place.begin || !place.begin.compare_exchange_strong(none, from))
      continue;
    place.end = from + size;
    place.path.store(path_.c_str(), std::memory_order_release);
    place_ = static_cast<int>(i);
    return;
  }
}

MapNote::~MapNote() {
  if (place_ < 0) return;
  Place& place = places[static_cast<std::size_t>(place_)];
  place.path.store(nullptr, std::memory_order_release);
  place.begin.store(0, std::memory_order_release);
}

}  // namespace ptutils::detail
