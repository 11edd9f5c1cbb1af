#pragma once

#include <pybind11/pybind11.h>

#include <optional>
#include <string_view>

#include "ptutils/tensor/tensor.h"

/// Python's numbers and nested lists as tensors.
namespace ptutils::bindings {
namespace py = pybind11;

/// bool, int, float, complex (and classes derived from them; not NumPy's).
bool is_number(py::handle object);

/// A fresh tensor of a number, or of lists and tuples of numbers or of tensors
/// that have one shape. Without `dtype`: bool, i64, f32 or c64 by the highest
/// category; tensors and NumPy scalars keep theirs. Ragged lists, and numbers
/// that the dtype cannot hold, are Kind::kValue and name the place; other
/// objects are Kind::kType.
Tensor tensor_of(py::handle object, std::optional<DType> dtype,
                 std::string_view where);

/// One element as a Python number.
py::object element_to(const std::byte* element, DType dtype);

}  // namespace ptutils::bindings
