#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>

#include "ptutils/common/detail/child.h"
#include "ptutils/common/detail/file_descriptor.h"
#include "ptutils/common/error.h"
#include "ptutils/common/interrupt.h"
#include "ptutils/common/process.h"

namespace ptutils {
namespace {

using Clock = std::chrono::steady_clock;
using detail::Child;
using detail::FileDescriptor;

constexpr char kDone = '.';  // the last byte of whole output

void limit(int resource, rlim_t value) {
  struct rlimit now {};
  if (::getrlimit(resource, &now) != 0) return;
  now.rlim_cur = std::min(value, now.rlim_max);
  now.rlim_max = now.rlim_cur;
  (void)::setrlimit(resource, &now);
}

rlim_t address_space() {
  std::ifstream statm("/proc/self/statm");
  rlim_t pages = 0;
  statm >> pages;
  return pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
}

/// Quiet, with the signals of a fresh process, and bounded.
void enter_child(std::uint64_t memory, double seconds) {
  (void)::setpgid(0, 0);
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTERM, SIGINT})
    (void)::signal(signal, SIG_DFL);
  if (FileDescriptor null(::open("/dev/null", O_WRONLY)); null) {
    (void)::dup2(null.get(), STDOUT_FILENO);
    (void)::dup2(null.get(), STDERR_FILENO);
  }
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_CPU, static_cast<rlim_t>(std::ceil(seconds)));
  if (rlim_t now = address_space()) limit(RLIMIT_AS, now + memory);
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t done = ::write(fd, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
}

/// All that comes until the end; false after `deadline`.
bool read_all(int fd, std::string& out, Clock::time_point deadline) {
  char buffer[1 << 14];
  while (true) {
    check_interrupt();
    if (Clock::now() >= deadline) return false;
    pollfd item{fd, POLLIN, 0};
    if (::poll(&item, 1, 20) <= 0) continue;
    ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got == 0) return true;
    if (got > 0) out.append(buffer, static_cast<std::size_t>(got));
  }
}

}  // namespace

ForkResult run_forked(const std::function<std::string()>& work,
                      std::uint64_t memory, double seconds) {
  constexpr std::string_view kWhere = "run_forked";
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    fail(Kind::kState, kWhere, "no pipe: ", std::strerror(errno));
  FileDescriptor reader(ends[0]), writer(ends[1]);
  pid_t pid = ::fork();
  if (pid < 0) fail(Kind::kState, kWhere, "no fork: ", std::strerror(errno));
  if (pid == 0) {
    enter_child(memory, seconds);
    write_all(writer.get(), work() + kDone);
    ::_exit(0);
  }
  writer.close();
  Child child(pid);
  ForkResult result;
  const auto wall = std::chrono::duration<double>(10 * seconds);
  if (!read_all(
          reader.get(), result.output,
          Clock::now() + std::chrono::duration_cast<Clock::duration>(wall)))
    return result;
  child.join();
  result.signal = child.signal().value_or(0);
  result.ended = result.output.ends_with(kDone);
  if (result.ended) result.output.pop_back();
  return result;
}

}  // namespace ptutils
