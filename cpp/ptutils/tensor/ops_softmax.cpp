#include <algorithm>

#include "ptutils/common/thread_pool.h"
#include "ptutils/tensor/detail/copy.h"
#include "ptutils/tensor/detail/reduce.h"
#include "ptutils/tensor/detail/rows.h"
#include "ptutils/tensor/ops.h"

namespace ptutils {
namespace {

using namespace detail;

template <class T>
void softmax_rows(const kernels::Floats<T>& kernels, const Tensor& rows,
                  const Tensor& out, bool log) {
  std::int64_t n = rows.size(1);
  parallel_for(rows.size(0), std::max<std::int64_t>(1, kTask / 4 / n),
               [&](std::int64_t b, std::int64_t e) {
                 kernels.softmax(rows.data<T>() + b * n, out.data<T>() + b * n,
                                 e - b, n, log);
               });
}

Tensor run(const Tensor& a, std::int64_t dim, bool log,
           std::string_view where) {
  if (!is_floating(a.dtype()))
    fail(Kind::kType, where, "wants floating numbers, not ", name(a.dtype()),
         "; cast() it first");
  if (a.dim() == 0) return run(a.reshape({1}), dim, log, where).reshape({});
  std::int64_t d = wrap_dim(dim, a.dim(), where);
  if (a.numel() == 0) return Tensor::empty(a.shape(), a.dtype());
  DType work = working_dtype(a.dtype());
  Tensor rows = rows_along(work == a.dtype() ? a : cast(a, work), d);
  Tensor out = Tensor::empty(rows.shape(), work);
  if (work == DType::kF64)
    softmax_rows(kernels::table().f64, rows, out, log);
  else
    softmax_rows(kernels::table().f32, rows, out, log);
  if (d != a.dim() - 1) {
    Dims swapped = a.shape();
    std::swap(swapped[static_cast<std::size_t>(d)], swapped.back());
    out = out.reshape(swapped).transpose(d, -1).to_contiguous();
  }
  out = out.reshape(a.shape());
  return work == a.dtype() ? out : cast(out, a.dtype());
}

}  // namespace

Tensor softmax(const Tensor& a, std::int64_t dim) {
  return run(a, dim, false, "softmax");
}

Tensor log_softmax(const Tensor& a, std::int64_t dim) {
  return run(a, dim, true, "log_softmax");
}

}  // namespace ptutils
