#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "ptutils/common/detail/child.h"
#include "ptutils/common/detail/file_descriptor.h"
#include "ptutils/common/interrupt.h"
#include "ptutils/common/process.h"

namespace ptutils {
namespace {

using Clock = std::chrono::steady_clock;
using detail::Child;
using detail::FileDescriptor;

constexpr double kLongestTimeout = 1e6;  // seconds; keeps the clock in range

// How the child starts: in its directory and its own process group, with no
// input, no stderr, and the signals of a fresh process.
class SpawnOptions {
 public:
  SpawnOptions(int output, const std::string& directory) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    // First, since `output` itself may be 0 or 2 where those were closed.
    posix_spawn_file_actions_adddup2(&actions_, output, 1);
    posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, 2, "/dev/null", O_WRONLY, 0);
    if (!directory.empty()) {
      posix_spawn_file_actions_addchdir_np(&actions_, directory.c_str());
    }
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP |
                                               POSIX_SPAWN_SETSIGMASK |
                                               POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnOptions() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnOptions(const SpawnOptions&) = delete;
  SpawnOptions& operator=(const SpawnOptions&) = delete;

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// 0 when it cannot be started.
pid_t spawn(const std::vector<std::string>& argv, const std::string& directory,
            int output) {
  std::vector<char*> arguments;
  for (const std::string& argument : argv) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  SpawnOptions options(output, directory);
  pid_t pid = 0;
  int error = posix_spawnp(&pid, arguments[0], options.actions(),
                           options.attributes(), arguments.data(), environ);
  return error == 0 ? pid : 0;
}

// Appends what is there, up to `limit` in all; what is beyond is read, so that
// the writer does not block, and dropped. False at the end.
bool read_some(int fd, std::string& output, std::size_t limit) {
  char buffer[1 << 14];
  ssize_t got = ::read(fd, buffer, sizeof buffer);
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  output.append(buffer, std::min<std::size_t>(got, limit - output.size()));
  return got > 0;
}

// Reads until the child and its output have ended; false after `deadline`.
bool finish(Child& child, int fd, std::string& output, std::size_t limit,
            Clock::time_point deadline) {
  bool open = true;
  auto nap = std::chrono::microseconds(200);
  while (true) {
    check_interrupt();
    if (Clock::now() >= deadline) return false;
    if (!open) {
      if (child.poll()) return true;
      std::this_thread::sleep_for(nap);
      nap = std::min(2 * nap, std::chrono::microseconds(10000));
      continue;
    }
    // A grandchild in the background may keep the pipe open: the child's end
    // ends the wait too, once what it wrote is read.
    bool ended = child.poll();
    pollfd item{fd, POLLIN, 0};
    int ready = ::poll(&item, 1, ended ? 0 : 20);
    if (ready > 0) {
      open = read_some(fd, output, limit);
    } else if (ended) {
      return true;
    }
  }
}

}  // namespace

CommandResult run_command(const std::vector<std::string>& argv,
                          const std::string& directory, std::size_t limit,
                          double timeout) {
  CommandResult result;
  int ends[2];
  if (argv.empty() || ::pipe2(ends, O_CLOEXEC) != 0) return result;
  FileDescriptor reader(ends[0]), writer(ends[1]);
  ::fcntl(reader.get(), F_SETFL, O_NONBLOCK);
  pid_t pid = spawn(argv, directory, writer.get());
  if (pid == 0) return result;
  writer.close();
  Child child(pid);
  // Written so that NaN counts as no time at all.
  double seconds = timeout > 0 ? std::min(timeout, kLongestTimeout) : 0;
  auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                     std::chrono::duration<double>(seconds));
  if (finish(child, reader.get(), result.output, limit, deadline)) {
    result.ok = child.exit_code() == 0;
  }
  return result;
}

}  // namespace ptutils
