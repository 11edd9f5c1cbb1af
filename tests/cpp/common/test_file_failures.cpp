#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <random>

#include "ptutils/common/detail/io_hooks.h"
#include "ptutils/common/file.h"
#include "support.h"

using ptutils::AtomicFile;
using ptutils::Kind;
namespace fs = std::filesystem;
using ptutils::detail::io_hooks;

namespace {

// System calls that fail, for the time of a test. `countdown` calls of the kind
// succeed before the one that fails.
struct Faults {
  static inline int error = 0;
  static inline int countdown = 0;

  Faults(int error_, int countdown_) : before(io_hooks()) {
    error = error_;
    countdown = countdown_;
  }
  ~Faults() { io_hooks() = before; }

  static bool strikes() {
    if (countdown-- > 0) return false;
    errno = error;
    return true;
  }

  static ssize_t write(int fd, const void* bytes, std::size_t size) {
    return strikes() ? -1 : ::write(fd, bytes, size);
  }
  static ssize_t pwrite(int fd, const void* bytes, std::size_t size,
                        off_t offset) {
    return strikes() ? -1 : ::pwrite(fd, bytes, size, offset);
  }
  static int fsync(int fd) { return strikes() ? -1 : ::fsync(fd); }
  static int rename(const char* from, const char* to) {
    return strikes() ? -1 : std::rename(from, to);
  }

  ptutils::detail::IoHooks before;
};

std::string save(const fs::path& path, std::string_view text) {
  return test::message_of([&] {
    AtomicFile file(path);
    file.write(text);
    file.write(text);
    file.write_at(0, std::as_bytes(std::span(text)));
    file.commit();
  });
}

struct Saved {
  test::Folder folder;
  fs::path path = folder / "x";
  Saved() { test::put(path, "old"); }

  // The old file is whole and nothing lies beside it.
  bool untouched() const {
    return test::get(path) == "old" && folder.names().size() == 1;
  }
};

}  // namespace

TEST_CASE("a failed write leaves the old file and says what to do") {
  struct Case {
    int error;
    const char* advice;
  };
  for (Case c : {Case{ENOSPC, "free space or choose another folder"},
                 Case{EDQUOT, "quota"}, Case{EIO, "check the disk"},
                 Case{EFBIG, "ulimit -f"}, Case{EROFS, "read-only"},
                 Case{EBADF, "check the folder"}}) {
    for (int countdown : {0, 1}) {
      Saved saved;
      Faults faults(c.error, countdown);
      io_hooks().write = Faults::write;
      std::string message = save(saved.path, "new");
      CAPTURE(message);
      CHECK(test::contains(message, c.advice));
      CHECK(test::contains(message, saved.path.string()));
      CHECK(saved.untouched());
    }
  }
}

TEST_CASE("a failed write of a header leaves the old file") {
  Saved saved;
  Faults faults(EIO, 0);
  io_hooks().pwrite = Faults::pwrite;
  CHECK(test::contains(save(saved.path, "new"), "cannot write"));
  CHECK(saved.untouched());
}

TEST_CASE("a failed fsync discards the file and reports") {
  Saved saved;
  Faults faults(EIO, 0);
  io_hooks().fsync = Faults::fsync;
  CHECK(test::contains(save(saved.path, "new"), "check the disk"));
  CHECK(saved.untouched());
}

TEST_CASE("a failed rename discards the file and reports") {
  Saved saved;
  Faults faults(EACCES, 0);
  io_hooks().rename = Faults::rename;
  CHECK(test::contains(save(saved.path, "new"), "no permission to write in"));
  CHECK(saved.untouched());
}

TEST_CASE("a failed fsync of the folder reports; the new file is whole") {
  Saved saved;
  Faults faults(EIO, 1);
  io_hooks().fsync = Faults::fsync;
  CHECK(test::contains(save(saved.path, "new"), saved.path.string()));
  CHECK(test::get(saved.path) == "newnew");
  CHECK(saved.folder.names().size() == 1);
}

TEST_CASE("a folder on a file system that cannot sync folders is no error") {
  Saved saved;
  Faults faults(EINVAL, 1);
  io_hooks().fsync = Faults::fsync;
  CHECK(save(saved.path, "new").empty());
}

TEST_CASE("after a failure the file takes nothing more") {
  Saved saved;
  AtomicFile file(saved.path);
  {
    Faults faults(ENOSPC, 0);
    io_hooks().write = Faults::write;
    CHECK_THROWS_AS(file.write("new"), ptutils::Error);
  }
  auto commit = [&] { file.commit(); };
  CHECK(test::kind_of(commit) == static_cast<int>(Kind::kState));
  CHECK(test::contains(test::message_of(commit), "discarded"));
  CHECK(saved.untouched());
}

