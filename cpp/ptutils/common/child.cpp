#include "ptutils/common/detail/child.h"

#include <signal.h>
#include <sys/wait.h>

#include <cerrno>

namespace ptutils::detail {

Child::~Child() {
  if (ended_) return;
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);  // should it not have its group yet
  wait(0);
}

bool Child::poll() {
  if (!ended_) wait(WNOHANG);
  return ended_;
}

void Child::join() {
  if (!ended_) wait(0);
}

std::optional<int> Child::exit_code() const {
  if (!status_ || !WIFEXITED(*status_)) return {};
  return WEXITSTATUS(*status_);
}

std::optional<int> Child::signal() const {
  if (!status_ || !WIFSIGNALED(*status_)) return {};
  return WTERMSIG(*status_);
}

void Child::wait(int options) {
  int status = 0;
  pid_t got = 0;
  do {
    got = ::waitpid(pid_, &status, options);
  } while (got < 0 && errno == EINTR);
  if (got == pid_) status_ = status;
  // An error: the program ignores SIGCHLD, or waits for any child.
  ended_ = got != 0;
}

}  // namespace ptutils::detail
