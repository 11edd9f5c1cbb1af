#include "casters/tensor.h"

// NumPy's C API is reached through pybind11 in this file alone; nothing here
// imports NumPy or torch before an object of theirs is asked for.
#include <pybind11/numpy.h>

#include <cstring>

#include "casters/dlpack.h"
#include "casters/value.h"
#include "ptutils/tensor/ops.h"

namespace ptutils::bindings {

namespace {

/// A class of a library that is loaded; never imports it.
py::object loaded_type(const char* module, const char* name) {
  PyObject* found = PyDict_GetItemString(PyImport_GetModuleDict(), module);
  if (!found) return py::none();
  return py::getattr(py::handle(found), name, py::none());
}

bool is_numpy_array(py::handle object) {
  static PyTypeObject* type = nullptr;
  if (!type) {
    py::object found = loaded_type("numpy", "ndarray");
    if (found.is_none()) return false;
    type = reinterpret_cast<PyTypeObject*>(found.release().ptr());
  }
  return PyObject_TypeCheck(object.ptr(), type);
}
bool is_numpy_scalar(py::handle object) {
  static PyObject* type = nullptr;
  if (!type) {
    py::object found = loaded_type("numpy", "generic");
    if (found.is_none()) return false;
    type = found.release().ptr();
  }
  return PyObject_IsInstance(object.ptr(), type) == 1;
}

/// The DType of a NumPy dtype's kind and size, native byte order only.
std::optional<DType> numpy_dtype(const py::dtype& dtype) {
  if (dtype.byteorder() == '>') return std::nullopt;
  auto size = dtype.itemsize();
  switch (dtype.kind()) {
    case 'b': return DType::kBool;
    case 'u':
      return size == 1   ? DType::kU8
             : size == 2 ? DType::kU16
             : size == 4 ? DType::kU32
                         : DType::kU64;
    case 'i':
      return size == 1   ? DType::kI8
             : size == 2 ? DType::kI16
             : size == 4 ? DType::kI32
                         : DType::kI64;
    case 'f':
      if (size == 2) return DType::kF16;
      if (size == 4) return DType::kF32;
      if (size == 8) return DType::kF64;
      return std::nullopt;
    case 'c':
      if (size == 8) return DType::kC64;
      if (size == 16) return DType::kC128;
      return std::nullopt;
    default: return std::nullopt;
  }
}

std::shared_ptr<void> keep(py::object object) {
  return std::make_shared<PyOpaque>(std::move(object));
}

std::optional<Tensor> from_numpy(py::array array, std::string& why) {
  auto dtype = numpy_dtype(array.dtype());
  if (!dtype) {
    why = str("NumPy's dtype ", std::string(py::str(array.dtype())),
              " has no counterpart");
    return std::nullopt;
  }
  auto item = static_cast<std::int64_t>(item_size(*dtype));
  Dims shape, strides;
  bool regular = true;
  for (py::ssize_t i = 0; i < array.ndim(); ++i) {
    shape.push_back(array.shape(i));
    regular = regular && array.strides(i) >= 0 && array.strides(i) % item == 0;
    strides.push_back(array.strides(i) / item);
  }
  if (!regular) {  // negative strides, fields of records: a contiguous copy
    array = py::array::ensure(
        py::module_::import("numpy").attr("ascontiguousarray")(array));
    return from_numpy(array.reshape(std::vector<py::ssize_t>(
                          shape.begin(), shape.end())), why);
  }
  std::int64_t extent = array.size() == 0 ? 0 : 1;
  if (extent)
    for (std::size_t i = 0; i < shape.size(); ++i)
      extent += (shape[i] - 1) * strides[i];
  if (array.size() == 0) strides = contiguous_strides(shape);
  auto storage =
      Storage::wrap(const_cast<void*>(array.data()),
                    static_cast<std::size_t>(extent * item), keep(array),
                    !array.writeable());
  Tensor out = Tensor::view(std::move(storage), *dtype, std::move(shape),
                            std::move(strides));
  out.origin = Origin::kNumpy;
  return out;
}

std::optional<Tensor> from_numpy_scalar(py::handle object, std::string& why) {
  py::array array = py::array::ensure(
      py::module_::import("numpy").attr("array")(object));
  auto out = from_numpy(array, why);
  if (out) out->numpy_scalar = true;
  return out;
}

bool is_torch_tensor(py::handle object) {
  static PyObject* type = nullptr;
  if (!type) {
    py::object found = loaded_type("torch", "Tensor");
    if (found.is_none()) return false;
    type = found.release().ptr();
  }
  return PyObject_IsInstance(object.ptr(), type) == 1;
}

std::optional<Tensor> from_torch(py::handle object, std::string& why) {
  py::object tensor = object.attr("detach")();
  if (py::cast<bool>(tensor.attr("is_meta"))) {
    why = "a torch tensor on the meta device has no data";
    return std::nullopt;
  }
  std::string layout = py::str(tensor.attr("layout"));
  if (layout != "torch.strided" ||
      py::cast<bool>(tensor.attr("is_quantized"))) {
    why = str("a torch tensor of layout ", layout,
              " or quantised: convert it with .to_dense() or .dequantize()");
    return std::nullopt;
  }
  tensor = tensor.attr("cpu")().attr("resolve_conj")().attr("resolve_neg")();
  auto out = from_dlpack(tensor, why);
  if (out) out->origin = Origin::kTorch;
  return out;
}

py::dtype dtype_to_numpy(DType dtype) {
  static const char* names[] = {"bool",    "uint8",   "uint16",   "uint32",
                                "uint64",  "int8",    "int16",    "int32",
                                "int64",   "float16", "",         "float32",
                                "float64", "complex64", "complex128"};
  return py::dtype(names[static_cast<int>(dtype)]);
}

/// Keeps a tensor's memory alive from Python.
py::capsule keep_storage(const Tensor& tensor) {
  auto* owner = new std::shared_ptr<Storage>(tensor.storage());
  return py::capsule(owner, [](void* p) {
    delete static_cast<std::shared_ptr<Storage>*>(p);
  });
}

}  // namespace

std::optional<Tensor> tensor_from(py::handle object, std::string& why,
                                  bool any_buffer) {
  if (py::isinstance<PyTensor>(object))
    return object.cast<PyTensor&>().tensor;
  if (is_numpy_array(object))
    return from_numpy(py::reinterpret_borrow<py::array>(object), why);
  if (is_numpy_scalar(object)) return from_numpy_scalar(object, why);
  if (is_torch_tensor(object)) return from_torch(object, why);
  if (!any_buffer) return std::nullopt;
  if (py::hasattr(object, "__dlpack__")) return from_dlpack(object, why);
  if (PyObject_CheckBuffer(object.ptr())) {
    py::array array = py::array::ensure(
        py::module_::import("numpy").attr("asarray")(object));
    auto out = from_numpy(array, why);
    if (out) out->origin = Origin::kNative;
    return out;
  }
  return std::nullopt;
}

Tensor tensor_or_fail(py::handle object, std::string_view where) {
  std::string why;
  if (auto tensor = tensor_from(object, why, true)) return *tensor;
  if (why.empty())
    why = str("a ", Py_TYPE(object.ptr())->tp_name,
              " is not a tensor or an array");
  fail(Kind::kType, where, why);
}

py::object tensor_to_numpy(const Tensor& source) {
  Tensor tensor = source;
  if (tensor.dtype() == DType::kBF16)
    fail(Kind::kType, "Tensor.numpy",
         "NumPy has no bfloat16: cast it first, .to('f32').numpy()");
  py::dtype dtype = dtype_to_numpy(tensor.dtype());
  if (!tensor.aligned()) tensor = tensor.clone();
  auto item = static_cast<py::ssize_t>(item_size(tensor.dtype()));
  std::vector<py::ssize_t> shape(tensor.shape().begin(), tensor.shape().end());
  std::vector<py::ssize_t> strides;
  for (std::int64_t stride : tensor.strides()) strides.push_back(stride * item);
  py::array array(dtype, shape, strides, tensor.bytes(), keep_storage(tensor));
  if (tensor.read_only()) array.attr("setflags")(py::arg("write") = false);
  if (tensor.numpy_scalar && tensor.dim() == 0) return array[py::tuple()];
  return array;
}

py::object tensor_to_torch(const Tensor& source) {
  Tensor tensor = source.aligned() ? source : source.clone();
  py::module_ torch = py::module_::import("torch");
  // torch ignores read-only memory and would write through: a copy instead.
  if (tensor.read_only()) tensor = tensor.clone();
  return torch.attr("from_dlpack")(to_dlpack(tensor, false));
}

py::object tensor_to(const Tensor& tensor) {
  if (tensor.origin == Origin::kNumpy && tensor.dtype() != DType::kBF16)
    return tensor_to_numpy(tensor);
  if (tensor.origin == Origin::kTorch) {
    static bool have_torch = [] {
      try {
        py::module_::import("torch");
        return true;
      } catch (py::error_already_set&) {
        return false;
      }
    }();
    if (have_torch) return tensor_to_torch(tensor);
    if (tensor.dtype() != DType::kBF16) return tensor_to_numpy(tensor);
  }
  return py::cast(PyTensor{tensor});
}

}  // namespace ptutils::bindings

namespace pybind11::detail {

bool type_caster<ptutils::Tensor>::load(handle source, bool convert) {
  std::string why;
  if (auto tensor = ptutils::bindings::tensor_from(source, why, convert)) {
    value = *tensor;
    return true;
  }
  return false;
}

}  // namespace pybind11::detail
