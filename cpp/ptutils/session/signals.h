#pragma once

#include "ptutils/common/export.h"

namespace ptutils {

/// While one lives, the first SIGINT or SIGTERM only asks for a stop (the step
/// ends, the state is saved); the second does what it did before. Nested
/// guards share; the outermost puts the old handlers back.
class PTUTILS_API SignalGuard {
 public:
  SignalGuard();
  ~SignalGuard();
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

  /// SIGINT, SIGTERM, or 0 when none came.
  static int received();
  /// Forgets it: it was acted upon.
  static void clear();
};

}  // namespace ptutils
