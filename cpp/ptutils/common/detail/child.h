#pragma once

#include <sys/types.h>

#include <optional>

namespace ptutils::detail {

/// A running child, the leader of its own process group; destroyed before it
/// has ended, the group is killed.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// True when it has ended.
  bool poll();
  /// Waits for its end.
  void join();
  /// Nothing while it runs, when a signal ended it, and when somebody else
  /// took its status (SIGCHLD ignored).
  std::optional<int> exit_code() const;
  std::optional<int> signal() const;

 private:
  void wait(int options);

  pid_t pid_;
  bool ended_ = false;
  std::optional<int> status_;
};

}  // namespace ptutils::detail
