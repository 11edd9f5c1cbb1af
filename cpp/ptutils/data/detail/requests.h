#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "ptutils/module/value.h"

namespace ptutils::data::detail {

/// What is asked for from which batch of the epoch on.
struct Requests {
  Value now;
  std::vector<std::pair<std::int64_t, Value>> coming;  // by batch

  const Value& of(std::int64_t batch) const;
  const Value& last() const {
    return coming.empty() ? now : coming.back().second;
  }
  /// From `batch` on; those before `given` are not needed any more.
  void add(std::int64_t given, std::int64_t batch, Value value);
  /// What was still to come counts from the next epoch's first batch on.
  void end_epoch();
  Value state() const;  ///< null: none were made
  void load(const Value& state);
};

}  // namespace ptutils::data::detail
