#include "ptutils/common/detail/temporary.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ptutils/common/detail/io_error.h"
#include "ptutils/common/error.h"
#include "ptutils/common/fork.h"

namespace ptutils::detail {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".tmp";
// Leaves room for ".", ".PID-COUNTER.tmp" in the 255 bytes of a name.
constexpr std::size_t kLongestStem = 200;

std::atomic<std::uint64_t> counter{0};

// Held from the creation of a temporary until it is locked: in between it
// looks like one whose writer is dead. (Other processes look at the pid too.)
std::mutex& creation_mutex() {
  static std::mutex& mutex = *[] {
    auto* fresh = new std::mutex;
    hold_over_fork(*fresh);
    return fresh;
  }();
  return mutex;
}

[[maybe_unused]] const bool kCreationHeld = (creation_mutex(), true);

std::string prefix_of(const fs::path& target) {
  return str(".", target.filename().native().substr(0, kLongestStem), ".");
}

// Takes digits off the front of `text`; nothing when there are none.
std::optional<std::int64_t> take_number(std::string_view& text) {
  std::int64_t number = 0;
  auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc() || number < 0) return {};
  text.remove_prefix(result.ptr - text.data());
  return number;
}

// The pid in ".NAME.PID-COUNTER.tmp", of any name: a run's next files have
// others than those that it was killed at.
std::optional<pid_t> writer_of(std::string_view name) {
  if (!name.starts_with('.') || !name.ends_with(kSuffix)) return {};
  const std::size_t dot = name.rfind('.', name.size() - kSuffix.size() - 1);
  if (dot == std::string_view::npos || dot == 0) return {};
  name.remove_prefix(dot + 1);
  auto pid = take_number(name);
  if (!pid || *pid == 0 || !name.starts_with('-')) return {};
  name.remove_prefix(1);
  if (!take_number(name) || name != kSuffix) return {};
  return static_cast<pid_t>(*pid);
}

// A living process of another number is left alone. Our own number may also
// be that of a dead process: in containers the pids repeat.
bool may_be_dead(pid_t pid) {
  return pid == getpid() || (kill(pid, 0) != 0 && errno == ESRCH);
}

// A dead pid is not enough: on a shared file system the writer may live on
// another machine, or in another container. It would hold the lock.
void remove_if_unlocked(const fs::path& path) {
  std::lock_guard lock(creation_mutex());
  FileDescriptor fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (fd && flock(fd.get(), LOCK_EX | LOCK_NB) == 0) ::unlink(path.c_str());
}

}  // namespace

void remove_stale(const fs::path& target) {
  fs::path folder = folder_of(target);
  std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(folder.c_str()),
                                              ::closedir);
  if (!listing) return;
  std::vector<fs::path> stale;
  while (const dirent* entry = ::readdir(listing.get())) {
    auto pid = writer_of(entry->d_name);
    if (pid && may_be_dead(*pid)) stale.push_back(folder / entry->d_name);
  }
  for (const fs::path& path : stale) remove_if_unlocked(path);
}

Temporary create_temporary(const fs::path& target, mode_t mode) {
  remove_stale(target);
  while (true) {
    Temporary file;
    file.path = folder_of(target) / str(prefix_of(target), getpid(), "-",
                                        counter.fetch_add(1), kSuffix);
    std::lock_guard lock(creation_mutex());
    file.fd = FileDescriptor(::open(
        file.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (file.fd) {
      flock(file.fd.get(), LOCK_EX | LOCK_NB);  // best effort: not everywhere
      return file;
    }
    if (errno != EEXIST && errno != EINTR) return file;
  }
}

}  // namespace ptutils::detail
