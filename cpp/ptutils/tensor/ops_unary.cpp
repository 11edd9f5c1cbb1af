#include <limits>

#include "ptutils/tensor/detail/copy.h"
#include "ptutils/tensor/detail/unary_rows.h"
#include "ptutils/tensor/ops.h"

namespace ptutils {
namespace {

using namespace detail;

Tensor unary(kernels::Unary op, std::string_view where, const Tensor& a,
             DType dtype) {
  DType work = working_dtype(dtype);
  auto kernel = kernels::table().unary[op][type_index(work)];
  if (!kernel)
    fail(Kind::kType, where, "is not defined for ", name(a.dtype()),
         "; cast() it first");
  DType result = dtype;
  if (op == kernels::kAbs && is_complex(dtype))
    result = dtype == DType::kC128 ? DType::kF64 : DType::kF32;
  Tensor out = Tensor::empty(a.shape(), result);
  run_unary(kernel, a, out, work, is_complex(dtype) ? result : work);
  return out;
}

Tensor real_unary(kernels::Unary op, std::string_view where, const Tensor& a) {
  return unary(op, where, a, floating_dtype(a.dtype()));
}

}  // namespace

Tensor neg(const Tensor& a) {
  return unary(kernels::kNeg, "neg", a, a.dtype());
}
Tensor abs(const Tensor& a) {
  return unary(kernels::kAbs, "abs", a, a.dtype());
}
Tensor square(const Tensor& a) {
  return unary(kernels::kSquare, "square", a, a.dtype());
}
Tensor relu(const Tensor& a) {
  return unary(kernels::kRelu, "relu", a, a.dtype());
}
Tensor exp(const Tensor& a) { return real_unary(kernels::kExp, "exp", a); }
Tensor log_e(const Tensor& a) { return real_unary(kernels::kLog, "log", a); }
Tensor sqrt(const Tensor& a) { return real_unary(kernels::kSqrt, "sqrt", a); }
Tensor tanh(const Tensor& a) { return real_unary(kernels::kTanh, "tanh", a); }
Tensor sigmoid(const Tensor& a) {
  return real_unary(kernels::kSigmoid, "sigmoid", a);
}

Tensor isnan(const Tensor& a) {
  if (!is_floating(a.dtype()) && !is_complex(a.dtype()))
    return Tensor::zeros(a.shape(), DType::kBool);
  return ne(a, a);
}

Tensor isinf(const Tensor& a) {
  if (!is_floating(a.dtype()) && !is_complex(a.dtype()))
    return Tensor::zeros(a.shape(), DType::kBool);
  Tensor size = abs(a);
  return eq(size, scalar_like(size, std::numeric_limits<double>::infinity()));
}

Tensor cast(const Tensor& a, DType dtype) {
  if (a.dtype() == dtype) {
    Tensor out = a.clone();
    out.numpy_scalar = false;
    return out;
  }
  Tensor out = Tensor::empty(a.shape(), dtype);
  out.origin = a.origin;
  auto kernel = kernels::table().cast[type_index(a.dtype())][type_index(dtype)];
  run_unary(kernel, a, out, a.dtype(), dtype);
  return out;
}

}  // namespace ptutils
