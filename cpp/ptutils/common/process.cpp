#include "ptutils/common/process.h"

#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <random>
#include <sstream>

#include "ptutils/common/detail/ascii.h"
#include "ptutils/common/error.h"
#include "ptutils/common/fork.h"

namespace ptutils {
namespace {

namespace fs = std::filesystem;

// The number by which Linux always knows the outermost namespace of pids.
constexpr const char* kFirstPidNamespace = "pid:[4026531836]";

struct Stat {
  char state = 0;
  std::int64_t start = 0;
};

// "PID (NAME) STATE ..."; the name may hold spaces and brackets itself.
std::optional<Stat> read_stat(const std::string& pid) {
  std::ifstream stream("/proc/" + pid + "/stat");
  std::ostringstream text;
  text << stream.rdbuf();
  std::string line = text.str();
  std::size_t bracket = line.rfind(')');
  if (bracket == std::string::npos) return {};
  std::istringstream fields(line.substr(bracket + 1));
  Stat stat;
  fields >> stat.state;  // field 3
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  if (!(fields >> stat.start)) return {};
  return stat;
}

void random_bytes(unsigned char* bytes, std::size_t size) {
  if (getrandom(bytes, size, 0) == static_cast<ssize_t>(size)) return;
  std::random_device device;
  std::generate(bytes, bytes + size,
                [&] { return static_cast<unsigned char>(device()); });
}

// Counts within one process, so that its ids ascend even when the clock goes
// back. A child of a fork draws its own random part.
class IdSource {
 public:
  IdSource() { hold_over_fork(mutex_); }

  std::string next() {
    std::lock_guard lock(mutex_);
    if (!drawn_ || generation_ != fork_generation()) draw();
    auto seconds = static_cast<std::uint32_t>(now());
    seconds_ = std::max(seconds_, seconds);
    if (++counter_ > 0xFFFFFF) {
      counter_ = 0;
      ++seconds_;
    }
    std::string id;
    append(id, seconds_, 4);
    append(id, random_, 5);
    append(id, counter_, 3);
    return id;
  }

 private:
  void draw() {
    unsigned char bytes[7];
    random_bytes(bytes, sizeof bytes);
    random_ = 0;
    for (int i = 0; i < 5; ++i) random_ = random_ << 8 | bytes[i];
    counter_ = static_cast<std::uint64_t>(bytes[5]) << 8 | bytes[6];
    generation_ = fork_generation();
    drawn_ = true;
  }

  static void append(std::string& id, std::uint64_t number, int bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    for (int shift = bytes * 8 - 4; shift >= 0; shift -= 4) {
      id += kDigits[number >> shift & 15];
    }
  }

  std::mutex mutex_;
  bool drawn_ = false;
  std::uint64_t generation_ = 0;
  std::uint32_t seconds_ = 0;
  std::uint64_t random_ = 0;
  std::uint64_t counter_ = 0;
};

IdSource& ids() {
  static IdSource& instance = *new IdSource;
  return instance;
}

[[maybe_unused]] const bool kIdsMade = (ids(), true);

}  // namespace

double now() {
  auto time = std::chrono::system_clock::now().time_since_epoch();
  using Microseconds = std::chrono::duration<std::int64_t, std::micro>;
  auto count = std::chrono::duration_cast<Microseconds>(time).count();
  return static_cast<double>(count) / 1e6;
}

std::string host_name() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0 || name[0] == 0) {
    return "localhost";
  }
  return name;
}

std::string boot_id() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  if (id.empty()) id = "unknown";
  // Within a container pids mean something only among its own processes: two
  // containers of a machine must not take each other's for dead.
  std::error_code error;
  std::string space = fs::read_symlink("/proc/self/ns/pid", error).string();
  if (!error && space != kFirstPidNamespace) id += "/" + space;
  return id;
}

ProcessId this_process() {
  ProcessId self{getpid(), 0};
  if (auto stat = read_stat("self")) self.start = stat->start;
  return self;
}

bool is_alive(const ProcessId& process) {
  if (process.pid <= 0) return false;
  auto pid = static_cast<pid_t>(process.pid);
  if (pid != process.pid) return false;
  auto stat = read_stat(str(process.pid));
  if (!stat) {
    // Hidden from us (hidepid) is not dead.
    return kill(pid, 0) == 0 || errno == EPERM;
  }
  // A zombie only waits for its parent to ask how it ended.
  if (stat->state == 'Z' || stat->state == 'X' || stat->state == 'x') {
    return false;
  }
  return process.start == 0 || process.start == stat->start;
}

std::string new_id() { return ids().next(); }

}  // namespace ptutils
