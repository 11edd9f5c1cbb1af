#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>

#include "ptutils/tensor/tensor.h"

namespace ptutils::bindings {
namespace py = pybind11;

/// What the Python class ptutils.Tensor holds. (Tensor itself has a converting
/// caster, so that functions take arrays of other libraries too.)
struct PyTensor {
  Tensor tensor;
};

/// A tensor that shares the object's memory and keeps it alive: ptutils.Tensor
/// (as native, whatever memory it has), a NumPy array (a subclass other than
/// memmap only when `any_buffer`; a masked one never) or scalar, a torch tensor
/// (detached; conj / neg bits materialised, other devices copied to the CPU),
/// else anything with DLPack, the buffer protocol or __array__ when
/// `any_buffer`. Negative or odd strides are copied. Empty when the object is
/// none of these, or its element type has no DType (then `why` says so, and
/// what to do).
std::optional<Tensor> tensor_from(py::handle object, std::string& why,
                                  bool any_buffer = false);

/// tensor_from of any buffer, a number or nested lists; else TypeError.
Tensor tensor_or_fail(py::handle object, std::string_view where);

/// The object of the tensor's origin that shares its memory: ptutils.Tensor,
/// numpy.ndarray (a NumPy scalar when flagged; read-only kept), torch.Tensor.
/// Where that library is missing, or NumPy has no such dtype (bf16): a
/// ptutils.Tensor, resp. NumPy for torch's.
py::object tensor_to(const Tensor& tensor);
/// As one library's, whatever the origin.
py::object tensor_to_numpy(const Tensor& tensor);
py::object tensor_to_torch(const Tensor& tensor);

/// While it lives, the NumPy arrays that this thread makes of one storage after
/// another share the object that keeps it alive: thousands come from one file.
class SharedKeeper {
 public:
  SharedKeeper();
  ~SharedKeeper();
  SharedKeeper(const SharedKeeper&) = delete;
  SharedKeeper& operator=(const SharedKeeper&) = delete;
  const Storage* storage = nullptr;
  py::object capsule;  ///< keeps `storage` alive

 private:
  SharedKeeper* outer_;
};

/// "f32", "float32", a NumPy or torch dtype, bool, int, float (f64) or complex
/// (c128). Empty for objects of another kind; Kind::kValue for a text or a
/// dtype that names none of ours.
std::optional<DType> dtype_from(py::handle object);

}  // namespace ptutils::bindings

namespace pybind11::detail {

/// A list or tuple of ints; results are lists.
template <>
struct type_caster<ptutils::Dims> : list_caster<ptutils::Dims, std::int64_t> {};

/// Arguments as dtype_from has it; results are the short name.
template <>
struct type_caster<ptutils::DType> {
 public:
  PYBIND11_TYPE_CASTER(ptutils::DType, const_name("str"));
  bool load(handle source, bool) {
    auto dtype = ptutils::bindings::dtype_from(source);
    if (dtype) value = *dtype;
    return dtype.has_value();
  }
  static handle cast(ptutils::DType dtype, return_value_policy, handle) {
    std::string_view text = ptutils::name(dtype);
    return pybind11::str(text.data(), text.size()).release();
  }
};

/// Functions that take a Tensor accept whatever tensor_or_fail does; an array
/// that it refuses is an error of its own. Results are ptutils.Tensor.
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
