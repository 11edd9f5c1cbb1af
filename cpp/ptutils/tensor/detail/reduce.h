#pragma once

#include "ptutils/tensor/kernels/table.h"
#include "ptutils/tensor/tensor.h"

/// Private to this folder.
namespace ptutils::detail {

/// `dim` last, contiguous, aligned: shape (rows, size of dim) as one matrix.
Tensor rows_along(const Tensor& a, std::int64_t dim);

/// A row-major (outer, length, inner) reduced over `length` to (outer, inner).
/// The order of operations depends on the sizes alone.
Tensor reduce_middle(kernels::Reduction op, const Tensor& a, std::int64_t outer,
                     std::int64_t length, std::int64_t inner);

}  // namespace ptutils::detail
