#pragma once

/// Private to this folder.
namespace ptutils::detail {

/// Held while SQLite is inside a call, or handles are opened and closed. A fork
/// waits until nobody holds it: so the child inherits no half-done transaction
/// and no locked mutex of the library, and may close what it inherited. Not
/// recursive; nothing of Python's may be waited for while it is held.
class ForkGate {
 public:
  ForkGate();
  ~ForkGate();
  ForkGate(const ForkGate&) = delete;
  ForkGate& operator=(const ForkGate&) = delete;
};

}  // namespace ptutils::detail
