#include <pybind11/complex.h>
#include <pybind11/stl.h>

#include "casters/literal.h"
#include "ptutils/tensor/ops.h"
#include "tensor.h"

// Operators of ptutils.Tensor.

namespace ptutils::bindings {

namespace {

using Binary = Tensor (*)(const Tensor&, const Tensor&);

Tensor run(Binary op, const Tensor& a, const Tensor& b) {
  return compute(std::max(a.numel(), b.numel()), [&] { return op(a, b); });
}

py::object not_implemented() {
  return py::reinterpret_borrow<py::object>(Py_NotImplemented);
}

Tensor integer_operand(const Tensor& t, py::handle number) {
  int overflow = 0;
  long long value = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  if (!overflow) return scalar_like(t, static_cast<std::int64_t>(value));
  if (is_floating(t.dtype()) || is_complex(t.dtype()))
    return scalar_like(t, py::cast<double>(py::float_(
                              py::reinterpret_borrow<py::object>(number))));
  return tensor_of(number, DType::kU64, "Tensor");
}

/// Whether an integer is one of the dtype's; -1 below, 1 above.
int beyond(py::handle number, DType dtype) {
  if (!is_integer(dtype)) return 0;
  int overflow = 0;
  long long value = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  auto bits = static_cast<int>(item_size(dtype)) * 8;
  if (is_signed(dtype)) {
    if (overflow || bits == 64) return overflow;
    long long top = 1LL << (bits - 1);
    return value < -top ? -1 : value >= top ? 1 : 0;
  }
  if (overflow < 0 || (!overflow && value < 0)) return -1;
  if (bits < 64) return overflow > 0 || value >= (1LL << bits) ? 1 : 0;
  if (!overflow) return 0;
  PyLong_AsUnsignedLongLong(number.ptr());
  bool above = PyErr_Occurred() != nullptr;
  PyErr_Clear();
  return above ? 1 : 0;
}

struct Comparison {
  const char* name;
  Binary op;
  bool below, above;  // the answer for a number under / over all of the dtype
};

py::object compare(const Comparison& how, const Tensor& a, py::handle other) {
  if (PyLong_Check(other.ptr()) && !PyBool_Check(other.ptr())) {
    // torch wraps the number and answers for another one.
    int side = beyond(other, a.dtype());
    if (side)
      return py::cast(Tensor::full(a.shape(), side < 0 ? how.below : how.above,
                                   DType::kBool));
  }
  auto b = operand(a, other);
  return b ? py::cast(run(how.op, a, *b)) : not_implemented();
}

int category(DType dtype) {
  if (is_complex(dtype)) return 3;
  if (is_floating(dtype)) return 2;
  return is_integer(dtype) ? 1 : 0;
}

/// self = op(self, other), in self's memory and dtype.
py::object in_place(const char* name, Binary op, py::object self,
                    py::handle other) {
  const Tensor a = self.cast<PyTensor&>().tensor;
  auto b = operand(a, other);
  if (!b) return not_implemented();
  if (a.read_only())
    fail(Kind::kValue, name, "the memory is read-only: clone() the tensor");
  bool sum = op == static_cast<Binary>(add) || op == static_cast<Binary>(sub);
  if (sum && is_floating(a.dtype()) && b->dtype() == a.dtype() &&
      broadcast_shapes(a.shape(), b->shape()) == a.shape()) {
    compute(a.numel(), [&] {
      add_(a, *b, op == static_cast<Binary>(add) ? 1 : -1);
      return true;
    });
    return self;
  }
  Tensor result = run(op, a, *b);
  if (category(result.dtype()) > category(a.dtype()))
    fail(Kind::kType, name, "the result is ", ptutils::name(result.dtype()),
         ", which does not fit into ", ptutils::name(a.dtype()), " in place");
  if (result.shape() != a.shape())
    fail(Kind::kValue, name, "the result has shape ", result.shape_str(),
         ", which does not fit into ", a.shape_str(), " in place");
  a.copy_from(result.dtype() == a.dtype() ? result : cast(result, a.dtype()));
  return self;
}

struct Arithmetic {
  const char* name;  // of the method: __<name>__
  Binary op;
};
const Arithmetic kArithmetic[] = {
    {"add", add},     {"sub", sub},       {"mul", mul},
    {"truediv", div}, {"mod", remainder}, {"floordiv", floor_div},
    {"pow", pow},
};
const Comparison kComparisonOperators[] = {
    {"__eq__", eq, false, false}, {"__ne__", ne, true, true},
    {"__lt__", lt, false, true},  {"__le__", le, false, true},
    {"__gt__", gt, true, false},  {"__ge__", ge, true, false},
};

void def_arithmetic(TensorClass& cls, const Arithmetic& row) {
  Binary op = row.op;
  std::string name = row.name;
  cls.def(("__" + name + "__").c_str(),
          [op](const PyTensor& a, py::object other) {
            auto b = operand(a.tensor, other);
            return b ? py::cast(run(op, a.tensor, *b)) : not_implemented();
          },
          py::arg("other"));
  cls.def(("__r" + name + "__").c_str(),
          [op](const PyTensor& b, py::object other) {
            auto a = operand(b.tensor, other);
            return a ? py::cast(run(op, *a, b.tensor)) : not_implemented();
          },
          py::arg("other"));
  std::string in_place_name = "__i" + name + "__";
  const char* where = row.name;
  cls.def(
      in_place_name.c_str(),
      [op, where](py::object self, py::object other) {
        return in_place(where, op, self, other);
      },
      py::arg("other"));
}

Tensor only_bool(const Tensor& t, std::string_view where) {
  if (t.dtype() != DType::kBool)
    fail(Kind::kType, where, "is for bool tensors, not ", name(t.dtype()));
  return t;
}

void def_logic(TensorClass& cls) {
  auto def = [&](const char* name, const char* reflected, Binary op) {
    auto call = [op, name](const PyTensor& a, py::object other) {
      auto b = operand(a.tensor, other);
      if (!b) return not_implemented();
      return py::cast(run(op, only_bool(a.tensor, name), only_bool(*b, name)));
    };
    cls.def(name, call, py::arg("other"));
    cls.def(reflected, call, py::arg("other"));
  };
  def("__and__", "__rand__", logical_and);
  def("__or__", "__ror__", logical_or);
  def("__xor__", "__rxor__", ne);
  cls.def("__invert__", [](const PyTensor& a) {
    return logical_not(only_bool(a.tensor, "__invert__"));
  });
}

std::int64_t matmul_work(const Tensor& a, const Tensor& b) {
  std::int64_t inner = a.dim() ? a.size(-1) : 1;
  return b.numel() * (inner ? a.numel() / inner : 0);
}

py::object matmul_with(const Tensor& self, py::handle other, bool reflected) {
  std::string why;
  py::object list = py::reinterpret_borrow<py::object>(other);
  std::optional<Tensor> b;
  if (PyList_Check(other.ptr()))
    b = tensor_of(other, {}, "matmul");
  else
    b = tensor_from(other, why);
  if (!b) return not_implemented();
  const Tensor& x = reflected ? *b : self;
  const Tensor& y = reflected ? self : *b;
  return py::cast(compute(matmul_work(x, y), [&] { return matmul(x, y); }));
}

}  // namespace

std::optional<Tensor> operand(const Tensor& tensor, py::handle other) {
  if (is_number(other)) {
    PyObject* o = other.ptr();
    if (PyBool_Check(o)) return Tensor::scalar_of(o == Py_True);
    if (PyLong_Check(o)) return integer_operand(tensor, other);
    if (PyFloat_Check(o)) return scalar_like(tensor, PyFloat_AS_DOUBLE(o));
    return scalar_like(tensor, py::cast<std::complex<double>>(
                                   py::reinterpret_borrow<py::object>(other)));
  }
  std::string why;
  auto out = tensor_from(other, why);
  if (!out && !why.empty()) fail(Kind::kType, "Tensor", why);
  return out;
}

void def_operators(TensorClass& cls) {
  for (const Arithmetic& row : kArithmetic) def_arithmetic(cls, row);
  for (const Comparison& row : kComparisonOperators)
    cls.def(
        row.name,
        [&row](const PyTensor& a, py::object other) {
          return compare(row, a.tensor, other);
        },
        py::arg("other"));
  // Equal elements do not make one object: it is hashed by identity.
  cls.attr("__hash__") =
      py::module_::import("builtins").attr("object").attr("__hash__");
  def_logic(cls);
  cls.def(
      "__matmul__",
      [](const PyTensor& a, py::object other) {
        return matmul_with(a.tensor, other, false);
      },
      py::arg("other"));
  cls.def(
      "__rmatmul__",
      [](const PyTensor& b, py::object other) {
        return matmul_with(b.tensor, other, true);
      },
      py::arg("other"));
  cls.def("__neg__", [](const PyTensor& a) {
    return compute(a.tensor.numel(), [&] { return neg(a.tensor); });
  });
  cls.def("__pos__", [](const PyTensor& a) { return a.tensor; });
  cls.def("__abs__", [](const PyTensor& a) {
    return compute(a.tensor.numel(), [&] { return abs(a.tensor); });
  });
  // NumPy's arrays leave the operators to us (array + Tensor is a Tensor).
  cls.attr("__array_priority__") = 1000;
}

}  // namespace ptutils::bindings
