#include "ptutils/session/signals.h"

#include <array>
#include <atomic>
#include <csignal>

namespace ptutils {

namespace {

constexpr std::array<int, 2> kSignals = {SIGINT, SIGTERM};
std::atomic<int> guards{0};
std::atomic<int> first_signal{0};  // lock-free: any thread may get it
static_assert(std::atomic<int>::is_always_lock_free);
std::array<struct sigaction, 2> before;

std::size_t slot(int signal) { return signal == SIGINT ? 0 : 1; }

/// Async-signal-safe: a flag, or the old action again.
void on_signal(int signal) {
  int none = 0;
  if (first_signal.compare_exchange_strong(none, signal)) return;
  sigaction(signal, &before[slot(signal)], nullptr);
  raise(signal);
}

}  // namespace

SignalGuard::SignalGuard() {
  if (guards++ > 0) return;
  first_signal = 0;
  for (int signal : kSignals) {
    struct sigaction action {};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    struct sigaction& old = before[slot(signal)];
    sigaction(signal, &action, &old);
    // One that is ignored stays so: `ptutils run … &` of a shell script has no
    // part in the Ctrl-C meant for another program.
    if (old.sa_handler == SIG_IGN) sigaction(signal, &old, nullptr);
  }
}

SignalGuard::~SignalGuard() {
  if (--guards > 0) return;
  for (int signal : kSignals) sigaction(signal, &before[slot(signal)], nullptr);
}

int SignalGuard::received() { return first_signal; }
void SignalGuard::clear() { first_signal = 0; }

}  // namespace ptutils
