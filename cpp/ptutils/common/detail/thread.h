#pragma once

#include <pthread.h>
#include <signal.h>

#include <thread>
#include <utility>

namespace ptutils::detail {

/// Starts a thread of the core. Signals meant for the program (SIGINT, SIGTERM,
/// SIGCHLD, …) are left to the program's own threads; those that a thread
/// causes by itself stay, for crash handlers and profilers.
template <class Body>
std::thread start_thread(const char* name, Body body) {
  sigset_t blocked, before;
  sigfillset(&blocked);
  for (int own :
       {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF}) {
    sigdelset(&blocked, own);
  }
  struct Restore {
    const sigset_t& mask;
    ~Restore() { pthread_sigmask(SIG_SETMASK, &mask, nullptr); }
  } restore{before};
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  std::thread thread(std::move(body));
  pthread_setname_np(thread.native_handle(), name);
  return thread;
}

}  // namespace ptutils::detail
