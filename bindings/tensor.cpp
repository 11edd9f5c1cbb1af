#include "tensor.h"

#include <pybind11/complex.h>
#include <pybind11/stl.h>

#include "areas.h"
#include "casters/literal.h"
#include "ptutils/tensor/ops.h"

// The class ptutils.Tensor: construction, attributes, views.

namespace ptutils::bindings {

namespace {

PyTensor make_tensor(py::handle data, std::optional<DType> dtype, bool copy) {
  PyObject* o = data.ptr();
  if (PyList_Check(o) || PyTuple_Check(o) || is_number(data))
    return {tensor_of(data, dtype, "Tensor")};
  Tensor out = tensor_or_fail(data, "Tensor");
  out.numpy_scalar = false;
  if (dtype && *dtype != out.dtype())
    return {compute(out.numel(), [&] { return cast(out, *dtype); })};
  if (copy) return {compute(out.numel(), [&] { return out.clone(); })};
  return {out};
}

const char* origin_name(Origin origin) {
  static const char* names[] = {"native", "numpy", "torch"};
  return names[static_cast<int>(origin)];
}

py::tuple tuple_of(const Dims& dims) { return py::tuple(py::cast(dims)); }

py::object to_list(const Tensor& t) {
  if (t.dim() == 0) return element_to(t.bytes(), t.dtype());
  auto n = static_cast<std::size_t>(t.size(0));
  py::list out(n);
  if (t.dim() == 1) {
    auto step =
        t.strides()[0] * static_cast<std::int64_t>(item_size(t.dtype()));
    for (std::size_t i = 0; i < n; ++i)
      out[i] = element_to(t.bytes() + static_cast<std::int64_t>(i) * step,
                          t.dtype());
    return out;
  }
  for (std::size_t i = 0; i < n; ++i)
    out[i] = to_list(t.select(0, static_cast<std::int64_t>(i)));
  return out;
}

py::object item(const Tensor& t) {
  if (t.numel() != 1)
    fail(Kind::kValue, "Tensor.item", "wants one element, the shape is ",
         t.shape_str(), "; .tolist() gives them all");
  return element_to(t.bytes(), t.dtype());
}

bool truth(const Tensor& t) {
  if (t.numel() != 1)
    fail(Kind::kValue, "Tensor", "the truth of ", t.numel(),
         " elements is ambiguous: use .any() or .all()");
  return py::cast<bool>(py::bool_(item(t)));
}

std::int64_t length(const Tensor& t) {
  if (t.dim() == 0)
    fail(Kind::kType, "Tensor", "a tensor without dimensions has no length");
  return t.size(0);
}

void def_attributes(TensorClass& cls) {
  auto get = [&](const char* name, auto f, const char* doc) {
    cls.def_property_readonly(
        name, [f](const PyTensor& t) { return f(t.tensor); }, doc);
  };
  get(
      "dtype", [](const Tensor& t) { return t.dtype(); },
      "The element type's short name: 'f32', 'i64', 'bool' …");
  get(
      "shape", [](const Tensor& t) { return tuple_of(t.shape()); },
      "The sizes of the dimensions.");
  get(
      "strides", [](const Tensor& t) { return tuple_of(t.strides()); },
      "Distances between neighbours in each dimension, in elements.");
  get(
      "ndim", [](const Tensor& t) { return t.dim(); },
      "The number of dimensions.");
  get(
      "nbytes", [](const Tensor& t) { return t.nbytes(); },
      "Bytes of all elements.");
  get(
      "itemsize", [](const Tensor& t) { return item_size(t.dtype()); },
      "Bytes of one element.");
  get(
      "read_only", [](const Tensor& t) { return t.read_only(); },
      "Whether the memory may not be written.");
  get(
      "origin", [](const Tensor& t) { return origin_name(t.origin); },
      "Whose memory it is: 'native', 'numpy' or 'torch'.");
  get(
      "T",
      [](const Tensor& t) {
        Dims order;
        for (std::int64_t d = t.dim(); d-- > 0;) order.push_back(d);
        return t.permute(order);
      },
      "A view with the dimensions in reverse order.");
  cls.def(
      "numel", [](const PyTensor& t) { return t.tensor.numel(); },
      "The number of elements.");
  cls.def(
      "size",
      [](const PyTensor& t, std::optional<std::int64_t> dim) -> py::object {
        if (!dim) return tuple_of(t.tensor.shape());
        return py::int_(t.tensor.size(*dim));
      },
      py::arg("dim") = py::none(), "The shape, or the size of one dimension.");
  cls.def(
      "is_contiguous", [](const PyTensor& t) { return t.tensor.contiguous(); },
      "Whether the elements lie in row-major order without gaps.");
}

void def_views(TensorClass& cls) {
  cls.def(
      "reshape",
      [](const PyTensor& t, const py::args& shape) {
        return t.tensor.reshape(dims_of_args(shape, "Tensor.reshape"));
      },
      "Another shape of as many elements; one -1 is worked out. A view "
      "where the strides allow one, else a copy.\n\n"
      ">>> pt.Tensor([1, 2, 3, 4]).reshape(2, -1)\n"
      "Tensor([[1, 2],\n        [3, 4]])");
  cls.def(
      "permute",
      [](const PyTensor& t, const py::args& dims) {
        return t.tensor.permute(dims_of_args(dims, "Tensor.permute"));
      },
      "A view with the dimensions in the order given.");
  cls.def(
      "broadcast_to",
      [](const PyTensor& t, const py::args& shape) {
        return t.tensor.broadcast_to(
            dims_of_args(shape, "Tensor.broadcast_to"));
      },
      "A view that repeats dimensions of size 1 (stride 0).");
  cls.def(
      "transpose",
      [](const PyTensor& t, std::int64_t a, std::int64_t b) {
        return t.tensor.transpose(a, b);
      },
      py::arg("dim0"), py::arg("dim1"),
      "A view with two dimensions exchanged.");
  cls.def(
      "flatten",
      [](const PyTensor& t, std::int64_t start) {
        return t.tensor.flatten(start);
      },
      py::arg("start_dim") = 0, "Dimensions from start_dim on as one.");
  cls.def(
      "squeeze",
      [](const PyTensor& t, std::optional<std::int64_t> dim) {
        if (dim) return t.tensor.squeeze(*dim);
        Tensor out = t.tensor;
        for (std::int64_t d = out.dim(); d-- > 0;) out = out.squeeze(d);
        return out;
      },
      py::arg("dim") = py::none(),
      "A view without the dimension, or all those, of size 1.");
  cls.def(
      "unsqueeze",
      [](const PyTensor& t, std::int64_t dim) {
        return t.tensor.unsqueeze(dim);
      },
      py::arg("dim"), "A view with a new dimension of size 1.");
  cls.def(
      "select",
      [](const PyTensor& t, std::int64_t dim, std::int64_t index) {
        return t.tensor.select(dim, index);
      },
      py::arg("dim"), py::arg("index"),
      "A view of one position of a dimension, without the dimension.");
}

void def_conversions(TensorClass& cls) {
  cls.def(
      "item", [](const PyTensor& t) { return item(t.tensor); },
      "The one element as a Python number.");
  cls.def(
      "tolist", [](const PyTensor& t) { return to_list(t.tensor); },
      "Nested lists of Python numbers; a number without dimensions.");
  cls.def(
      "clone",
      [](const PyTensor& t) {
        return compute(t.tensor.numel(), [&] {
          Tensor out = t.tensor.clone();
          out.origin = Origin::kNative;
          return out;
        });
      },
      "A copy in memory of its own.");
  cls.def(
      "to",
      [](py::object self, DType dtype) -> py::object {
        const Tensor& t = self.cast<PyTensor&>().tensor;
        if (t.dtype() == dtype) return self;
        Tensor out = compute(t.numel(), [&] { return cast(t, dtype); });
        out.origin = Origin::kNative;
        return py::cast(out);
      },
      py::arg("dtype"),
      "The elements as another type; itself when it has that type.\n\n"
      ">>> pt.Tensor([0.5, 2.5]).to('i32')\n"
      "Tensor([0, 2], dtype='i32')");
  cls.def("__bool__", [](const PyTensor& t) { return truth(t.tensor); });
  cls.def("__float__",
          [](const PyTensor& t) { return py::float_(item(t.tensor)); });
  cls.def("__int__",
          [](const PyTensor& t) { return py::int_(item(t.tensor)); });
  cls.def("__complex__", [](const PyTensor& t) {
    return py::cast<std::complex<double>>(item(t.tensor));
  });
  cls.def("__index__", [](const PyTensor& t) {
    if (t.tensor.dim() != 0 || !is_integer(t.tensor.dtype()))
      fail(Kind::kType, "Tensor", "only an integer without dimensions is an ",
           "index; this is ", name(t.tensor.dtype()), " of shape ",
           t.tensor.shape_str());
    return item(t.tensor);
  });
  cls.def("__format__", [](py::object self, const std::string& spec) {
    const Tensor& t = self.cast<PyTensor&>().tensor;
    if (t.dim() != 0 || spec.empty())
      return py::str(self).attr("__format__")(spec);
    return item(t).attr("__format__")(spec);
  });
}

void def_container(TensorClass& cls) {
  cls.def("__len__", [](const PyTensor& t) { return length(t.tensor); });
  cls.def("__iter__", [](py::object self) {
    length(self.cast<PyTensor&>().tensor);
    PyObject* iterator = PySeqIter_New(self.ptr());
    if (!iterator) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(iterator);
  });
  cls.def(
      "__getitem__",
      [](const PyTensor& t, py::object key) { return get_item(t.tensor, key); },
      py::arg("key"),
      "A view, by integers, slices with a positive step, None and `...`; "
      "a copy of rows by one array or list of integers.");
  cls.def(
      "__setitem__",
      [](const PyTensor& t, py::object key, py::object value) {
        set_item(t.tensor, key, value);
      },
      py::arg("key"), py::arg("value"));
  cls.def("__contains__", [](const PyTensor& t, py::object value) {
    auto other = operand(t.tensor, value);
    return other && any(eq(t.tensor, *other)).item<bool>();
  });
  cls.def("__repr__", [](const PyTensor& t) { return repr(t.tensor); });
}

}  // namespace

Dims dims_of(py::handle object, std::string_view where) {
  auto one = [&](py::handle each) {
    if (!PyIndex_Check(each.ptr()) || PyBool_Check(each.ptr()))
      fail(Kind::kType, where, "sizes and dimensions are ints, not ",
           std::string(py::repr(each)).substr(0, 60));
    Py_ssize_t n = PyNumber_AsSsize_t(each.ptr(), PyExc_OverflowError);
    if (n == -1 && PyErr_Occurred()) throw py::error_already_set();
    return static_cast<std::int64_t>(n);
  };
  bool sequence = PyTuple_Check(object.ptr()) || PyList_Check(object.ptr());
  if (!sequence) return {one(object)};
  Dims out;
  for (py::handle each : py::reinterpret_borrow<py::sequence>(object))
    out.push_back(one(each));
  return out;
}

Dims dims_of_args(const py::args& args, std::string_view where) {
  if (args.size() == 1) return dims_of(args[0], where);
  return dims_of(args, where);
}

void def_tensor(py::module_& m) {
  TensorClass cls(m, "Tensor", py::buffer_protocol(),
                  "A typed, strided view on shared memory.\n\n"
                  "Made from numbers and nested lists (fresh memory), or from "
                  "NumPy arrays, torch tensors (detached) and whatever offers "
                  "DLPack or the buffer protocol (shared memory, unless "
                  "``copy`` or another ``dtype`` is asked for). Arithmetic "
                  "broadcasts and promotes as torch's does.\n\n"
                  ">>> pt.Tensor([[1, 2], [3, 4]], dtype='f32') @ [1., 1.]\n"
                  "Tensor([3., 7.])");
  cls.attr("__module__") = "ptutils";
  cls.def(py::init(&make_tensor), py::arg("data"), py::kw_only(),
          py::arg("dtype") = py::none(), py::arg("copy") = false);
  def_attributes(cls);
  def_views(cls);
  def_conversions(cls);
  def_container(cls);
  def_operators(cls);
  def_methods(cls);
  def_exchange(m, cls);
  def_creation(m);
  def_functions(m);
  def_random(m);
  m.def(
      "isa_level", [] { return std::string(isa_level()); },
      "The instruction set of the kernels in use: 'generic', 'v2', 'v3' or "
      "'v4'. PTUTILS_ISA chooses another.");
}

}  // namespace ptutils::bindings
