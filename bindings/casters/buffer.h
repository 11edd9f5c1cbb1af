#pragma once

#include <pybind11/pybind11.h>

#include <optional>

#include "ptutils/tensor/tensor.h"

/// Python's buffer protocol (PEP 3118), without NumPy.
namespace ptutils::bindings {
namespace py = pybind11;

/// A tensor that shares the buffer (bytes, bytearray, array.array, memoryview,
/// ctypes arrays …) and keeps it alive; odd strides are copied. `why` names a
/// format without a DType.
std::optional<Tensor> from_buffer(py::handle object, std::string& why);

/// How the tensor is shown to others; Kind::kType for bf16, which the protocol
/// cannot name.
py::buffer_info buffer_of(const Tensor& tensor);

}  // namespace ptutils::bindings
