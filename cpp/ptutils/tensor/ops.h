#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "ptutils/tensor/tensor.h"

/// Free functions on tensors. Operands broadcast (NumPy's rule) and promote as
/// torch does; results are fresh, contiguous and native. `dim` may be negative.
/// Floating results of f16 / bf16 inputs are computed in f32 and rounded once.
/// Reductions do not depend on the number of threads, to the bit.
namespace ptutils {

// Elementwise arithmetic. Integers wrap; div is true division (integers give
// f32, as torch); floor_div and remainder have Python's sign, an integer
// divided by zero is Kind::kValue.
PTUTILS_API Tensor add(const Tensor& a, const Tensor& b);
PTUTILS_API Tensor sub(const Tensor& a, const Tensor& b);  ///< not for bool
PTUTILS_API Tensor mul(const Tensor& a, const Tensor& b);
PTUTILS_API Tensor div(const Tensor& a, const Tensor& b);
PTUTILS_API Tensor floor_div(const Tensor& a, const Tensor& b);
PTUTILS_API Tensor remainder(const Tensor& a, const Tensor& b);
PTUTILS_API Tensor pow(const Tensor& a, const Tensor& b);
PTUTILS_API Tensor maximum(const Tensor& a, const Tensor& b);  ///< NaN wins
PTUTILS_API Tensor minimum(const Tensor& a, const Tensor& b);

/// A Python number as the other operand of `t`: add(t, scalar_like(t, 2)). It
/// is 0-d, of t's dtype unless its category (bool < integer < floating <
/// complex) is the higher one, as torch's scalars are.
PTUTILS_API Tensor scalar_like(const Tensor& t, double value);
PTUTILS_API Tensor scalar_like(const Tensor& t, std::int64_t value);
PTUTILS_API Tensor scalar_like(const Tensor& t, std::complex<double> value);

// In place, for optimizers and accumulators: `a` keeps its dtype.
PTUTILS_API void add_(const Tensor& a, const Tensor& b, double alpha = 1);
PTUTILS_API void mul_(const Tensor& a, double factor);
PTUTILS_API void fill_(const Tensor& a, double value);

// Comparison: bool tensors. NaN compares false except in ne. No order for
// complex (Kind::kType).
PTUTILS_API Tensor eq(const Tensor& a, const Tensor& b);
PTUTILS_API Tensor ne(const Tensor& a, const Tensor& b);
PTUTILS_API Tensor lt(const Tensor& a, const Tensor& b);
PTUTILS_API Tensor le(const Tensor& a, const Tensor& b);
PTUTILS_API Tensor gt(const Tensor& a, const Tensor& b);
PTUTILS_API Tensor ge(const Tensor& a, const Tensor& b);
PTUTILS_API Tensor logical_not(const Tensor& a);
PTUTILS_API Tensor logical_and(const Tensor& a, const Tensor& b);
PTUTILS_API Tensor logical_or(const Tensor& a, const Tensor& b);
PTUTILS_API Tensor where(const Tensor& condition, const Tensor& a,
                         const Tensor& b);

// Unary. neg, abs, square and relu keep the dtype (abs of complex is real);
// the others take integers as f32.
PTUTILS_API Tensor neg(const Tensor& a);
PTUTILS_API Tensor abs(const Tensor& a);
PTUTILS_API Tensor square(const Tensor& a);
PTUTILS_API Tensor exp(const Tensor& a);
PTUTILS_API Tensor log_e(const Tensor& a);  ///< natural logarithm
PTUTILS_API Tensor sqrt(const Tensor& a);
PTUTILS_API Tensor tanh(const Tensor& a);
PTUTILS_API Tensor sigmoid(const Tensor& a);
PTUTILS_API Tensor relu(const Tensor& a);  ///< max(a, 0); NaN stays
PTUTILS_API Tensor isnan(const Tensor& a);
PTUTILS_API Tensor isinf(const Tensor& a);

// Reductions over `dims` (empty: all). sum and prod of integers and bool are
// i64; mean wants floating or complex; max, min propagate NaN and want
// elements (Kind::kValue on an empty reduction).
PTUTILS_API Tensor sum(const Tensor& a, const Dims& dims = {},
                       bool keepdim = false);
PTUTILS_API Tensor prod(const Tensor& a, const Dims& dims = {},
                        bool keepdim = false);
PTUTILS_API Tensor mean(const Tensor& a, const Dims& dims = {},
                        bool keepdim = false);
PTUTILS_API Tensor max(const Tensor& a, const Dims& dims = {},
                       bool keepdim = false);
PTUTILS_API Tensor min(const Tensor& a, const Dims& dims = {},
                       bool keepdim = false);
PTUTILS_API Tensor any(const Tensor& a);
PTUTILS_API Tensor all(const Tensor& a);
/// Index of the first largest element along `dim` (i64); nullopt: of the
/// flattened tensor. NaN counts as largest.
PTUTILS_API Tensor argmax(const Tensor& a, std::optional<std::int64_t> dim = {},
                          bool keepdim = false);
PTUTILS_API Tensor argmin(const Tensor& a, std::optional<std::int64_t> dim = {},
                          bool keepdim = false);

/// exp(a - max) / sum along `dim`; floating only.
PTUTILS_API Tensor softmax(const Tensor& a, std::int64_t dim);
PTUTILS_API Tensor log_softmax(const Tensor& a, std::int64_t dim);

/// As torch.matmul: 1-d and 2-d operands and broadcast batches. Same dtype
/// required. f16 and bf16 accumulate in f32, integers in their own width.
PTUTILS_API Tensor matmul(const Tensor& a, const Tensor& b);

/// c = alpha * op(a) op(b) + beta * c, 2-d, f32 or f64, any strides; the
/// kernel behind Linear. `c` is contiguous. trans_* transpose without a copy.
PTUTILS_API void gemm(const Tensor& a, bool trans_a, const Tensor& b,
                      bool trans_b, double alpha, double beta, const Tensor& c);

/// Value conversion, as C++'s static_cast, saturating nowhere; float to bool is
/// != 0; complex to real drops the imaginary part. Keeps origin.
PTUTILS_API Tensor cast(const Tensor& a, DType dtype);

/// Rows `indices` (integer 1-d, negative counts from the end) along `dim`;
/// Kind::kIndex names the bad index.
PTUTILS_API Tensor index_select(const Tensor& a, std::int64_t dim,
                                const Tensor& indices);
PTUTILS_API Tensor concat(const std::vector<Tensor>& tensors, std::int64_t dim);
PTUTILS_API Tensor stack(const std::vector<Tensor>& tensors, std::int64_t dim);
PTUTILS_API Tensor arange(std::int64_t n, DType dtype = DType::kI64);

/// The level of the kernels in use: "generic", "v2", "v3" or "v4". Chosen once
/// by cpuid, or by PTUTILS_ISA (an unknown or unsupported level is an error at
/// first use). Results of one level are equal to the bit on every machine.
PTUTILS_API std::string_view isa_level();

}  // namespace ptutils
