#include <doctest/doctest.h>
#include <signal.h>
#include <sys/prctl.h>

#include <chrono>
#include <set>
#include <stdexcept>

#include "ptutils/common/interrupt.h"
#include "ptutils/common/process.h"
#include "support.h"

using namespace ptutils;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

TEST_CASE("now is the time of day, and ascends") {
  double first = now();
  CHECK(first > 1.6e9);
  CHECK(now() >= first);
}

TEST_CASE("the machine has a name and its boot an id that stays") {
  CHECK_FALSE(host_name().empty());
  CHECK(boot_id().size() >= 7);
  CHECK(boot_id() == boot_id());
  CHECK(test::in_child([id = boot_id()] { return boot_id() == id; }));
}

TEST_CASE("this process is alive; one of the same pid begun earlier is not") {
  ProcessId self = this_process();
  CHECK(self.pid == getpid());
  CHECK(self.start > 0);
  CHECK(is_alive(self));
  CHECK_FALSE(is_alive({self.pid, self.start - 1}));
  CHECK_FALSE(is_alive({0, 0}));
  CHECK_FALSE(is_alive({-1, 0}));
  CHECK_FALSE(is_alive({std::int64_t{1} << 40, 0}));
}

TEST_CASE("a process with brackets and spaces in its name is told apart") {
  CHECK(test::in_child([] {
    ProcessId before = this_process();
    prctl(PR_SET_NAME, "a) Z 1 (b");
    return this_process().start == before.start && is_alive(before);
  }));
}

TEST_CASE("a process that ended is dead, as a zombie and after") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    ProcessId self = this_process();
    bool sent = write(ends[1], &self, sizeof self) == sizeof self;
    pause();
    _exit(sent);
  }
  ProcessId child;
  REQUIRE(read(ends[0], &child, sizeof child) == sizeof child);
  CHECK(child.pid == pid);
  CHECK(is_alive(child));
  kill(pid, SIGKILL);
  siginfo_t info;
  waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
  CHECK_FALSE(is_alive(child));
  waitpid(pid, nullptr, 0);
  CHECK_FALSE(is_alive(child));
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("ids are 24 hexadecimal digits, ascending and unique over threads") {
  std::vector<std::vector<std::string>> made(4);
  std::vector<std::thread> threads;
  for (auto& list : made) {
    threads.emplace_back([&list] {
      for (int i = 0; i < 2000; ++i) list.push_back(new_id());
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<std::string> all;
  for (const auto& list : made) {
    CHECK(std::is_sorted(list.begin(), list.end()));
    all.insert(list.begin(), list.end());
  }
  CHECK(all.size() == 8000);
  CHECK(all.begin()->size() == 24);
  CHECK(all.begin()->find_first_not_of("0123456789abcdef") ==
        std::string::npos);
}

TEST_CASE("an id begins with its time") {
  auto seconds = std::stoll(new_id().substr(0, 8), nullptr, 16);
  CHECK(std::abs(static_cast<double>(seconds) - now()) < 3);
}

TEST_CASE("a forked child draws other ids than its parent") {
  std::string before = new_id();
  CHECK(test::in_child(
      [&] { return new_id().substr(8, 10) != before.substr(8, 10); }));
  CHECK(new_id().substr(8, 10) == before.substr(8, 10));
}

TEST_CASE("run_command gives what a command prints, without a shell") {
  auto result = run_command({"echo", "$HOME; a  b"});
  CHECK(result.ok);
  CHECK(result.output == "$HOME; a  b\n");
}

TEST_CASE("run_command starts in the directory given") {
  test::Folder folder;
  auto result = run_command({"pwd"}, folder.path());
  CHECK(result.ok);
  CHECK(result.output ==
        std::filesystem::canonical(folder.path()).string() + "\n");
  CHECK_FALSE(run_command({"pwd"}, "/nowhere").ok);
}

TEST_CASE("a command that fails or does not exist is not ok") {
  CHECK_FALSE(run_command({"false"}).ok);
  CHECK_FALSE(run_command({"/no/such/program"}).ok);
  CHECK_FALSE(run_command({}).ok);
  auto result = run_command({"sh", "-c", "echo some; exit 3"});
  CHECK_FALSE(result.ok);
  CHECK(result.output == "some\n");
  CHECK_FALSE(run_command({"sh", "-c", "kill -9 $$"}).ok);
}

TEST_CASE("run_command drops stderr and gives no input") {
  auto result = run_command({"sh", "-c", "echo no >&2; cat; echo yes"});
  CHECK(result.ok);
  CHECK(result.output == "yes\n");
}

TEST_CASE("output beyond the limit is cut, and the command still ends") {
  auto result = run_command({"head", "-c", "3000000", "/dev/zero"}, "", 1000);
  CHECK(result.ok);
  CHECK(result.output.size() == 1000);
}

TEST_CASE("a command that takes too long is killed with its children") {
  auto start = Clock::now();
  auto result =
      run_command({"sh", "-c", "sleep 60 & echo $!; wait"}, "", 99, 0.2);
  CHECK_FALSE(result.ok);
  CHECK(Clock::now() - start < 5s);
  ProcessId grandchild{std::stoi(result.output), 0};
  for (int i = 0; i < 200 && is_alive(grandchild); ++i) {
    std::this_thread::sleep_for(10ms);
  }
  CHECK_FALSE(is_alive(grandchild));
}

TEST_CASE("a grandchild in the background does not hold up the result") {
  auto start = Clock::now();
  auto result = run_command({"sh", "-c", "sleep 3 & echo done"});
  CHECK(result.ok);
  CHECK(result.output == "done\n");
  CHECK(Clock::now() - start < 2s);
}

TEST_CASE("an interrupt ends a command") {
  auto begin = Clock::now();
  set_interrupt_hook([&] {
    if (Clock::now() - begin > 100ms) throw std::runtime_error("interrupted");
  });
  CHECK_THROWS_AS(run_command({"sleep", "30"}, "", 99, 30), std::runtime_error);
  set_interrupt_hook(nullptr);
  CHECK(Clock::now() - begin < 2s);
}

TEST_CASE("a command gets the default signals, whatever this process ignores") {
  auto before = signal(SIGTERM, SIG_IGN);
  auto result = run_command({"sh", "-c", "kill -TERM $$; echo survived"});
  signal(SIGTERM, before);
  CHECK_FALSE(result.ok);
  CHECK(result.output.empty());
}
