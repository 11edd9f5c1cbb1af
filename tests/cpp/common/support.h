#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "ptutils/common/error.h"

// gcc defines the first, clang the second.
#if defined(__SANITIZE_THREAD__)
#define PTUTILS_TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PTUTILS_TEST_TSAN 1
#endif
#endif

namespace test {

/// A folder that is gone when the test ends.
class Folder {
 public:
  Folder() {
    std::string name =
        (std::filesystem::temp_directory_path() / "ptutils-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const {
    return path_ / name;
  }

  /// The names in it, sorted by nothing.
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      out.push_back(entry.path().filename().string());
    }
    return out;
  }

 private:
  std::filesystem::path path_;
};

inline void put(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string get(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// What waitpid says of a child that runs `body` and exits with its result;
/// a child that hangs is killed by SIGALRM.
inline int status_of_child(const std::function<int()>& body) {
  fflush(stdout);  // else the child may print it once more
  pid_t pid = fork();
  if (pid == 0) {
    signal(SIGALRM, SIG_DFL);
    alarm(30);
    int code = 99;
    try {
      code = body();
    } catch (...) {
    }
    _exit(code);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return status;
}

/// True when a forked child ran `body` to its end and it returned true.
inline bool in_child(const std::function<bool()>& body) {
  int status = status_of_child([&] { return body() ? 0 : 1; });
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// The message of the ptutils::Error that `body` throws, "" if it throws none.
inline std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const ptutils::Error& error) {
    return error.what();
  }
  return "";
}

/// Its kind; -1 if it throws none.
inline int kind_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const ptutils::Error& error) {
    return static_cast<int>(error.kind());
  }
  return -1;
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace test
