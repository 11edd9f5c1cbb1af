#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "ptutils/tensor/tensor.h"

namespace ptutils {

/// A counter-based stream (Philox4x32-10, Salmon et al. 2011): element i of
/// draw n depends on (key, n, i) alone, so it needs no locking, does not depend
/// on threads, and its whole state is two integers.
class PTUTILS_API Random {
 public:
  explicit Random(std::uint64_t key = 0, std::uint64_t counter = 0)
      : key_(key), counter_(counter) {}
  /// The stream of that name under a seed: equal names give equal streams, a
  /// new stream never shifts another.
  static Random named(std::uint64_t seed, std::string_view name);
  /// The stream of one item (a sample of an epoch): Random(key).at(epoch, i).
  Random at(std::uint64_t a, std::uint64_t b = 0) const;

  std::uint64_t key() const { return key_; }
  std::uint64_t counter() const { return counter_; }

  std::uint64_t next_u64();
  double next_uniform();  ///< [0, 1), 53 bits
  /// [0, n), without bias; n > 0.
  std::uint64_t next_below(std::uint64_t n);

  // Fill a fresh contiguous tensor, computed in blocks of four 32-bit words
  // from counter() on; each advances the counter by the blocks it used.
  Tensor uniform(Dims shape, double low = 0, double high = 1,
                 DType dtype = DType::kF32);
  Tensor normal(Dims shape, double mean = 0, double std = 1,
                DType dtype = DType::kF32);
  Tensor bernoulli(Dims shape, double p, DType dtype = DType::kBool);
  Tensor randint(std::int64_t low, std::int64_t high, Dims shape,
                 DType dtype = DType::kI64);
  Tensor permutation(std::int64_t n);  ///< i64, Fisher-Yates

 private:
  std::uint64_t key_;
  std::uint64_t counter_;
};

/// One Philox4x32-10 block; known-answer vectors are in the tests.
PTUTILS_API std::array<std::uint32_t, 4> philox(
    std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// The process's default stream: initialisers and Dropout draw from it.
/// `pt.seed(n)`; 0 at start. Not for concurrent use.
PTUTILS_API Random& default_random();
PTUTILS_API void seed(std::uint64_t value);

}  // namespace ptutils
