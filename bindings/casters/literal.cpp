#include "casters/literal.h"

#include <pybind11/complex.h>

#include <cmath>
#include <complex>
#include <cstring>
#include <limits>

#include "casters/tensor.h"
#include "ptutils/common/names.h"
#include "ptutils/tensor/ops.h"

namespace ptutils::bindings {

namespace {

constexpr std::size_t kMaxListDepth = 64;

/// bool 0, int 1, float 2, complex 3; -1 for another object.
int number_category(PyObject* o) {
  if (PyBool_Check(o)) return 0;
  if (PyLong_Check(o)) return 1;
  if (PyFloat_Check(o)) return 2;
  return PyComplex_Check(o) ? 3 : -1;
}

std::string place(const Dims& at) {
  std::string out;
  for (std::int64_t index : at) out += str("[", index, "]");
  return out.empty() ? out : " at " + out;
}

[[noreturn]] void misfit(py::handle leaf, DType dtype, std::string_view where) {
  fail(Kind::kValue, where, std::string(py::repr(leaf)).substr(0, 80),
       " does not fit into ", name(dtype));
}

template <class T>
T integer_of(PyObject* o, std::string_view where) {
  if (PyFloat_Check(o)) {  // cut off, as NumPy and torch do
    double value = std::trunc(PyFloat_AS_DOUBLE(o));
    double limit = std::ldexp(1.0, std::numeric_limits<T>::digits);
    double low = std::is_signed_v<T> ? -limit : 0;
    if (!(value >= low && value < limit)) misfit(o, dtype_of<T>, where);
    return static_cast<T>(value);
  }
  if constexpr (std::is_same_v<T, std::uint64_t>) {
    auto value = PyLong_AsUnsignedLongLong(o);
    if (PyErr_Occurred()) {
      PyErr_Clear();
      misfit(o, dtype_of<T>, where);
    }
    return value;
  } else {
    int overflow = 0;
    long long value = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow || value < std::numeric_limits<T>::min() ||
        value > static_cast<long long>(std::numeric_limits<T>::max()))
      misfit(o, dtype_of<T>, where);
    return static_cast<T>(value);
  }
}

double double_of(PyObject* o) {
  double value = PyFloat_AsDouble(o);
  if (value == -1 && PyErr_Occurred()) throw py::error_already_set();
  return value;
}

template <class T>
T number_of(PyObject* o, std::string_view where) {
  if constexpr (std::is_same_v<T, bool>) {
    return PyObject_IsTrue(o) == 1;
  } else if constexpr (std::is_same_v<T, std::complex<float>> ||
                       std::is_same_v<T, std::complex<double>>) {
    Py_complex c = PyComplex_AsCComplex(o);
    if (PyErr_Occurred()) throw py::error_already_set();
    using Part = typename T::value_type;
    return {static_cast<Part>(c.real), static_cast<Part>(c.imag)};
  } else {
    if (PyComplex_Check(o))
      fail(Kind::kType, where, "the complex number ", std::string(py::repr(o)),
           " has no place in a tensor of ", name(dtype_of<T>));
    if constexpr (std::is_integral_v<T>)
      return integer_of<T>(o, where);
    else if constexpr (std::is_same_v<T, double>)
      return double_of(o);
    else
      return T(static_cast<float>(double_of(o)));
  }
}

/// Walks nested lists: their shape and, in order, what they hold.
class Lists {
 public:
  Lists(py::handle object, std::string_view where) : where_(where) {
    walk(object, 0);
  }

  Tensor build(std::optional<DType> dtype) const {
    if (tensors_) {
      Tensor out = stacked();
      return dtype && *dtype != out.dtype() ? cast(out, *dtype) : out;
    }
    static const DType defaults[] = {DType::kBool, DType::kI64, DType::kF32,
                                     DType::kC64};
    DType type = dtype             ? *dtype
                 : leaves_.empty() ? DType::kF32
                                   : defaults[category_];
    Tensor out = Tensor::empty(shape_, type);
    dispatch(type, [&]<class T>() {
      T* at = out.data<T>();
      for (const py::object& leaf : leaves_)
        *at++ = number_of<T>(leaf.ptr(), where_);
    });
    return out;
  }

