#include <utility>

#include "ptutils/tensor/detail/promote.h"
#include "ptutils/tensor/detail/rows.h"
#include "ptutils/tensor/ops.h"

namespace ptutils {
namespace {

using namespace detail;

Tensor run(kernels::BinaryRow kernel, const Tensor& a, const Tensor& b,
           DType work) {
  Dims shape = broadcast_shapes(a.shape(), b.shape());
  Tensor x = a.broadcast_to(shape);
  Tensor y = b.broadcast_to(shape);
  Tensor out = Tensor::empty(std::move(shape), DType::kBool);
  map_rows<3>({&x, &y, &out}, {work, work, DType::kBool},
              [kernel](const std::array<Row, 3>& r, Index n) {
                kernel(r[0].data, r[0].step, r[1].data, r[1].step, r[2].data,
                       n);
              });
  return out;
}

Tensor compare(kernels::Comparison op, std::string_view where, const Tensor& a,
               const Tensor& b) {
  DType work = working_dtype(result_dtype(a, b));
  auto kernel = kernels::table().comparison[op][type_index(work)];
  if (!kernel)
    fail(Kind::kType, where, name(work),
         " numbers have no order; compare "
         "abs() or the parts");
  return run(kernel, a, b, work);
}

Tensor logical(kernels::Arithmetic op, const Tensor& a, const Tensor& b) {
  return run(kernels::table().arithmetic[op][kernels::kBool], a, b,
             DType::kBool);
}

template <class T>
void select_row(const std::array<Row, 4>& r, Index n) {
  auto* condition = reinterpret_cast<const bool*>(r[0].data);
  auto* a = reinterpret_cast<const T*>(r[1].data);
  auto* b = reinterpret_cast<const T*>(r[2].data);
  auto* out = reinterpret_cast<T*>(r[3].data);
  for (Index i = 0; i < n; ++i)
    out[i] = condition[i * r[0].step] ? a[i * r[1].step] : b[i * r[2].step];
}

}  // namespace

Tensor eq(const Tensor& a, const Tensor& b) {
  return compare(kernels::kEq, "eq", a, b);
}
Tensor ne(const Tensor& a, const Tensor& b) {
  return compare(kernels::kNe, "ne", a, b);
}
Tensor lt(const Tensor& a, const Tensor& b) {
  return compare(kernels::kLt, "lt", a, b);
}
Tensor le(const Tensor& a, const Tensor& b) {
  return compare(kernels::kLe, "le", a, b);
}
Tensor gt(const Tensor& a, const Tensor& b) {
  return compare(kernels::kLt, "gt", b, a);
}
Tensor ge(const Tensor& a, const Tensor& b) {
  return compare(kernels::kLe, "ge", b, a);
}

Tensor logical_not(const Tensor& a) {
  return run(kernels::table().comparison[kernels::kEq][kernels::kBool], a,
             Tensor::scalar_of(false), DType::kBool);
}
Tensor logical_and(const Tensor& a, const Tensor& b) {
  return logical(kernels::kMul, a, b);
}
Tensor logical_or(const Tensor& a, const Tensor& b) {
  return logical(kernels::kAdd, a, b);
}

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  DType dtype = result_dtype(a, b);
  Dims shape = broadcast_shapes(condition.shape(),
                                broadcast_shapes(a.shape(), b.shape()));
  Tensor c = condition.broadcast_to(shape);
  Tensor x = a.broadcast_to(shape);
  Tensor y = b.broadcast_to(shape);
  Tensor out = Tensor::empty(std::move(shape), dtype);
  dispatch(dtype, [&]<class T>() {
    map_rows<4>({&c, &x, &y, &out}, {DType::kBool, dtype, dtype, dtype},
                select_row<T>);
  });
  return out;
}

}  // namespace ptutils
