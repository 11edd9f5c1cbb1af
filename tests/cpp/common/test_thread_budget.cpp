#include <doctest/doctest.h>
#include <sched.h>
#include <stdlib.h>

#include <cstdio>

#include "ptutils/common/detail/thread_budget.h"
#include "ptutils/common/process.h"
#include "ptutils/common/thread_pool.h"
#include "support.h"

using ptutils::Kind;
using ptutils::detail::cgroup_processors;
using ptutils::detail::parse_thread_count;

namespace {

// A machine's cgroup files in a folder; the mounts lie in it, too.
struct Machine {
  test::Folder folder;

  void process(const std::string& groups) {
    test::put(folder / "cgroup", groups);
  }
  void mount(const std::string& point, const std::string& root,
             const std::string& type, const std::string& options) {
    mounts += "30 25 0:26 " + root + " " + (folder / point).string() +
              " rw,nosuid shared:4 - " + type + " cgroup rw," + options + "\n";
    test::put(folder / "mountinfo", mounts);
  }
  std::optional<int> processors() { return cgroup_processors(folder.path()); }

  std::string mounts = "22 1 0:20 / / rw - ext4 /dev/sda rw\n";
};

}  // namespace

TEST_CASE("the number of threads is a whole number in range") {
  CHECK(parse_thread_count("1") == 1);
  CHECK(parse_thread_count(" 12\n") == 12);
  CHECK(parse_thread_count("1024") == 1024);
  for (const char* bad : {"0", "-1", "x", "", " ", "2.5", "4x", "1e3", "1025",
                          "99999999999999999999"}) {
    CAPTURE(bad);
    auto parse = [&] { parse_thread_count(bad); };
    CHECK(test::kind_of(parse) == static_cast<int>(Kind::kValue));
    CHECK(test::contains(test::message_of(parse), "PTUTILS_NUM_THREADS"));
    CHECK(test::contains(test::message_of(parse), std::string("'") + bad));
  }
}

TEST_CASE("the budget is within the affinity mask, and at least one") {
  cpu_set_t set;
  REQUIRE(sched_getaffinity(0, sizeof set, &set) == 0);
  CHECK(ptutils::thread_budget() >= 1);
  if (!getenv("PTUTILS_NUM_THREADS")) {
    CHECK(ptutils::thread_budget() <= CPU_COUNT(&set));
  }
}

// Run by the next test in a process of its own, where nobody has asked yet.
TEST_CASE("budget of a fresh process" * doctest::skip()) {
  std::string text;
  std::string message = test::message_of(
      [&] { text = std::to_string(ptutils::thread_budget()); });
  std::fprintf(stdout, "budget=%s error=%s\n", text.c_str(), message.c_str());
}

TEST_CASE("PTUTILS_NUM_THREADS sets the budget, or says why it cannot") {
  std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  auto budget_with = [&](const std::string& value) {
    auto result =
        ptutils::run_command({"env", "PTUTILS_NUM_THREADS=" + value, self,
                              "--no-skip", "-tc=budget of a fresh process"},
                             "", 1 << 16, 20);
    CHECK(result.ok);
    return result.output;
  };
  CHECK(test::contains(budget_with("7"), "budget=7 error=\n"));
  CHECK(test::contains(budget_with("lots"), "PTUTILS_NUM_THREADS is 'lots'"));
  CHECK_FALSE(test::contains(budget_with(""), "budget= "));
}

TEST_CASE("set_thread_budget changes the budget and refuses less than one") {
  int before = ptutils::thread_budget();
  ptutils::set_thread_budget(3);
  CHECK(ptutils::thread_budget() == 3);
  for (int bad : {0, -1, 100000}) {
    CHECK(test::kind_of([&] { ptutils::set_thread_budget(bad); }) ==
          static_cast<int>(Kind::kValue));
  }
  CHECK(ptutils::thread_budget() == 3);
  ptutils::set_thread_budget(before);
}

TEST_CASE("cgroup v2 quotas are rounded up") {
  Machine machine;
  machine.process("0::/\n");
  machine.mount("unified", "/", "cgroup2", "nsdelegate");
  CHECK_FALSE(machine.processors());
  test::put(machine.folder / "unified/cpu.max", "max 100000\n");
  CHECK_FALSE(machine.processors());
  test::put(machine.folder / "unified/cpu.max", "150000 100000\n");
  CHECK(machine.processors() == 2);
  test::put(machine.folder / "unified/cpu.max", "400000 100000\n");
  CHECK(machine.processors() == 4);
  test::put(machine.folder / "unified/cpu.max", "1000 100000\n");
  CHECK(machine.processors() == 1);
}

TEST_CASE("the smallest quota on the way up counts") {
  Machine machine;
  machine.process("0::/a/b/c\n");
  machine.mount("unified", "/", "cgroup2", "nsdelegate");
  test::put(machine.folder / "unified/a/b/c/cpu.max", "max 100000\n");
  test::put(machine.folder / "unified/a/b/cpu.max", "300000 100000\n");
  test::put(machine.folder / "unified/a/cpu.max", "800000 100000\n");
  CHECK(machine.processors() == 3);
}

TEST_CASE("cgroup v1 quotas count, without one they are -1") {
  Machine machine;
  machine.process("9:memory:/x\n2:cpu,cpuacct:/x\n0::/x\n");
  machine.mount("cpu", "/", "cgroup", "cpu,cpuacct");
  machine.mount("memory", "/", "cgroup", "memory");
  test::put(machine.folder / "cpu/x/cpu.cfs_quota_us", "-1\n");
  test::put(machine.folder / "cpu/x/cpu.cfs_period_us", "100000\n");
  CHECK_FALSE(machine.processors());
  test::put(machine.folder / "cpu/x/cpu.cfs_quota_us", "250000\n");
  CHECK(machine.processors() == 3);
}

TEST_CASE("a container's group may be the root of its mount") {
  Machine machine;
  machine.process("2:cpu:/docker/abc/inner\n");
  machine.mount("cpu", "/docker/abc", "cgroup", "cpu");
  test::put(machine.folder / "cpu/inner/cpu.cfs_quota_us", "200000\n");
  test::put(machine.folder / "cpu/inner/cpu.cfs_period_us", "100000\n");
  CHECK(machine.processors() == 2);
}

TEST_CASE("malformed or missing cgroup files mean no quota") {
  Machine machine;
  CHECK_FALSE(machine.processors());
  machine.process("nonsense\n0:\n::\n0::/../..\n");
  machine.mount("unified", "/", "cgroup2", "x");
  test::put(machine.folder / "unified/cpu.max", "lots");
  CHECK_FALSE(machine.processors());
  test::put(machine.folder / "unified/cpu.max", "100000 0");
  CHECK_FALSE(machine.processors());
}
