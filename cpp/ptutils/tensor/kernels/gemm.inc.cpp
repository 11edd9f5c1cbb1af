// Matrix products by Eigen. Included by level.cpp.
#pragma once

#define EIGEN_DONT_PARALLELIZE
#define EIGEN_NO_DEBUG
#define EIGEN_MPL2_ONLY
#include <Eigen/Core>

#include "ptutils/tensor/kernels/table.h"

namespace {

using ptutils::kernels::Index;

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

// Panel sizes of our own: Eigen would ask this machine for its caches, and
// results must not depend on the machine. And memory of the caller's: Eigen
// would get fresh pages from malloc at each call, which halves its speed.
template <class T>
struct Blocking : Eigen::internal::level3_blocking<T, T> {
  static constexpr Index kDepth = 2048 / sizeof(T), kRows = 192, kColumns = 336;

  Blocking(Index rows, Index columns, Index depth, void* workspace) {
    this->m_mc = rows < kRows ? rows : kRows;
    this->m_nc = columns < kColumns ? columns : kColumns;
    this->m_kc = depth;
    this->m_blockA = static_cast<T*>(workspace);
    this->m_blockB = this->m_blockA + kRows * kDepth;
  }
};

// As column-major matrices: c' (n, m) += alpha b' (n, k) a' (k, m).
template <class T, int kA, int kB>
void multiply_panels(Index m, Index n, Index k, T alpha, const T* a,
                     Index a_stride, const T* b, Index b_stride, T* c,
                     Index c_stride, void* workspace) {
  constexpr int kOther = Eigen::RowMajor ^ Eigen::ColMajor;
  using Product = Eigen::internal::general_matrix_matrix_product<
      Index, T, kB ^ kOther, false, T, kA ^ kOther, false, Eigen::ColMajor, 1>;
  const Index slices = (k + Blocking<T>::kDepth - 1) / Blocking<T>::kDepth;
  const Index slice = ((k + slices - 1) / slices + 7) / 8 * 8;
  for (Index at = 0; at < k; at += slice) {
    const Index depth = k - at < slice ? k - at : slice;
    Blocking<T> blocking(n, m, depth, workspace);
    Product::run(n, m, depth, b + at * (kB == Eigen::RowMajor ? b_stride : 1),
                 b_stride, a + at * (kA == Eigen::RowMajor ? 1 : a_stride),
                 a_stride, c, 1, c_stride, alpha, blocking);
  }
}

template <class T, int kA, int kB>
void multiply(Index m, Index n, Index k, T alpha, const T* a, Index a_stride,
              const T* b, Index b_stride, T* c, Index c_stride,
              void* workspace) {
  if (m == 1 || n == 1 || m + n + k < 20)
    multiply_add<T, kA, kB>(m, n, k, alpha, a, a_stride, b, b_stride, c,
                            c_stride);
  else
    multiply_panels<T, kA, kB>(m, n, k, alpha, a, a_stride, b, b_stride, c,
                               c_stride, workspace);
}

template <class T>
void gemm(Index m, Index n, Index k, T alpha, const T* a, Index a_stride,
          bool a_transposed, const T* b, Index b_stride, bool b_transposed,
          T beta, T* c, Index c_stride, void* workspace) {
  constexpr int kRow = Eigen::RowMajor, kColumn = Eigen::ColMajor;
  if (beta != 1)
    for (Index i = 0; i < m; ++i)
      for (Index j = 0; j < n; ++j)
        c[i * c_stride + j] = beta == 0 ? 0 : c[i * c_stride + j] * beta;
  if (k == 0) return;
  auto* f = a_transposed ? (b_transposed ? multiply<T, kColumn, kColumn>
                                         : multiply<T, kColumn, kRow>)
                         : (b_transposed ? multiply<T, kRow, kColumn>
                                         : multiply<T, kRow, kRow>);
  f(m, n, k, alpha, a, a_stride, b, b_stride, c, c_stride, workspace);
}

}  // namespace
