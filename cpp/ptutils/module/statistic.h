#pragma once

#include <cstdint>

#include "ptutils/module/value.h"

namespace ptutils {

/// Running mean, variance, smallest, largest of numbers, with the counts of NaN
/// and Inf, which enter nothing else. Mergeable across workers (Chan, Golub and
/// LeVeque 1979; Welford updates).
class PTUTILS_API Statistic {
 public:
  void update(double value);
  /// Every element of a real tensor.
  void update(const Tensor& values);
  void merge(const Statistic& other);

  std::int64_t count() const { return count_; }  ///< finite numbers
  std::int64_t nan_count() const { return nan_; }
  std::int64_t inf_count() const { return inf_; }
  // NaN when count() is 0.
  double mean() const;
  double variance() const;  ///< of the sample (n - 1); NaN when count() < 2
  double std() const;
  double min() const;
  double max() const;
  double sum() const;

  Value to_value() const;
  static Statistic from_value(const Value& value);

 private:
  std::int64_t count_ = 0, nan_ = 0, inf_ = 0;
  double mean_ = 0, m2_ = 0, min_ = 0, max_ = 0;
};

}  // namespace ptutils
