#include <algorithm>
#include <utility>

#include "ptutils/common/thread_pool.h"
#include "ptutils/tensor/detail/copy.h"
#include "ptutils/tensor/detail/reduce.h"
#include "ptutils/tensor/detail/rows.h"
#include "ptutils/tensor/ops.h"

namespace ptutils {
namespace {

using namespace detail;

/// Which dimensions go, and what shape stays.
struct Plan {
  std::vector<bool> gone;
  Dims shape;
  std::int64_t count = 1;  // elements reduced to one

  Plan(const Tensor& a, const Dims& dims, bool keepdim, std::string_view where)
      : gone(a.shape().size(), dims.empty()) {
    for (std::int64_t d : dims) {
      auto k = static_cast<std::size_t>(wrap_dim(d, a.dim(), where));
      if (gone[k]) fail(Kind::kValue, where, "dimension ", d, " named twice");
      gone[k] = true;
    }
    for (std::size_t d = 0; d < gone.size(); ++d) {
      if (gone[d]) count *= a.shape()[d];
      if (!gone[d] || keepdim) shape.push_back(gone[d] ? 1 : a.shape()[d]);
    }
  }
};

// Neighbouring dimensions of one kind, merged; the last groups first.
Tensor reduce_groups(kernels::Reduction op, Tensor a, const Plan& plan) {
  std::int64_t inner = 1;
  std::int64_t outer = a.numel();
  const Dims shape = a.shape();
  bool reduced = false;
  for (std::size_t d = shape.size(); d-- > 0;) {
    std::int64_t run = shape[d];
    while (d > 0 && plan.gone[d - 1] == plan.gone[d]) run *= shape[--d];
    outer /= run;
    if (!plan.gone[d]) {
      inner *= run;
    } else if (run > 1 || !reduced) {
      a = reduce_middle(op, a, outer, run, inner);
      reduced = true;
    }
  }
  // A tensor without dimensions is a row of one.
  return reduced ? a : reduce_middle(op, a, 1, 1, 1);
}

/// The result is of the working dtype (f32 for f16 and bf16).
Tensor reduce(kernels::Reduction op, std::string_view where, const Tensor& a,
              const Dims& dims, bool keepdim) {
  Plan plan(a, dims, keepdim, where);
  DType work = working_dtype(a.dtype());
  if (!kernels::table().reduce_inner[op][type_index(work)])
    fail(Kind::kType, where, name(a.dtype()), " numbers have no order");
  bool extreme = op == kernels::kMax || op == kernels::kMin;
  if (a.numel() == 0) {
    std::int64_t left = count_elements(plan.shape);
    if (extreme && left > 0)
      fail(Kind::kValue, where, "no elements to choose from in shape ",
           a.shape_str());
    bool whole = is_integer(work) || work == DType::kBool;
    return Tensor::full(plan.shape, op == kernels::kProd ? 1 : 0,
                        whole && !extreme ? DType::kI64 : work);
  }
  Tensor input = work == a.dtype() ? a.to_contiguous() : cast(a, work);
  return reduce_groups(op, input, plan).reshape(plan.shape);
}

Tensor rounded(Tensor result, DType dtype) {
  result.origin = Origin::kNative;
  bool half = dtype == DType::kF16 || dtype == DType::kBF16;
  return half ? cast(result, dtype) : result;
}

/// First index of the extremum of each row.
template <class T>
void find_rows(const Tensor& a, kernels::ReduceInner extreme,
               const Tensor& out) {
  std::int64_t n = a.size(1);
  parallel_for(a.size(0), std::max<std::int64_t>(1, kTask / n),
               [&](std::int64_t b, std::int64_t e) {
                 for (std::int64_t r = b; r < e; ++r) {
                   const T* row = a.data<T>() + r * n;
                   T best;
                   extreme(row, 1, n, &best);
                   std::int64_t i = 0;
                   while (row[i] != best && !(best != best && row[i] != row[i]))
                     ++i;
                   out.data<std::int64_t>()[r] = i;
                 }
               });
}

Tensor arg_extreme(kernels::Reduction op, std::string_view where,
                   const Tensor& a, std::optional<std::int64_t> dim,
                   bool keepdim) {
  if (!dim) {
    Tensor out = arg_extreme(op, where, a.reshape({-1}), 0, false);
    return keepdim ? out.reshape(Dims(a.shape().size(), 1)) : out;
  }
  DType work = working_dtype(a.dtype());
  auto kernel = kernels::table().reduce_inner[op][type_index(work)];
  if (!kernel)
    fail(Kind::kType, where, name(a.dtype()), " numbers have no order");
  if (a.dim() == 0) return arg_extreme(op, where, a.reshape({1}), dim, false);
  std::int64_t d = wrap_dim(*dim, a.dim(), where);
  Plan plan(a, {d}, keepdim, where);
  if (a.size(d) == 0)
    fail(Kind::kValue, where, "dimension ", d, " of shape ", a.shape_str(),
         " has no elements to choose from");
  Tensor out = Tensor::empty({a.numel() / a.size(d)}, DType::kI64);
  if (a.numel() > 0) {
    Tensor rows = rows_along(work == a.dtype() ? a : cast(a, work), d);
    dispatch(work, [&]<class T>() {
      if constexpr (std::is_arithmetic_v<T>) find_rows<T>(rows, kernel, out);
    });
  }
  // rows_along swapped d with the last dimension: the rest comes in that order.
  Dims swapped = a.shape();
  std::swap(swapped[static_cast<std::size_t>(d)], swapped.back());
  swapped.back() = 1;
  return out.reshape(swapped).transpose(d, -1).to_contiguous().reshape(
      plan.shape);
}

// True when `wanted` is found among the truth values of the elements.
bool search(const Tensor& a, bool wanted) {
  Tensor t = a.to_contiguous();
  return dispatch(a.dtype(), [&]<class T>() {
    const T* at = t.data<T>();
    for (std::int64_t i = 0; i < t.numel(); i += 4096) {
      std::int64_t end = std::min(t.numel(), i + 4096);
      bool found = false;
      for (std::int64_t k = i; k < end; ++k) {
        if constexpr (std::is_same_v<T, f16> || std::is_same_v<T, bf16>)
          found |= ((at[k].bits & 0x7fff) != 0) == wanted;
        else
          found |= (at[k] != T{}) == wanted;
      }
      if (found) return true;
    }
    return false;
  });
}

}  // namespace

Tensor sum(const Tensor& a, const Dims& dims, bool keepdim) {
  return rounded(reduce(kernels::kSum, "sum", a, dims, keepdim), a.dtype());
}

Tensor prod(const Tensor& a, const Dims& dims, bool keepdim) {
  return rounded(reduce(kernels::kProd, "prod", a, dims, keepdim), a.dtype());
}

Tensor mean(const Tensor& a, const Dims& dims, bool keepdim) {
  if (!is_floating(a.dtype()) && !is_complex(a.dtype()))
    fail(Kind::kType, "mean", "wants floating or complex numbers, not ",
         name(a.dtype()), "; cast() it first");
  Plan plan(a, dims, keepdim, "mean");
  Tensor total = reduce(kernels::kSum, "mean", a, dims, keepdim);
  Tensor count = scalar_like(total, static_cast<double>(plan.count));
  return rounded(div(total, count), a.dtype());
}

Tensor max(const Tensor& a, const Dims& dims, bool keepdim) {
  return rounded(reduce(kernels::kMax, "max", a, dims, keepdim), a.dtype());
}

Tensor min(const Tensor& a, const Dims& dims, bool keepdim) {
  return rounded(reduce(kernels::kMin, "min", a, dims, keepdim), a.dtype());
}

Tensor any(const Tensor& a) { return Tensor::scalar_of(search(a, true)); }
Tensor all(const Tensor& a) { return Tensor::scalar_of(!search(a, false)); }

Tensor argmax(const Tensor& a, std::optional<std::int64_t> dim, bool keepdim) {
  return arg_extreme(kernels::kMax, "argmax", a, dim, keepdim);
}

Tensor argmin(const Tensor& a, std::optional<std::int64_t> dim, bool keepdim) {
  return arg_extreme(kernels::kMin, "argmin", a, dim, keepdim);
}

}  // namespace ptutils
