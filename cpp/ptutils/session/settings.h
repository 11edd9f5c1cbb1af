#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ptutils/module/interval.h"
#include "ptutils/module/value.h"

namespace ptutils {

/// A name that a terminal, a shell and a person can hold; else Kind::kValue.
PTUTILS_API void check_exp_id(std::string_view name);

/// train_params, validation_params and save_params, checked: an unknown key is
/// Kind::kKey with the nearest known ones.
struct PTUTILS_API SessionSettings {
  // train_params: {num_epochs, num_steps}; neither: one epoch.
  std::int64_t num_epochs = 0;  ///< 0: not given
  std::int64_t num_steps = 0;   ///< 0: not given
  // validation_params: {phase: {every}}
  struct Validation {
    std::string phase;
    Interval every{Interval::Unit::kEpochs, 1};
  };
  std::vector<Validation> validations;
  // save_params: {every, keep_last, keep_best}
  std::optional<Interval> save_every;  ///< empty: 5 minutes and epochs' ends
  std::int64_t keep_last = 2;
  std::string keep_best;        ///< a metric; empty: none
  bool best_is_largest = true;  ///< by name: loss, error … are best small

  static SessionSettings read(const Value& train, const Value& validation,
                              const Value& save);
};

/// False for metrics that are best small: a last part with loss, error, mse,
/// mae, perplexity or nll in its name.
PTUTILS_API bool is_best_large(std::string_view metric);

}  // namespace ptutils
