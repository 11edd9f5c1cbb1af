#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "ptutils/common/export.h"

namespace ptutils {

/// While one lives, a run goes on; when the process ends meanwhile (a run on
/// another thread), it is asked to pause, and awaited some seconds: its last
/// state and its record are written before the database is closed.
class PTUTILS_API ExitPause {
 public:
  /// Of the thread that runs. `ask` is called on the one that ends the process.
  explicit ExitPause(std::function<void()> ask);
  ~ExitPause();  ///< the run has ended
  ExitPause(const ExitPause&) = delete;
  ExitPause& operator=(const ExitPause&) = delete;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
  std::uint64_t shutdown_id_ = 0;
};

}  // namespace ptutils
