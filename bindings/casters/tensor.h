#pragma once

#include <pybind11/pybind11.h>

#include <optional>

#include "ptutils/tensor/tensor.h"

namespace ptutils::bindings {
namespace py = pybind11;

/// What the Python class ptutils.Tensor holds. (Tensor itself has a converting
/// caster, so that functions take arrays of other libraries too.)
struct PyTensor {
  Tensor tensor;
};

/// A tensor that shares the object's memory and keeps it alive: ptutils.Tensor,
/// a NumPy array or scalar, a torch tensor (detached; conj / neg bits
/// materialised, other devices copied to the CPU), else anything with DLPack or
/// the buffer protocol when `any_buffer`. Empty when the object is none of
/// these, or its element type has no DType (then `why` says so).
std::optional<Tensor> tensor_from(py::handle object, std::string& why,
                                  bool any_buffer = false);

/// tensor_from, or TypeError "[where] …".
Tensor tensor_or_fail(py::handle object, std::string_view where);

/// The object of the tensor's origin that shares its memory: ptutils.Tensor,
/// numpy.ndarray (a NumPy scalar when flagged; read-only kept), torch.Tensor.
/// Where that library is missing, or NumPy has no such dtype (bf16): a
/// ptutils.Tensor, resp. NumPy for torch's.
py::object tensor_to(const Tensor& tensor);
/// As one library's, whatever the origin.
py::object tensor_to_numpy(const Tensor& tensor);
py::object tensor_to_torch(const Tensor& tensor);

}  // namespace ptutils::bindings

namespace pybind11::detail {

/// Functions that take a Tensor accept whatever tensor_from does, numbers and
/// nested lists; results are ptutils.Tensor.
template <>
struct type_caster<ptutils::Tensor> {
  PYBIND11_TYPE_CASTER(ptutils::Tensor, const_name("ptutils.Tensor"));
  bool load(handle source, bool convert);
  static handle cast(const ptutils::Tensor& tensor, return_value_policy,
                     handle) {
    return pybind11::cast(ptutils::bindings::PyTensor{tensor}).release();
  }
};

}  // namespace pybind11::detail
