#include <pybind11/stl.h>

#include <cstring>

#include "casters/buffer.h"
#include "casters/dlpack.h"
#include "ptutils/tensor/ops.h"
#include "tensor.h"

// How a ptutils.Tensor leaves for other libraries, for a copy, for a pickle.

namespace ptutils::bindings {

namespace {

py::object to_array(const PyTensor& t, py::object dtype, py::object copy) {
  Tensor source = t.tensor;
  source.numpy_scalar = false;
  py::object array = tensor_to_numpy(source);
  bool may_not = copy.ptr() == Py_False, must = copy.ptr() == Py_True;
  if (!dtype.is_none() && !py::object(array.attr("dtype")).equal(dtype)) {
    if (may_not)
      fail(Kind::kValue, "Tensor.__array__", "another dtype needs a copy");
    return array.attr("astype")(dtype);
  }
  bool moved = !source.aligned();
  if (moved && may_not)
    fail(Kind::kValue, "Tensor.__array__", "unaligned memory needs a copy");
  return must && !moved ? array.attr("copy")() : array;
}

[[noreturn]] void buffer_error(const std::string& message) {
  PyErr_SetString(PyExc_BufferError,
                  ("[Tensor.__dlpack__] " + message).c_str());
  throw py::error_already_set();
}

py::capsule export_dlpack(const PyTensor& t, py::object stream,
                          py::object max_version, py::object device,
                          py::object copy) {
  auto minus_one = [](py::handle o) {
    return PyLong_Check(o.ptr()) && PyLong_AsLong(o.ptr()) == -1;
  };
  if (!stream.is_none() && !minus_one(stream))
    buffer_error("memory of the CPU has no streams: stream must be None");
  if (!device.is_none() &&
      py::cast<std::pair<int, int>>(device) != std::pair(1, 0))
    buffer_error("the tensor is on the CPU, device (1, 0)");
  Tensor tensor = t.tensor;
  bool copied = copy.ptr() == Py_True || !tensor.aligned();
  if (copied && copy.ptr() == Py_False)
    buffer_error("the memory is unaligned: without a copy it cannot be shared");
  if (copied) tensor = tensor.clone();
  bool versioned =
      !max_version.is_none() && py::cast<int>(max_version[py::int_(0)]) >= 1;
  if (!versioned && tensor.read_only())
    buffer_error(
        "read-only memory can only be told to a consumer of DLPack 1.0: "
        "clone() the tensor, or ask with max_version=(1, 0)");
  return to_dlpack(tensor, versioned, copied);
}

Tensor as_bytes(const Tensor& tensor) {
  Tensor flat = tensor.to_contiguous();
  return Tensor::view_bytes(
      flat.storage(), DType::kU8, {static_cast<std::int64_t>(flat.nbytes())},
      static_cast<std::size_t>(flat.bytes() - flat.storage()->data()));
}

Tensor rebuild(DType dtype, const Dims& shape, py::object data) {
  std::string why;
  auto bytes = from_buffer(data, why);
  if (!bytes) fail(Kind::kFormat, "Tensor", why);
  auto address = reinterpret_cast<std::uintptr_t>(bytes->bytes());
  if (bytes->read_only() || address % item_size(dtype) != 0)
    bytes = bytes->clone();
  Tensor out = Tensor::view_bytes(
      bytes->storage(), dtype, shape,
      static_cast<std::size_t>(bytes->bytes() - bytes->storage()->data()));
  if (out.nbytes() != bytes->nbytes())
    fail(Kind::kFormat, "Tensor", bytes->nbytes(), " bytes for ", name(dtype),
         " of shape ", out.shape_str());
  return out;
}

py::tuple reduce(py::object self, int protocol) {
  const Tensor& t = self.cast<PyTensor&>().tensor;
  Tensor bytes = as_bytes(t);
  py::object data;
  if (protocol >= 5) {  // may travel out of band
    PyObject* buffer = PyPickleBuffer_FromObject(py::cast(bytes).ptr());
    if (!buffer) throw py::error_already_set();
    data = py::reinterpret_steal<py::object>(buffer);
  } else {
    data =
        py::bytes(reinterpret_cast<const char*>(bytes.bytes()), bytes.nbytes());
  }
  return py::make_tuple(py::module_::import("ptutils._rebuild").attr("native"),
                        py::make_tuple(std::string(name(t.dtype())),
                                       py::tuple(py::cast(t.shape())), data));
}

void def_protocols(TensorClass& cls) {
  cls.def_buffer([](PyTensor& t) { return buffer_of(t.tensor); });
  cls.def("__array__", &to_array, py::arg("dtype") = py::none(), py::kw_only(),
          py::arg("copy") = py::none());
  cls.def("__dlpack__", &export_dlpack, py::kw_only(),
          py::arg("stream") = py::none(), py::arg("max_version") = py::none(),
          py::arg("dl_device") = py::none(), py::arg("copy") = py::none());
  cls.def("__dlpack_device__",
          [](const PyTensor&) { return py::make_tuple(1, 0); });
}

}  // namespace

void def_exchange(py::module_& m, TensorClass& cls) {
  def_protocols(cls);
  cls.def(
      "numpy",
      [](const PyTensor& t) {
        Tensor source = t.tensor;
        source.numpy_scalar = false;
        return tensor_to_numpy(source);
      },
      "A NumPy array that shares the memory (read-only where the tensor "
      "is). NumPy has no bfloat16: cast first.\n\n"
      ">>> pt.Tensor([1, 2]).numpy()\narray([1, 2])");
  cls.def(
      "torch", [](const PyTensor& t) { return tensor_to_torch(t.tensor); },
      "A torch tensor that shares the memory; a copy of read-only memory, "
      "which torch would write to.");
  m.def("_rebuild_tensor", &rebuild, py::arg("dtype"), py::arg("shape"),
        py::arg("data"));
  cls.def("__reduce_ex__", &reduce, py::arg("protocol"));
  cls.def("__copy__", [](const PyTensor& t) { return t.tensor; });
  cls.def(
      "__deepcopy__",
      [](const PyTensor& t, py::dict) {
        Tensor out = t.tensor.clone();
        out.origin = Origin::kNative;
        return out;
      },
      py::arg("memo"));
}

}  // namespace ptutils::bindings
