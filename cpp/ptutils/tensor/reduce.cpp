#include "ptutils/tensor/detail/reduce.h"

#include <algorithm>

#include "ptutils/common/thread_pool.h"
#include "ptutils/tensor/detail/rows.h"

namespace ptutils::detail {
namespace {

// Elements that one task reduces, whatever the number of threads.
constexpr std::int64_t kPiece = 65536;
constexpr std::int64_t kColumns = 4096;

DType reduced_dtype(kernels::Reduction op, DType dtype) {
  bool adds = op == kernels::kSum || op == kernels::kProd;
  bool whole = is_integer(dtype) || dtype == DType::kBool;
  return adds && whole ? DType::kI64 : dtype;
}

struct Sizes {
  std::int64_t outer, length, inner;
};

// Rows of (outer, length).
Tensor reduce_rows(kernels::Reduction op, const Tensor& a, Sizes s) {
  auto item = static_cast<std::int64_t>(item_size(a.dtype()));
  auto kernel = kernels::table().reduce_inner[op][type_index(a.dtype())];
  std::int64_t pieces = (s.length + kPiece - 1) / kPiece;
  Tensor out = Tensor::empty({s.outer * pieces}, reduced_dtype(op, a.dtype()));
  auto size = static_cast<std::int64_t>(item_size(out.dtype()));
  if (pieces == 1) {
    parallel_for(s.outer, std::max<std::int64_t>(1, kPiece / s.length),
                 [&](std::int64_t b, std::int64_t e) {
                   kernel(a.bytes() + b * s.length * item, e - b, s.length,
                          out.bytes() + b * size);
                 });
    return out;
  }
  parallel_for(s.outer * pieces, 1, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t i = b; i < e; ++i) {
      std::int64_t from = i % pieces * kPiece;
      kernel(a.bytes() + (i / pieces * s.length + from) * item, 1,
             std::min(kPiece, s.length - from), out.bytes() + i * size);
    }
  });
  return reduce_rows(op, out, {s.outer, pieces, 1});
}

// A band is short, so that rounding errors do not add up over long columns.
// Columns of (outer, length, inner): bands of rows, then the bands' results.
Tensor reduce_columns(kernels::Reduction op, const Tensor& a, Sizes s) {
  auto item = static_cast<std::int64_t>(item_size(a.dtype()));
  auto kernel = kernels::table().reduce_outer[op][type_index(a.dtype())];
  std::int64_t height = std::clamp<std::int64_t>(kPiece / s.inner, 64, 512);
  std::int64_t bands = (s.length + height - 1) / height;
  std::int64_t blocks = (s.inner + kColumns - 1) / kColumns;
  Tensor out =
      Tensor::empty({s.outer * bands * s.inner}, reduced_dtype(op, a.dtype()));
  auto size = static_cast<std::int64_t>(item_size(out.dtype()));
  std::int64_t work = std::min(height, s.length) * std::min(kColumns, s.inner);
  parallel_for(
      s.outer * bands * blocks,
      std::max<std::int64_t>(1, kPiece / std::max<std::int64_t>(1, work)),
      [&](std::int64_t b, std::int64_t e) {
        for (std::int64_t i = b; i < e; ++i) {
          std::int64_t column = i % blocks * kColumns;
          std::int64_t band = i / blocks % bands;
          std::int64_t top = i / blocks / bands;
          std::int64_t row = top * s.length + band * height;
          kernel(
              a.bytes() + (row * s.inner + column) * item,
              std::min(height, s.length - band * height), s.inner,
              std::min(kColumns, s.inner - column),
              out.bytes() + ((top * bands + band) * s.inner + column) * size);
        }
      });
  if (bands == 1) return out;
  return reduce_columns(op, out, {s.outer, bands, s.inner});
}

}  // namespace

Tensor rows_along(const Tensor& a, std::int64_t dim) {
  Tensor last = dim == a.dim() - 1 ? a : a.transpose(dim, -1);
  std::int64_t length = last.size(-1);
  std::int64_t rows = length == 0 ? 0 : a.numel() / length;
  return last.to_contiguous().reshape({rows, length});
}

Tensor reduce_middle(kernels::Reduction op, const Tensor& a, std::int64_t outer,
                     std::int64_t length, std::int64_t inner) {
  if (inner == 1) return reduce_rows(op, a, {outer, length, 1});
  return reduce_columns(op, a, {outer, length, inner});
}

}  // namespace ptutils::detail