TEST_CASE("short and interrupted writes lose nothing") {
  Saved saved;
  Faults faults(0, 0);
  static int calls;
  calls = 0;
  io_hooks().write = [](int fd, const void* bytes, std::size_t size) {
    errno = EINTR;
    if (++calls % 3 == 0) return ssize_t{-1};
    return ::write(fd, bytes, std::min<std::size_t>(size, 7));
  };
  io_hooks().pwrite = [](int fd, const void* bytes, std::size_t size,
                         off_t offset) {
    errno = EINTR;
    if (++calls % 3 == 0) return ssize_t{-1};
    return ::pwrite(fd, bytes, std::min<std::size_t>(size, 7), offset);
  };
  std::string text;
  for (int i = 0; i < 100; ++i) text += std::to_string(i);
  CHECK(save(saved.path, text).empty());
  CHECK(test::get(saved.path) == text + text);
}

TEST_CASE("a write that makes no progress is an error, no endless loop") {
  Saved saved;
  Faults faults(0, 0);
  io_hooks().write = [](int, const void*, std::size_t) { return ssize_t{0}; };
  CHECK_FALSE(save(saved.path, "new").empty());
  CHECK(saved.untouched());
}

TEST_CASE("durable files are synced with their folder, others not at all") {
  Saved saved;
  static int syncs;
  for (bool durable : {true, false}) {
    Faults faults(0, 0);
    syncs = 0;
    io_hooks().fsync = [](int) { return ++syncs, 0; };
    AtomicFile file(saved.path, durable);
    file.write("new");
    file.commit();
    CHECK(syncs == (durable ? 2 : 0));
  }
}

TEST_CASE(
    "kill -9 in mid write leaves old or new, and the next writer cleans") {
  test::Folder folder;
  fs::path path = folder / "x";
  std::mt19937 random(7);
  std::uniform_int_distribution<int> delay(0, 12000);
  const std::size_t size = 1 << 20;
  auto text = [&](char c) { return std::string(size, c); };
  auto write = [&](char c, bool durable) {
    AtomicFile file(path, durable);
    for (std::size_t i = 0; i < size; i += 1 << 14) {
      file.write(std::string(1 << 14, c));
    }
    file.commit();
  };
  write('0', false);
  int left_behind = 0;
  for (int kill_number = 0; kill_number < 20; ++kill_number) {
    pid_t pid = fork();
    if (pid == 0) {
      for (char c = 'a';; c = c == 'z' ? 'a' : c + 1) write(c, c % 2 == 0);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(delay(random)));
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    std::string found = test::get(path);
    REQUIRE(found.size() == size);
    CHECK(found == text(found[0]));
    left_behind += folder.names().size() > 1;
    write('0', false);
    CHECK(folder.names() == std::vector<std::string>{"x"});
  }
  CHECK(left_behind > 0);  // else the test has tested nothing
}

TEST_CASE("only temporaries of dead writers are removed, of any name") {
  Saved saved;
  pid_t dead = fork();
  if (dead == 0) _exit(0);
  waitpid(dead, nullptr, 0);
  std::string number = std::to_string(dead);
  std::vector<std::string> kept = {".x." + number + "-0.tmp.bak",
                                   ".x." + number + "-.tmp",
                                   ".x.-1-0.tmp",
                                   ".x.0-0.tmp",
                                   ".x." + std::to_string(getppid()) + "-0.tmp",
                                   "x." + number + "-0.tmp"};
  for (const auto& name : kept) test::put(saved.folder / name, "");
  for (const char* name : {".x.", ".y.", ".x.y."})
    test::put(saved.folder / (name + number + "-3.tmp"), "stale");
  // The number of this process, from an earlier life of it (in a container).
  test::put(saved.folder / (".x." + std::to_string(getpid()) + "-9999.tmp"),
            "");
  CHECK(save(saved.path, "new").empty());
  auto names = saved.folder.names();
  CHECK(names.size() == kept.size() + 1);
  for (const auto& name : kept) {
    CAPTURE(name);
    CHECK(fs::exists(saved.folder / name));
  }
}

TEST_CASE(
    "the temporary of a writer that lives elsewhere is kept: it is locked") {
  Saved saved;
  AtomicFile file(saved.path);
  file.write("other machine");
  fs::path temporary;
  for (const auto& name : saved.folder.names()) {
    if (name != "x") temporary = saved.folder / name;
  }
  // Under the pid of a dead process it looks as on another machine.
  pid_t dead = fork();
  if (dead == 0) _exit(0);
  waitpid(dead, nullptr, 0);
  fs::path elsewhere = saved.folder / (".x." + std::to_string(dead) + "-0.tmp");
  fs::create_hard_link(temporary, elsewhere);
  CHECK(save(saved.path, "new").empty());
  CHECK(fs::exists(elsewhere));
  CHECK(fs::exists(temporary));
}
