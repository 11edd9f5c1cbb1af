#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ptutils/common/process.h"
#include "ptutils/module/value.h"

namespace ptutils {

/// Where a run stands: state x outcome x kind, with its progress. A field of
/// the session's record, not of its state.
struct PTUTILS_API Status {
  enum class State { kPending, kInProgress, kPaused, kComplete };
  enum class Outcome { kNone, kSuccess, kFailure, kStopped };
  enum class Run { kNew, kResumed, kRestarted, kRerun };

  State state = State::kPending;
  Outcome outcome = Outcome::kNone;
  Run run = Run::kNew;
  std::int64_t attempt = 0;
  std::string reason;  ///< when pending: what prevents progress
  std::string stage = "train";
  std::int64_t step = 0;
  std::int64_t epoch = 0;
  std::int64_t total_steps = 0;  ///< 0: unknown
  double seconds = 0;            ///< run so far, all attempts
  double eta = -1;               ///< seconds to completion; < 0: unknown
  double heartbeat = 0;          ///< seconds since the epoch
  std::string host, boot;        ///< of the process that runs it
  ProcessId process;
  std::string where;      ///< device: "cpu", "gpu:0"
  std::string exception;  ///< type, message and traceback of a failure

  /// In progress, but its process is gone: a dead pid on this host and boot,
  /// or another host silent for 60 s.
  bool lost() const;
  double percent() const;  ///< 0–100; < 0 unknown
  /// "complete · success · new · 4690 steps · 0:00:19".
  std::string summary() const;
  /// The column of `ptutils ls`: "in-progress (resumed, attempt 1)",
  /// "lost (no heartbeat since 12:04, pid 811)", "pending: …".
  std::string column() const;

  Value to_value() const;
  /// Unknown words are Kind::kFormat.
  static Status from_value(const Value& value);
};

/// "0:04:10", "2 days 3:00:00"; "-" when negative.
PTUTILS_API std::string format_duration(double seconds);

}  // namespace ptutils
