#include <algorithm>
#include <cstring>
#include <utility>

#include "ptutils/common/thread_pool.h"
#include "ptutils/tensor/detail/copy.h"
#include "ptutils/tensor/detail/rows.h"
#include "ptutils/tensor/ops.h"

namespace ptutils {
namespace {

using namespace detail;

// Checked copies, counted from the start.
Tensor positions(const Tensor& indices, std::int64_t size) {
  if (indices.dim() != 1 || !is_integer(indices.dtype()))
    fail(Kind::kType, "index_select",
         "indices must be integers of one dimension, not ",
         name(indices.dtype()), " of shape ", indices.shape_str());
  Tensor out = cast(indices, DType::kI64);
  auto* at = out.data<std::int64_t>();
  for (std::int64_t i = 0; i < out.numel(); ++i) {
    if (at[i] < -size || at[i] >= size)
      fail(Kind::kIndex, "index_select", "index ", at[i], " at position ", i,
           " is out of range for size ", size);
    if (at[i] < 0) at[i] += size;
  }
  return out;
}

}  // namespace

Tensor index_select(const Tensor& a, std::int64_t dim, const Tensor& indices) {
  std::int64_t d = wrap_dim(dim, a.dim(), "index_select");
  Tensor at = positions(indices, a.size(d));
  Dims shape = a.shape();
  shape[static_cast<std::size_t>(d)] = at.numel();
  Tensor out = Tensor::empty(shape, a.dtype());
  if (out.numel() == 0) return out;
  Tensor source = a.contiguous() ? a : a.clone();
  std::int64_t rows = a.size(d);
  std::int64_t count = at.numel();
  auto item = static_cast<std::int64_t>(item_size(a.dtype()));
  for (std::int64_t k = d + 1; k < a.dim(); ++k) item *= a.size(k);
  std::int64_t tasks =
      out.numel() * static_cast<std::int64_t>(item_size(a.dtype())) / item;
  const auto* index = at.data<std::int64_t>();
  parallel_for(tasks, std::max<std::int64_t>(1, (1 << 18) / item),
               [&](std::int64_t b, std::int64_t e) {
                 for (std::int64_t i = b; i < e; ++i)
                   std::memcpy(out.bytes() + i * item,
                               source.bytes() +
                                   (i / count * rows + index[i % count]) * item,
                               static_cast<std::size_t>(item));
               });
  return out;
}

Tensor concat(const std::vector<Tensor>& tensors, std::int64_t dim) {
  if (tensors.empty()) fail(Kind::kValue, "concat", "no tensors were given");
  const Tensor& first = tensors[0];
  std::int64_t d = wrap_dim(dim, first.dim(), "concat");
  auto k = static_cast<std::size_t>(d);
  DType dtype = first.dtype();
  Dims shape = first.shape();
  shape[k] = 0;
  for (const Tensor& t : tensors) {
    Dims expected = shape;
    bool fits = t.dim() == first.dim();
    if (fits) expected[k] = t.shape()[k];
    if (!fits || t.shape() != expected)
      fail(Kind::kValue, "concat", "shapes ", first.shape_str(), " and ",
           t.shape_str(), " differ in a dimension other than ", d);
    shape[k] += t.shape()[k];
    dtype = promote(dtype, t.dtype());
  }
  Tensor out = Tensor::empty(shape, dtype);
  std::int64_t at = 0;
  for (const Tensor& t : tensors) {
    std::int64_t end = at + t.shape()[k];
    out.slice(d, at, end).copy_from(t.dtype() == dtype ? t : cast(t, dtype));
    at = end;
  }
  return out;
}

Tensor stack(const std::vector<Tensor>& tensors, std::int64_t dim) {
  if (tensors.empty()) fail(Kind::kValue, "stack", "no tensors were given");
  std::int64_t d = wrap_dim(dim, tensors[0].dim() + 1, "stack");
  std::vector<Tensor> rows;
  rows.reserve(tensors.size());
  for (const Tensor& t : tensors) {
    if (t.shape() != tensors[0].shape())
      fail(Kind::kValue, "stack", "shapes ", tensors[0].shape_str(), " and ",
           t.shape_str(), " differ (tensor ", rows.size(),
           "); reshape them first");
    rows.push_back(t.unsqueeze(d));
  }
  return concat(rows, d);
}

Tensor arange(std::int64_t n, DType dtype) {
  if (n < 0) fail(Kind::kValue, "arange", "length ", n, " is negative");
  Tensor out = Tensor::empty({n}, DType::kI64);
  auto* at = out.data<std::int64_t>();
  for (std::int64_t i = 0; i < n; ++i) at[i] = i;
  return dtype == DType::kI64 ? out : cast(out, dtype);
}

}  // namespace ptutils
