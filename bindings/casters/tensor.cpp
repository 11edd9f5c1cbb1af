#include "casters/tensor.h"

// NumPy's C API is reached through pybind11 in this file alone; nothing here
// imports NumPy or torch before an object of theirs is asked for.
#include <pybind11/numpy.h>

#include <cstring>

#include "casters/buffer.h"
#include "casters/dlpack.h"
#include "casters/literal.h"
#include "casters/value.h"
#include "ptutils/tensor/ops.h"

namespace ptutils::bindings {

namespace {

/// A class of a library that may be loaded by now; never imports it.
class LoadedType {
 public:
  LoadedType(const char* module, const char* name)
      : module_(module), name_(name) {}
  /// Null while the library is not loaded.
  PyTypeObject* get() {
    if (type_) return type_;
    PyObject* found = PyDict_GetItemString(PyImport_GetModuleDict(), module_);
    if (!found) return nullptr;
    py::object type = py::getattr(py::handle(found), name_, py::none());
    if (PyType_Check(type.ptr()))
      type_ = reinterpret_cast<PyTypeObject*>(type.release().ptr());
    return type_;
  }
  bool has(py::handle object) {
    return get() && PyObject_TypeCheck(object.ptr(), type_);
  }
  bool is_exactly(py::handle object) {
    return get() && Py_TYPE(object.ptr()) == type_;
  }

