#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>
#include <vector>

#include "ptutils/tensor/ops.h"
#include "ptutils/tensor/tensor.h"

/// The expression throws ptutils::Error of that kind, with a "[where] text".
#define CHECK_KIND(expression, wanted)                       \
  do {                                                       \
    bool thrown = false;                                     \
    try {                                                    \
      (void)(expression);                                    \
    } catch (const ptutils::Error& error) {                  \
      thrown = true;                                         \
      CHECK_MESSAGE(error.kind() == (wanted), error.what()); \
      CHECK_MESSAGE(error.what()[0] == '[', error.what());   \
    }                                                        \
    CHECK_MESSAGE(thrown, "no error from " #expression);     \
  } while (false)

inline std::vector<ptutils::DType> every_dtype() {
  std::vector<ptutils::DType> out;
  for (int i = 0; i < ptutils::kDTypeCount; ++i)
    out.push_back(static_cast<ptutils::DType>(i));
  return out;
}

/// 0, 1, 2 … as f32.
inline ptutils::Tensor counting(ptutils::Dims shape) {
  ptutils::Tensor out = ptutils::Tensor::empty(std::move(shape));
  for (std::int64_t i = 0; i < out.numel(); ++i)
    out.data<float>()[i] = static_cast<float>(i);
  return out;
}

/// Element i of the contiguous tensor, as a number.
inline double number(const ptutils::Tensor& t, std::int64_t i) {
  return t.reshape({-1}).select(0, i).item_f64();
}

/// The elements in row-major order are these, to a relative 1e-6 (NaN equals
/// NaN).
inline bool same(const ptutils::Tensor& t,
                 std::initializer_list<double> wanted) {
  if (t.numel() != static_cast<std::int64_t>(wanted.size())) return false;
  std::int64_t i = 0;
  for (double value : wanted) {
    double is = number(t, i++);
    if (std::isnan(is) != std::isnan(value)) return false;
    if (std::isnan(is) || is == value) continue;
    if (!(std::abs(is - value) <= 1e-6 * std::abs(value))) return false;
  }
  return true;
}
