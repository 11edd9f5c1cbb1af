// Matrix products by Eigen. Included by level.cpp.
#pragma once

#define EIGEN_DONT_PARALLELIZE
#define EIGEN_NO_DEBUG
#define EIGEN_MPL2_ONLY
#include <Eigen/Core>

#include "ptutils/tensor/kernels/table.h"

namespace {

using ptutils::kernels::Index;

// Eigen would ask this machine for its caches and cut the sums over k
// accordingly; results must not depend on the machine.
void fix_block_sizes() {
  Eigen::setCpuCacheSizes(32 << 10, 512 << 10, 4 << 20);
}

template <class T, int kMajor>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, kMajor>;
template <class T, int kMajor>
using ConstMap = Eigen::Map<const Matrix<T, kMajor>, 0, Eigen::OuterStride<>>;

template <class T, int kA, int kB>
void multiply_add(Index m, Index n, Index k, T alpha, const T* a,
                  Index a_stride, const T* b, Index b_stride, T* c,
                  Index c_stride) {
  ConstMap<T, kA> left(a, m, k, Eigen::OuterStride<>(a_stride));
  ConstMap<T, kB> right(b, k, n, Eigen::OuterStride<>(b_stride));
  Eigen::Map<Matrix<T, Eigen::RowMajor>, 0, Eigen::OuterStride<>> out(
      c, m, n, Eigen::OuterStride<>(c_stride));
  out.noalias() += alpha * (left * right);
}

template <class T>
void gemm(Index m, Index n, Index k, T alpha, const T* a, Index a_stride,
          bool a_transposed, const T* b, Index b_stride, bool b_transposed,
          T beta, T* c, Index c_stride) {
  constexpr int kRow = Eigen::RowMajor, kColumn = Eigen::ColMajor;
  if (beta != 1)
    for (Index i = 0; i < m; ++i)
      for (Index j = 0; j < n; ++j)
        c[i * c_stride + j] = beta == 0 ? 0 : c[i * c_stride + j] * beta;
  if (k == 0) return;
  auto* f = a_transposed ? (b_transposed ? multiply_add<T, kColumn, kColumn>
                                         : multiply_add<T, kColumn, kRow>)
                         : (b_transposed ? multiply_add<T, kRow, kColumn>
                                         : multiply_add<T, kRow, kRow>);
  f(m, n, k, alpha, a, a_stride, b, b_stride, c, c_stride);
}

}  // namespace
