#pragma once

#include <cstdint>
#include <string>

#include "ptutils/module/value.h"

namespace ptutils {

/// A span of training: 500, '500 steps', '1 epoch', '10 min' ('s', 'sec',
/// 'min', 'h'; singular or plural).
struct PTUTILS_API Interval {
  enum class Unit { kSteps, kEpochs, kSeconds };
  Unit unit = Unit::kSteps;
  double amount = 0;  ///< whole for steps; epochs may be fractions ('.5 epoch')

  /// Kind::kValue / kType naming `where`, the value and the forms above.
  static Interval parse(const Value& value, std::string_view where);
  Value to_value() const;  ///< 500 -> "500 steps"
};

/// Where training stands when a moment is judged.
struct Progress {
  std::int64_t step = 0;             ///< steps done
  std::int64_t epoch = 0;            ///< epochs done
  std::int64_t step_in_epoch = 0;    ///< 0: an epoch has just ended (or none)
  std::int64_t steps_per_epoch = 0;  ///< 0: unknown
  double seconds = 0;                ///< run so far, all attempts
  std::int64_t attempt = 0;          ///< +1 where steps are done again
};

/// Whether an interval has come round; remembers the last time for seconds.
/// Steps: step % n == 0; epochs: at the step that ends every n-th epoch
/// (fractions: at the step nearest below). Each moment is due once.
class PTUTILS_API Due {
 public:
  explicit Due(Interval every) : every_(every) {}
  bool operator()(const Progress& at);
  const Interval& every() const { return every_; }
  /// Seconds only: begins to count from here (a start or a resume).
  void start(const Progress& at);

 private:
  Interval every_;
  std::int64_t last_step_ = -1, last_attempt_ = 0;
  double last_seconds_ = 0;
};

}  // namespace ptutils
