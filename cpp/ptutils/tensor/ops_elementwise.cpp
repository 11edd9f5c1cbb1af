#include <cmath>
#include <complex>
#include <utility>

#include "ptutils/tensor/detail/copy.h"
#include "ptutils/tensor/detail/promote.h"
#include "ptutils/tensor/detail/rows.h"
#include "ptutils/tensor/ops.h"

namespace ptutils {
namespace detail {

int category(DType dtype) {
  if (is_complex(dtype)) return 3;
  if (is_floating(dtype)) return 2;
  return is_integer(dtype) ? 1 : 0;
}

DType result_dtype(const Tensor& a, const Tensor& b) {
  if ((a.dim() == 0) == (b.dim() == 0)) return promote(a.dtype(), b.dtype());
  DType wide = a.dim() == 0 ? b.dtype() : a.dtype();
  DType point = a.dim() == 0 ? a.dtype() : b.dtype();
  if (category(point) <= category(wide)) return wide;
  if (is_floating(wide))
    return wide == DType::kF64 ? DType::kC128 : DType::kC64;
  return promote(wide, point);
}

void begin_write(const Tensor& target, std::string_view where) {
  if (target.read_only())
    fail(Kind::kValue, where,
         "the tensor's memory is read-only; clone() it first");
  target.storage()->note_write();
}

}  // namespace detail

namespace {

using namespace detail;

const kernels::BinaryRow& arithmetic_kernel(kernels::Arithmetic op, DType dtype,
                                            std::string_view where) {
  auto& kernel = kernels::table().arithmetic[op][type_index(dtype)];
  if (!kernel)
    fail(Kind::kType, where, "is not defined for ", name(dtype),
         "; cast() the operands first");
  return kernel;
}

void run_binary(kernels::BinaryRow kernel, const Tensor& a, const Tensor& b,
                const Tensor& out, DType in, DType result) {
  map_rows<3>({&a, &b, &out}, {in, in, result},
              [kernel](const std::array<Row, 3>& r, Index n) {
                kernel(r[0].data, r[0].step, r[1].data, r[1].step, r[2].data,
                       n);
              });
}

Tensor arithmetic(kernels::Arithmetic op, std::string_view where,
                  const Tensor& a, const Tensor& b, DType dtype) {
  DType work = working_dtype(dtype);
  auto kernel = arithmetic_kernel(op, work, where);
  Dims shape = broadcast_shapes(a.shape(), b.shape());
  Tensor out = Tensor::empty(shape, dtype);
  if (a.shape() == shape && b.shape() == shape)
    run_binary(kernel, a, b, out, work, work);
  else
    run_binary(kernel, a.broadcast_to(shape), b.broadcast_to(shape), out, work,
               work);
  return out;
}

void check_divisor(const Tensor& b, DType dtype, std::string_view where) {
  if (is_integer(dtype) && !all(b).item<bool>())
    fail(Kind::kValue, where, "integer division by zero");
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  return arithmetic(kernels::kAdd, "add", a, b, result_dtype(a, b));
}

Tensor sub(const Tensor& a, const Tensor& b) {
  return arithmetic(kernels::kSub, "sub", a, b, result_dtype(a, b));
}

Tensor mul(const Tensor& a, const Tensor& b) {
  return arithmetic(kernels::kMul, "mul", a, b, result_dtype(a, b));
}

Tensor div(const Tensor& a, const Tensor& b) {
  return arithmetic(kernels::kDiv, "div", a, b,
                    floating_dtype(result_dtype(a, b)));
}

Tensor floor_div(const Tensor& a, const Tensor& b) {
  DType dtype = result_dtype(a, b);
  check_divisor(b, dtype, "floor_div");
  return arithmetic(kernels::kFloorDiv, "floor_div", a, b, dtype);
}

Tensor remainder(const Tensor& a, const Tensor& b) {
  DType dtype = result_dtype(a, b);
  check_divisor(b, dtype, "remainder");
  return arithmetic(kernels::kRemainder, "remainder", a, b, dtype);
}

Tensor pow(const Tensor& a, const Tensor& b) {
  return arithmetic(kernels::kPow, "pow", a, b, result_dtype(a, b));
}

Tensor maximum(const Tensor& a, const Tensor& b) {
  return arithmetic(kernels::kMaximum, "maximum", a, b, result_dtype(a, b));
}

Tensor minimum(const Tensor& a, const Tensor& b) {
  return arithmetic(kernels::kMinimum, "minimum", a, b, result_dtype(a, b));
}

Tensor scalar_like(const Tensor& t, double value) {
  return cast(Tensor::scalar_of(value), floating_dtype(t.dtype()));
}

Tensor scalar_like(const Tensor& t, std::int64_t value) {
  DType dtype = t.dtype() == DType::kBool ? DType::kI64 : t.dtype();
  return cast(Tensor::scalar_of(value), dtype);
}

Tensor scalar_like(const Tensor& t, std::complex<double> value) {
  DType dtype = t.dtype();
  if (!is_complex(dtype))
    dtype = dtype == DType::kF64 ? DType::kC128 : DType::kC64;
  return cast(Tensor::scalar_of(value), dtype);
}

namespace {

// a = a op b in a's dtype; b has been broadcast to a's shape.
void in_place(kernels::Arithmetic op, std::string_view where, const Tensor& a,
              const Tensor& b) {
  DType work = working_dtype(a.dtype());
  run_binary(arithmetic_kernel(op, work, where), a, b, a, work, work);
}

template <class T>
void scaled_add(const kernels::Floats<T>& kernels, const Tensor& a,
                const Tensor& b, double alpha) {
  map_rows<3>({&a, &b, &a}, {dtype_of<T>, dtype_of<T>, dtype_of<T>},
              [&](const std::array<Row, 3>& r, Index n) {
                auto size = static_cast<std::size_t>(n) * sizeof(T);
                if (r[0].data != r[2].data)
                  std::memcpy(r[2].data, r[0].data, size);
                kernels.axpy(reinterpret_cast<T*>(r[2].data),
                             reinterpret_cast<const T*>(r[1].data), r[1].step,
                             static_cast<T>(alpha), n);
              });
}

}  // namespace

void add_(const Tensor& a, const Tensor& b, double alpha) {
  begin_write(a, "add_");
  if (category(b.dtype()) > category(a.dtype()))
    fail(Kind::kType, "add_", "a sum of ", name(a.dtype()), " and ",
         name(b.dtype()), " does not fit into ", name(a.dtype()));
  bool real = is_floating(a.dtype());
  if (!real && !is_complex(a.dtype()) && alpha != std::trunc(alpha))
    fail(Kind::kType, "add_", "alpha ", alpha, " is not an integer, as ",
         name(a.dtype()), " wants");
  bool alias = share_memory(a, b) &&
               (a.bytes() != b.bytes() || a.strides() != b.strides());
  Tensor other = (alias ? b.clone() : b).broadcast_to(a.shape());
  DType work = working_dtype(a.dtype());
  if (work == DType::kF32)
    return scaled_add(kernels::table().f32, a, other, alpha);
  if (work == DType::kF64)
    return scaled_add(kernels::table().f64, a, other, alpha);
  if (alpha != 1)
    other =
        mul(cast(other, a.dtype()), cast(Tensor::scalar_of(alpha), a.dtype()));
  in_place(kernels::kAdd, "add_", a, other);
}

void mul_(const Tensor& a, double factor) {
  begin_write(a, "mul_");
  if (category(a.dtype()) < 2 && factor != std::trunc(factor))
    fail(Kind::kType, "mul_", "the factor ", factor, " is not an integer, as ",
         name(a.dtype()), " wants");
  DType work = working_dtype(a.dtype());
  Tensor scalar = cast(Tensor::scalar_of(factor), work);
  in_place(kernels::kMul, "mul_", a, scalar.broadcast_to(a.shape()));
}

void fill_(const Tensor& a, double value) {
  begin_write(a, "fill_");
  fill_elements(a, element_of(value, a.dtype()));
}

}  // namespace ptutils
