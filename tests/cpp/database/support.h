#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "ptutils/common/error.h"
#include "ptutils/database/sqlite.h"
#include "ptutils/formats/json_text.h"

namespace test {

using ptutils::Dict;
using ptutils::Kind;
using ptutils::SQLiteInterface;
using ptutils::Tensor;
using ptutils::Value;

inline Value json(const std::string& text) { return ptutils::parse_json(text); }

/// A folder of this test's own, removed at its end.
class Folder {
 public:
  Folder() {
    std::string name =
        (std::filesystem::temp_directory_path() / "ptutils-db-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const {
    return (path_ / name).string();
  }

 private:
  std::filesystem::path path_;
};

struct Thrown {
  Kind kind;
  std::string message;
  bool has(const std::string& part) const {
    return message.find(part) != std::string::npos;
  }
};

/// What f throws; the test fails when it throws nothing.
inline Thrown error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const ptutils::Error& error) {
    return {error.kind(), error.what()};
  }
  FAIL("nothing was thrown");
  return {Kind::kState, ""};
}

/// True when f returns true in a forked child that then ends at once.
inline bool in_child(const std::function<bool()>& f) {
  pid_t child = fork();
  if (child == 0) {
    bool good = false;
    try {
      good = f();
    } catch (const std::exception& error) {
      (void)!write(2, error.what(), std::string(error.what()).size());
    }
    _exit(good ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// Another process that holds SQLite's write lock of `file` (WAL mode: byte 120
/// of the -shm file), as one in the middle of a long save does.
class WriteLock {
 public:
  explicit WriteLock(const std::string& file) {
    int ready[2];
    REQUIRE(pipe(ready) == 0);
    child_ = fork();
    if (child_ == 0) {
      int shm = ::open((file + "-shm").c_str(), O_RDWR);
      struct flock lock {};
      lock.l_type = F_WRLCK;
      lock.l_whence = SEEK_SET;
      lock.l_start = 120;
      lock.l_len = 1;
      char good = fcntl(shm, F_SETLKW, &lock) == 0;
      (void)!write(ready[1], &good, 1);
      for (;;) pause();
    }
    char good = 0;
    bool locked = read(ready[0], &good, 1) == 1 && good;
    ::close(ready[0]);
    ::close(ready[1]);
    REQUIRE(locked);
  }
  ~WriteLock() { release(); }
  WriteLock(const WriteLock&) = delete;
  WriteLock& operator=(const WriteLock&) = delete;
  void release() {
    if (child_ <= 0) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    child_ = 0;
  }

 private:
  pid_t child_ = 0;
};

inline std::int64_t count(SQLiteInterface& db, const std::string& table) {
  return db.execute("SELECT count(*) AS n FROM " + table)
      .as_list()
      .items[0]
      .as_dict()
      .at("n")
      .as_int();
}

inline std::string integrity(SQLiteInterface& db) {
  return db.execute("PRAGMA integrity_check")
      .as_list()
      .items[0]
      .as_dict()
      .at("integrity_check")
      .as_string();
}

/// `count` floats that depend on the seed.
inline Tensor floats(std::int64_t count, int seed = 0) {
  Tensor out = Tensor::empty({count});
  for (std::int64_t i = 0; i < count; ++i)
    out.data<float>()[i] = static_cast<float>((i * 31 + seed * 7919) % 100003);
  return out;
}

}  // namespace test
