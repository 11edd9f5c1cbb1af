#include "ptutils/session/signals.h"

#include <csignal>

#include <array>
#include <atomic>

namespace ptutils {

namespace {

constexpr std::array<int, 2> kSignals = {SIGINT, SIGTERM};
std::atomic<int> guards{0};
volatile std::sig_atomic_t first_signal = 0;
std::array<struct sigaction, 2> before;

std::size_t slot(int signal) { return signal == SIGINT ? 0 : 1; }

/// Async-signal-safe: a flag, or the old action again.
void on_signal(int signal) {
  if (first_signal == 0) {
    first_signal = signal;
    return;
  }
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
    sigaction(signal, &action, &before[slot(signal)]);
  }
}

SignalGuard::~SignalGuard() {
  if (--guards > 0) return;
  for (int signal : kSignals) sigaction(signal, &before[slot(signal)], nullptr);
}

int SignalGuard::received() { return first_signal; }
void SignalGuard::clear() { first_signal = 0; }

}  // namespace ptutils