 private:
  const char* module_;
  const char* name_;
  PyTypeObject* type_ = nullptr;
};

LoadedType numpy_array("numpy", "ndarray");
LoadedType numpy_scalar("numpy", "generic");
LoadedType numpy_memmap("numpy", "memmap");
LoadedType numpy_masked("numpy.ma", "MaskedArray");
LoadedType torch_tensor("torch", "Tensor");

/// The DType of a NumPy dtype's kind and size, native byte order only.
std::optional<DType> numpy_dtype(const py::dtype& dtype) {
  if (dtype.byteorder() == '>') return std::nullopt;
  auto size = dtype.itemsize();
  switch (dtype.kind()) {
    case 'b':
      return DType::kBool;
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
    default:
      return std::nullopt;
  }
}

std::shared_ptr<void> keep(py::object object) {
  return std::make_shared<PyOpaque>(std::move(object));
}

std::string no_counterpart(const py::dtype& dtype) {
  const char* advice = "convert it with .astype first";
  switch (dtype.kind()) {
    case 'O':
      advice = "give its elements one type, .astype('f4')";
      break;
    case 'M':
    case 'm':
      advice = "its counts are in .view('i8')";
      break;
    case 'S':
    case 'U':
    case 'T':
      advice = "keep text in a list, .tolist()";
      break;
    case 'V':
      advice = "take its fields one by one";
      break;
    default:
      if (dtype.byteorder() == '>')
        advice = "make it native, .astype(a.dtype.newbyteorder('='))";
      else if (dtype.itemsize() >= 16)
        advice = "round it to double, .astype('f8') or .astype('c16')";
  }
  return str("NumPy's dtype ", std::string(py::str(dtype)),
             " has no counterpart: ", advice);
}

/// The array with strides that Tensor can have: as it is, or a copy.
py::array regular(const py::array& array) {
  for (py::ssize_t i = 0; i < array.ndim(); ++i)
    if (array.strides(i) < 0 || array.strides(i) % array.itemsize() != 0)
      return array.attr("copy")(py::arg("order") = "C");
  return array;
}

std::optional<Tensor> from_numpy(py::handle object, std::string& why) {
  auto array = regular(py::reinterpret_borrow<py::array>(object));
  auto dtype = numpy_dtype(array.dtype());
  if (!dtype) {
    why = no_counterpart(array.dtype());
    return std::nullopt;
  }
  auto item = static_cast<std::int64_t>(item_size(*dtype));
  Dims shape, strides;
  std::int64_t extent = array.size() == 0 ? 0 : 1;
  for (py::ssize_t i = 0; i < array.ndim(); ++i) {
    shape.push_back(array.shape(i));
    strides.push_back(array.strides(i) / item);
    if (extent) extent += (shape.back() - 1) * strides.back();
  }
  if (!extent) strides = contiguous_strides(shape);
  auto storage = Storage::wrap(const_cast<void*>(array.data()),
                               static_cast<std::size_t>(extent * item),
                               keep(array), !array.writeable());
  Tensor out = Tensor::view(std::move(storage), *dtype, std::move(shape),
                            std::move(strides));
  out.origin = Origin::kNumpy;
  return out;
}

/// Whether the array means what its elements say; a subclass that would come
/// back as a plain array is for those who ask for its elements.
bool is_plain_array(py::handle object, bool any_buffer, std::string& why) {
  if (numpy_array.is_exactly(object) || numpy_memmap.is_exactly(object))
    return true;
  const char* type = Py_TYPE(object.ptr())->tp_name;
  if (numpy_masked.has(object)) {
    why = str("a ", type, " has masked elements, a tensor has not: ",
              "fill them first, .filled(value)");
    return false;
  }
  if (any_buffer) return true;
  why = str("a ", type, " would come back as numpy.ndarray: ",
            "take its elements, numpy.asarray(it)");
  return false;
}

std::optional<Tensor> from_numpy_scalar(py::handle object, std::string& why) {
  auto out =
      from_numpy(py::module_::import("numpy").attr("array")(object), why);
  if (out) out->numpy_scalar = true;
  return out;
}

bool flag(py::handle object, const char* attribute) {
  py::object value = object.attr(attribute);
  return value.ptr() == Py_True;
}

std::optional<Tensor> from_torch(py::handle object, std::string& why) {
  auto tensor = py::reinterpret_borrow<py::object>(object);
  if (std::string_view(Py_TYPE(object.ptr())->tp_name)
          .starts_with("Uninitialized")) {
    why = "a torch parameter without a shape yet: call the net once first";
    return std::nullopt;
  }
  if (flag(tensor, "is_meta")) {
    why = "a torch tensor on the meta device has no data";
    return std::nullopt;
  }
  std::string layout = py::str(tensor.attr("layout"));
  if (layout != "torch.strided") {
    why = str("a torch tensor of layout ", layout,
              " has no strides: .to_dense() first");
    return std::nullopt;
  }
  if (flag(tensor, "is_quantized")) {
    why = "a quantised torch tensor: .dequantize() it first";
    return std::nullopt;
  }
  if (!flag(tensor, "is_cpu")) tensor = tensor.attr("detach")().attr("cpu")();
  if (tensor.attr("is_conj")().ptr() == Py_True ||
      tensor.attr("is_neg")().ptr() == Py_True)
    tensor =
        tensor.attr("detach")().attr("resolve_conj")().attr("resolve_neg")();
  auto out = from_torch_dlpack(tensor, why);
  if (out) out->origin = Origin::kTorch;
  if (!out)
    why = str("a torch tensor of ", std::string(py::str(tensor.attr("dtype"))),
              ": ", why);
  return out;
}

/// What offers its memory by a protocol.
std::optional<Tensor> from_protocol(py::handle object, std::string& why) {
  if (PyType_Check(object.ptr())) return std::nullopt;
  if (py::hasattr(object, "__dlpack__")) return from_dlpack(object, why);
  if (PyObject_CheckBuffer(object.ptr())) return from_buffer(object, why);
  if (!py::hasattr(object, "__array__")) return std::nullopt;
  py::object array = py::module_::import("numpy").attr("asarray")(object);
  auto out = from_numpy(array, why);
  if (out) out->origin = Origin::kNative;
  return out;
}

py::dtype dtype_to_numpy(DType dtype) {
  static const char* names[] = {"bool",    "uint8",     "uint16",    "uint32",
                                "uint64",  "int8",      "int16",     "int32",
                                "int64",   "float16",   "",          "float32",
                                "float64", "complex64", "complex128"};
  static PyObject* made[kDTypeCount] = {};
  auto index = static_cast<std::size_t>(dtype);
  if (!made[index]) made[index] = py::dtype(names[index]).release().ptr();
  return py::reinterpret_borrow<py::dtype>(made[index]);
}

thread_local SharedKeeper* current_keeper = nullptr;

/// Keeps a tensor's memory alive from Python.
py::object keep_storage(const Tensor& tensor) {
  const Storage* storage = tensor.storage().get();
  if (current_keeper && current_keeper->storage == storage)
    return current_keeper->capsule;
  auto* owner = new std::shared_ptr<Storage>(tensor.storage());
  py::capsule made(
      owner, [](void* p) { delete static_cast<std::shared_ptr<Storage>*>(p); });
  if (current_keeper) {
    current_keeper->storage = storage;
    current_keeper->capsule = made;
  }
  return made;
}

}  // namespace

SharedKeeper::SharedKeeper() : outer_(current_keeper) { current_keeper = this; }
SharedKeeper::~SharedKeeper() { current_keeper = outer_; }

std::optional<Tensor> tensor_from(py::handle object, std::string& why,
                                  bool any_buffer) {
  if (py::isinstance<PyTensor>(object)) {
    Tensor out = object.cast<PyTensor&>().tensor;
    out.origin = Origin::kNative;
    out.numpy_scalar = false;
    return out;
  }
  if (numpy_array.has(object)) {
    if (!is_plain_array(object, any_buffer, why)) return std::nullopt;
    return from_numpy(object, why);
  }
  if (numpy_scalar.has(object)) return from_numpy_scalar(object, why);
  if (torch_tensor.has(object)) return from_torch(object, why);
  if (any_buffer) return from_protocol(object, why);
  return std::nullopt;
}

Tensor tensor_or_fail(py::handle object, std::string_view where) {
  PyObject* o = object.ptr();
  std::string why;
  if (PyList_Check(o) || PyTuple_Check(o) || is_number(object))
    return tensor_of(object, {}, where);
  if (auto tensor = tensor_from(object, why, true)) return *tensor;
  if (why.empty())
    why = str("a ", Py_TYPE(o)->tp_name, " is not a tensor, an array, a ",
              "number or a list of these");
  fail(Kind::kType, where, why);
}

py::object tensor_to_numpy(const Tensor& source) {
  Tensor tensor = source;
  if (tensor.dtype() == DType::kBF16)
    fail(Kind::kType, "Tensor.numpy",
         "NumPy has no bfloat16: cast it first, .to('f32').numpy()");
  py::dtype dtype = dtype_to_numpy(tensor.dtype());
  if (!tensor.aligned()) tensor = tensor.clone();
  const Dims& shape = tensor.shape();
  const auto item = static_cast<std::int64_t>(item_size(tensor.dtype()));
  Dims strides = tensor.strides();
  for (std::int64_t& stride : strides) stride *= item;
  // py::array's constructor, without its copies of both.
  static_assert(sizeof(Py_intptr_t) == sizeof(std::int64_t));
  auto& api = py::detail::npy_api::get();
  const int flags =
      tensor.read_only() ? 0 : py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  auto array = py::reinterpret_steal<py::object>(api.PyArray_NewFromDescr_(
      api.PyArray_Type_, dtype.release().ptr(), static_cast<int>(shape.size()),
      reinterpret_cast<const Py_intptr_t*>(shape.data()),
      reinterpret_cast<const Py_intptr_t*>(strides.data()), tensor.bytes(),
      flags, nullptr));
  if (!array || api.PyArray_SetBaseObject_(
                    array.ptr(), keep_storage(tensor).release().ptr()) < 0)
    throw py::error_already_set();
  if (tensor.numpy_scalar && tensor.dim() == 0) return array[py::tuple()];
  return array;
}

py::object tensor_to_torch(const Tensor& source) {
  // torch ignores read-only memory and would write through: a copy instead.
  bool copy = source.read_only() || !source.aligned();
  return to_torch_dlpack(copy ? source.clone() : source);
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
  using namespace ptutils::bindings;
  std::string why;
  PyObject* o = source.ptr();
  if (convert && (PyList_Check(o) || PyTuple_Check(o) || is_number(source))) {
    value = tensor_of(source, {}, "Tensor");
    return true;
  }
  auto tensor = tensor_from(source, why, convert);
  if (tensor) value = *tensor;
  // An array that is refused says why; pybind11 would only list signatures.
  if (!tensor && convert && !why.empty())
    ptutils::fail(ptutils::Kind::kType, "Tensor", why);
  return tensor.has_value();
}

}  // namespace pybind11::detail
