#pragma once

#include "ptutils/tensor/tensor.h"

/// Private to this folder.
namespace ptutils::detail {

/// The dtype of `a op b` as torch.result_type: an operand without dimensions
/// counts only when its category (bool < integer < floating < complex) is the
/// higher one.
DType result_dtype(const Tensor& a, const Tensor& b);

/// bool 0, integer 1, floating 2, complex 3.
int category(DType dtype);

/// Before an operation in place: Kind::kValue when the target's memory may not
/// be written; its tape hears of it.
void begin_write(const Tensor& target, std::string_view where);

}  // namespace ptutils::detail
