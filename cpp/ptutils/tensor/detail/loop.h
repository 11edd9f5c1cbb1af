#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "ptutils/tensor/tensor.h"

/// Walks N operands of one shape as rows; private to this folder.
namespace ptutils::detail {

/// Most dimensions of a tensor (NumPy's limit).
inline constexpr int kMaxDims = 64;

/// Dimensions of size 1 are dropped, neighbours that are one run of memory in
/// every operand are merged, and the last is the row. Strides are in bytes.
template <int N>
struct Loop {
  std::array<std::byte*, N> base{};
  int outer_dims = 0;
  std::int64_t outer[kMaxDims];
  std::int64_t outer_strides[N][kMaxDims];
  std::int64_t rows = 1;    // product of outer
  std::int64_t length = 1;  // elements of a row
  std::array<std::int64_t, N> step{};

  /// Every operand has `shape` (broadcast views included).
  Loop(const Dims& shape, const std::array<const Tensor*, N>& operands);

  /// Calls f(pointers, length) for rows [begin, end).
  template <class F>
  void run(std::int64_t begin, std::int64_t end, F&& f) const;
};

template <int N>
Loop<N>::Loop(const Dims& shape, const std::array<const Tensor*, N>& operands) {
  std::int64_t sizes[kMaxDims];
  std::int64_t strides[N][kMaxDims];
  int dims = 0;
  for (int k = 0; k < N; ++k) base[k] = operands[k]->bytes();
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 1) continue;
    std::int64_t here[N];
    bool merge = dims > 0;
    for (int k = 0; k < N; ++k) {
      here[k] = operands[k]->strides()[d] *
                static_cast<std::int64_t>(item_size(operands[k]->dtype()));
      merge = merge && strides[k][dims - 1] == here[k] * shape[d];
    }
    if (!merge) sizes[dims++] = 1;
    sizes[dims - 1] *= shape[d];
    for (int k = 0; k < N; ++k) strides[k][dims - 1] = here[k];
  }
  if (dims > 0) {
    length = sizes[dims - 1];
    for (int k = 0; k < N; ++k) step[k] = strides[k][dims - 1];
    outer_dims = dims - 1;
  } else {
    for (int k = 0; k < N; ++k)
      step[k] = static_cast<std::int64_t>(item_size(operands[k]->dtype()));
  }
  for (int d = 0; d < outer_dims; ++d) {
    outer[d] = sizes[d];
    rows *= sizes[d];
    for (int k = 0; k < N; ++k) outer_strides[k][d] = strides[k][d];
  }
}

template <int N>
template <class F>
void Loop<N>::run(std::int64_t begin, std::int64_t end, F&& f) const {
  std::int64_t index[kMaxDims];
  std::array<std::byte*, N> at = base;
  std::int64_t rest = begin;
  for (int d = outer_dims - 1; d >= 0; --d) {
    index[d] = rest % outer[d];
    rest /= outer[d];
    for (int k = 0; k < N; ++k) at[k] += index[d] * outer_strides[k][d];
  }
  for (std::int64_t row = begin; row < end; ++row) {
    f(at, length);
    for (int d = outer_dims - 1; d >= 0; --d) {
      for (int k = 0; k < N; ++k) at[k] += outer_strides[k][d];
      if (++index[d] < outer[d]) break;
      for (int k = 0; k < N; ++k) at[k] -= outer[d] * outer_strides[k][d];
      index[d] = 0;
    }
  }
}

}  // namespace ptutils::detail
