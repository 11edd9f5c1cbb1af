// Sums and extrema of floating rows. Included by level.cpp.
#pragma once

#include "ptutils/tensor/kernels/table.h"

namespace {

using ptutils::kernels::Index;

// 64 bytes whatever the instruction set: the order of additions, and so the
// result, is the same everywhere.
template <class T>
struct Vec;
template <>
struct Vec<float> {
  typedef float type __attribute__((vector_size(64)));
  typedef float loose __attribute__((vector_size(64), aligned(4), may_alias));
};
template <>
struct Vec<double> {
  typedef double type __attribute__((vector_size(64)));
  typedef double loose __attribute__((vector_size(64), aligned(8), may_alias));
};

// A block's sum in 4 vectors of lanes; blocks are added in double.
constexpr Index kSumBlock = 4096;

template <class T>
T sum_block(const T* a, Index n) {
  using V = typename Vec<T>::type;
  using L = typename Vec<T>::loose;
  constexpr Index kLanes = 64 / sizeof(T);
  V s0{}, s1{}, s2{}, s3{};
  Index i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    s0 += *reinterpret_cast<const L*>(a + i);
    s1 += *reinterpret_cast<const L*>(a + i + kLanes);
    s2 += *reinterpret_cast<const L*>(a + i + 2 * kLanes);
    s3 += *reinterpret_cast<const L*>(a + i + 3 * kLanes);
  }
  for (; i + kLanes <= n; i += kLanes) s0 += *reinterpret_cast<const L*>(a + i);
  s0 = (s0 + s1) + (s2 + s3);
  T rest = 0;
  for (; i < n; ++i) rest += a[i];
  T lanes[kLanes];
  for (Index l = 0; l < kLanes; ++l) lanes[l] = s0[l];
  for (Index width = kLanes / 2; width > 0; width /= 2)
    for (Index l = 0; l < width; ++l) lanes[l] += lanes[l + width];
  return lanes[0] + rest;
}

template <class T>
T sum_row(const T* a, Index n) {
  if (n <= kSumBlock) return sum_block(a, n);
  double sum = 0;
  for (Index i = 0; i < n; i += kSumBlock)
    sum += sum_block(a + i, n - i < kSumBlock ? n - i : kSumBlock);
  return static_cast<T>(sum);
}

// The extremum without NaN, then NaN if there was one.
template <class T, bool kLargest>
T extreme_row(const T* a, Index n) {
  using V = typename Vec<T>::type;
  using L = typename Vec<T>::loose;
  constexpr Index kLanes = 64 / sizeof(T);
  T best = a[0];
  bool nan = false;
  Index i = 0;
  if (n >= 2 * kLanes) {
    V m0 = *reinterpret_cast<const L*>(a);
    V m1 = *reinterpret_cast<const L*>(a + kLanes);
    auto bad = m0 != m0;
    for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
      V x = *reinterpret_cast<const L*>(a + i);
      V y = *reinterpret_cast<const L*>(a + i + kLanes);
      bad |= (x != x) | (y != y);
      m0 = kLargest ? (x > m0 ? x : m0) : (x < m0 ? x : m0);
      m1 = kLargest ? (y > m1 ? y : m1) : (y < m1 ? y : m1);
    }
    for (Index l = 0; l < kLanes; ++l) {
      best = (kLargest ? m0[l] > best : m0[l] < best) ? m0[l] : best;
      best = (kLargest ? m1[l] > best : m1[l] < best) ? m1[l] : best;
      nan |= bad[l] != 0;
    }
  }
  for (; i < n; ++i) {
    nan |= a[i] != a[i];
    best = (kLargest ? a[i] > best : a[i] < best) ? a[i] : best;
  }
  return nan ? static_cast<T>(__builtin_nan("")) : best;
}

template <class T>
void sum_inner(const void* a_, Index rows, Index n, void* out_) {
  auto* a = static_cast<const T*>(a_);
  auto* out = static_cast<T*>(out_);
  for (Index r = 0; r < rows; ++r) out[r] = sum_row(a + r * n, n);
}

template <class T, bool kLargest>
void extreme_inner(const void* a_, Index rows, Index n, void* out_) {
  auto* a = static_cast<const T*>(a_);
  auto* out = static_cast<T*>(out_);
  for (Index r = 0; r < rows; ++r)
    out[r] = extreme_row<T, kLargest>(a + r * n, n);
}

// Columns: eight rows at a time share one load and store of the sums.
template <class T>
void sum_outer(const void* a_, Index rows, Index stride, Index n, void* out_) {
  auto* a = static_cast<const T*>(a_);
  auto* __restrict out = static_cast<T*>(out_);
  for (Index j = 0; j < n; ++j) out[j] = 0;
  Index r = 0;
  for (; r + 8 <= rows; r += 8) {
    const T* p = a + r * stride;
    for (Index j = 0; j < n; ++j)
      out[j] +=
          ((p[j] + p[j + stride]) + (p[j + 2 * stride] + p[j + 3 * stride])) +
          ((p[j + 4 * stride] + p[j + 5 * stride]) +
           (p[j + 6 * stride] + p[j + 7 * stride]));
  }
  for (; r < rows; ++r)
    for (Index j = 0; j < n; ++j) out[j] += a[r * stride + j];
}

template <class T, bool kLargest>
void extreme_outer(const void* a_, Index rows, Index stride, Index n,
                   void* out_) {
  auto* a = static_cast<const T*>(a_);
  auto* __restrict out = static_cast<T*>(out_);
  for (Index j = 0; j < n; ++j) out[j] = a[j];
  for (Index r = 1; r < rows; ++r)
    for (Index j = 0; j < n; ++j) {
      T x = a[r * stride + j];
      T m = out[j];
      m = (kLargest ? x > m : x < m) ? x : m;
      out[j] = x != x ? x : m;
    }
}

}  // namespace