 private:
  void walk(py::handle object, std::size_t depth) {
    PyObject* o = object.ptr();
    if (!PyList_Check(o) && !PyTuple_Check(o)) return leaf(object, depth);
    auto n = static_cast<std::int64_t>(PySequence_Fast_GET_SIZE(o));
    if (!known_) {
      if (depth >= kMaxListDepth)
        fail(Kind::kValue, where_, "lists nested deeper than ", kMaxListDepth,
             ": does one contain itself?");
      shape_.push_back(n);
    } else if (depth >= shape_.size() || shape_[depth] != n) {
      ragged(str("a list of ", n), depth);
    }
    for (std::int64_t i = 0; i < n; ++i) {
      at_.push_back(i);
      // Read anew each time: converting an item may run Python code.
      if (i >= PySequence_Fast_GET_SIZE(o)) ragged("a list that shrank", depth);
      walk(PySequence_Fast_GET_ITEM(o, i), depth + 1);
      at_.pop_back();
    }
    known_ = true;
  }

  void leaf(py::handle object, std::size_t depth) {
    if (known_ && depth != shape_.size()) ragged("a number", depth);
    known_ = true;
    std::string why;
    int category = number_category(object.ptr());
    if (tensor_from(object, why)) {
      tensors_ = true;
    } else if (category < 0) {
      fail(Kind::kType, where_, "a ", Py_TYPE(object.ptr())->tp_name,
           place(at_), why.empty() ? " is not a number" : ": ", why);
    }
    category_ = std::max(category_, category);
    leaves_.push_back(py::reinterpret_borrow<py::object>(object));
  }

  [[noreturn]] void ragged(std::string_view what, std::size_t depth) const {
    fail(Kind::kValue, where_, "ragged lists: ", what, place(at_),
         depth < shape_.size()
             ? str(" where the first one has ", shape_[depth])
             : std::string(" where the first one has a number"));
  }

  Tensor stacked() const {
    std::vector<Tensor> parts;
    for (const py::object& leaf : leaves_) {
      std::string why;
      auto tensor = tensor_from(leaf, why);
      parts.push_back(tensor ? *tensor : tensor_of(leaf, {}, where_));
    }
    Tensor rows = stack(parts, 0);
    Dims shape = shape_;
    shape.insert(shape.end(), rows.shape().begin() + 1, rows.shape().end());
    return rows.reshape(shape);
  }

  std::string_view where_;
  Dims shape_, at_;
  bool known_ = false, tensors_ = false;
  int category_ = 0;
  std::vector<py::object> leaves_;
};

}  // namespace

bool is_number(py::handle object) {
  if (number_category(object.ptr()) < 0) return false;
  // np.float64 is a float, np.complex128 a complex.
  std::string_view type = Py_TYPE(object.ptr())->tp_name;
  return !type.starts_with("numpy.");
}

Tensor tensor_of(py::handle object, std::optional<DType> dtype,
                 std::string_view where) {
  return Lists(object, where).build(dtype);
}

py::object element_to(const std::byte* element, DType dtype) {
  return dispatch(dtype, [&]<class T>() -> py::object {
    T value;
    std::memcpy(&value, element, sizeof value);
    if constexpr (std::is_same_v<T, bool>)
      return py::bool_(value);
    else if constexpr (std::is_integral_v<T>)
      return py::int_(value);
    else if constexpr (std::is_same_v<T, std::complex<float>> ||
                       std::is_same_v<T, std::complex<double>>)
      return py::cast(std::complex<double>(value));
    else if constexpr (std::is_floating_point_v<T>)
      return py::float_(static_cast<double>(value));
    else
      return py::float_(static_cast<double>(static_cast<float>(value)));
  });
}

std::optional<DType> dtype_from(py::handle object) {
  PyObject* o = object.ptr();
  if (o == reinterpret_cast<PyObject*>(&PyBool_Type)) return DType::kBool;
  if (o == reinterpret_cast<PyObject*>(&PyLong_Type)) return DType::kI64;
  if (o == reinterpret_cast<PyObject*>(&PyFloat_Type)) return DType::kF64;
  if (o == reinterpret_cast<PyObject*>(&PyComplex_Type)) return DType::kC128;
  std::string text;
  if (PyUnicode_Check(o)) {
    text = py::str(object);
  } else {
    std::string_view type = Py_TYPE(o)->tp_name;
    bool of_numpy = type.starts_with("numpy.dtype");
    if (of_numpy || type == "torch.dtype") {
      text = py::str(object);
    } else if (PyType_Check(o) &&
               std::string(py::str(object.attr("__module__"))) == "numpy") {
      text = py::str(object.attr("__name__"));  // np.float32
    } else {
      return std::nullopt;
    }
  }
  if (auto dtype = parse_dtype(text)) return dtype;
  std::vector<std::string> known;
  for (int i = 0; i < kDTypeCount; ++i)
    known.emplace_back(name(static_cast<DType>(i)));
  fail(Kind::kValue, "dtype", "there is no dtype '", text, "'",
       did_you_mean(text, known));
}

}  // namespace ptutils::bindings
