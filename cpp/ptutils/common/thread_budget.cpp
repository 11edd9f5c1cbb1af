#include "ptutils/common/detail/thread_budget.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "ptutils/common/detail/ascii.h"
#include "ptutils/common/error.h"
#include "ptutils/common/thread_pool.h"

namespace ptutils {
namespace {

namespace fs = std::filesystem;

constexpr int kMostThreads = 1024;
constexpr const char* kVariable = "PTUTILS_NUM_THREADS";

std::atomic<int> budget{0};  // 0: not asked for yet

int affinity_processors() {
  // More processors than the set has room for are reported by EINVAL.
  for (int capacity = CPU_SETSIZE; capacity <= 1 << 20; capacity *= 2) {
    std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(
        CPU_ALLOC(capacity), [](cpu_set_t* p) { CPU_FREE(p); });
    if (!set) break;
    std::size_t size = CPU_ALLOC_SIZE(capacity);
    if (sched_getaffinity(0, size, set.get()) == 0) {
      return std::max(1, CPU_COUNT_S(size, set.get()));
    }
  }
  return std::max(1U, std::thread::hardware_concurrency());
}

int initial_budget() {
  if (const char* text = std::getenv(kVariable); text && *text) {
    return detail::parse_thread_count(text);
  }
  int processors = affinity_processors();
  auto quota = detail::cgroup_processors("/proc/self");
  return std::min({processors, quota.value_or(processors), kMostThreads});
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream{std::string(text)};
  for (std::string part; std::getline(stream, part, separator);) {
    parts.push_back(part);
  }
  return parts;
}

bool contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

// Where a cgroup hierarchy is mounted, and which of its groups is shown there.
struct Mount {
  bool unified = false;  // v2
  std::string root;
  fs::path point;
};

// "36 35 98:0 /root /point options - type source super,options"
std::vector<Mount> cgroup_mounts(const fs::path& mountinfo) {
  std::vector<Mount> mounts;
  std::ifstream stream(mountinfo);
  for (std::string line; std::getline(stream, line);) {
    std::vector<std::string> fields = split(line, ' ');
    auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 5 || fields.end() - dash < 4) continue;
    bool unified = dash[1] == "cgroup2";
    bool v1 = dash[1] == "cgroup" && contains(split(dash[3], ','), "cpu");
    if (unified || v1) mounts.push_back({unified, fields[3], fields[4]});
  }
  return mounts;
}

// The group of the process in one hierarchy: "7:cpu,cpuacct:/path" or
// "0::/path".
std::optional<std::string> group_of(const fs::path& list, bool unified) {
  std::ifstream stream(list);
  for (std::string line; std::getline(stream, line);) {
    std::size_t first = line.find(':');
    std::size_t second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    std::string names = line.substr(first + 1, second - first - 1);
    bool hit = unified ? names.empty() : contains(split(names, ','), "cpu");
    if (hit) return line.substr(second + 1);
  }
  return {};
}

std::optional<double> quota_of(const fs::path& group, bool unified) {
  std::string quota;
  double period = 0;
  if (unified) {
    std::ifstream(group / "cpu.max") >> quota >> period;
  } else {
    std::ifstream(group / "cpu.cfs_quota_us") >> quota;
    std::ifstream(group / "cpu.cfs_period_us") >> period;
  }
  double time = 0;  // stays 0 for "max", and -1 means none in v1
  std::from_chars(quota.data(), quota.data() + quota.size(), time);
  if (time <= 0 || period <= 0) return {};
  return time / period;
}

// The smallest quota of the group and those above it.
std::optional<double> smallest_quota(const Mount& mount, std::string group) {
  // A container may show its own group as the root of the mount.
  if (mount.root != "/" && group.starts_with(mount.root)) {
    group.erase(0, mount.root.size());
  }
  std::optional<double> smallest;
  fs::path below = fs::path(group).relative_path().lexically_normal();
  while (true) {
    auto quota = quota_of(mount.point / below, mount.unified);
    if (quota && (!smallest || *quota < *smallest)) smallest = quota;
    if (below.empty() || below == "." || *below.begin() == "..") break;
    below = below.parent_path();
  }
  return smallest;
}

}  // namespace

int detail::parse_thread_count(std::string_view text) {
  std::string_view trimmed = detail::trim(text);
  int count = 0;
  const char* end = trimmed.data() + trimmed.size();
  auto result = std::from_chars(trimmed.data(), end, count);
  bool good = result.ec == std::errc() && result.ptr == end && count >= 1 &&
              count <= kMostThreads;
  if (!good) {
    fail(Kind::kValue, "thread_budget", kVariable, " is '", text,
         "'; give a whole number from 1 to ", kMostThreads, ", or unset it");
  }
  return count;
}

std::optional<int> detail::cgroup_processors(const fs::path& process) {
  std::optional<double> smallest;
  for (const Mount& mount : cgroup_mounts(process / "mountinfo")) {
    auto group = group_of(process / "cgroup", mount.unified);
    if (!group) continue;
    auto quota = smallest_quota(mount, *group);
    if (quota && (!smallest || *quota < *smallest)) smallest = quota;
  }
  if (!smallest || *smallest > kMostThreads) return {};
  // Rounded up: half a processor's time is not used by no thread.
  int whole = static_cast<int>(*smallest);
  return std::max(1, whole + (*smallest > whole));
}

int thread_budget() {
  int known = budget.load(std::memory_order_relaxed);
  if (known > 0) return known;
  int fresh = initial_budget();
  int unset = 0;  // set_thread_budget() by another thread wins
  return budget.compare_exchange_strong(unset, fresh) ? fresh : unset;
}

void set_thread_budget(int n) {
  if (n < 1 || n > kMostThreads) {
    fail(Kind::kValue, "set_thread_budget", "cannot use ", n,
         " threads; give a number from 1 to ", kMostThreads);
  }
  budget = n;
}

}  // namespace ptutils
