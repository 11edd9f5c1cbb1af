#include <pybind11/stl.h>

#include <cmath>

#include "casters/literal.h"
#include "ptutils/tensor/ops.h"
#include "tensor.h"

// Fresh tensors: zeros, ones, full, empty, arange.

namespace ptutils::bindings {

namespace {

Tensor full_of(py::object shape, py::object value, std::optional<DType> dtype) {
  Tensor one = tensor_of(value, dtype, "full");
  if (one.dim() != 0)
    fail(Kind::kType, "full", "the value is one number, not ",
         std::string(py::repr(value)).substr(0, 60));
  return one.broadcast_to(dims_of(shape, "full")).clone();
}

/// start + i * step for i < (stop - start) / step, rounded up.
Tensor range_of(py::object start, py::object stop, py::object step,
                std::optional<DType> dtype) {
  if (stop.is_none()) {
    stop = start;
    start = py::int_(0);
  }
  for (const py::object& each : {start, stop, step})
    if (!is_number(each) || PyComplex_Check(each.ptr()))
      fail(Kind::kType, "arange", "bounds and step are real numbers, not ",
           std::string(py::repr(each)).substr(0, 60));
  bool whole = PyLong_Check(start.ptr()) && PyLong_Check(stop.ptr()) &&
               PyLong_Check(step.ptr());
  if (!step.attr("__bool__")().cast<bool>())
    fail(Kind::kValue, "arange", "the step is 0");
  if (whole) {
    py::object numbers =
        py::module_::import("builtins").attr("range")(start, stop, step);
    auto n = py::cast<std::int64_t>(numbers.attr("__len__")());
    Tensor out = arange(n);
    out = mul(out, Tensor::scalar_of(py::cast<std::int64_t>(step)));
    out = add(out, Tensor::scalar_of(py::cast<std::int64_t>(start)));
    return dtype ? cast(out, *dtype) : out;
  }
  auto from = py::cast<double>(start), by = py::cast<double>(step);
  double n = std::ceil((py::cast<double>(stop) - from) / by);
  if (!(n < 0x1p62)) fail(Kind::kValue, "arange", n, " elements are too many");
  Tensor out = arange(std::max<std::int64_t>(0, static_cast<std::int64_t>(n)),
                      DType::kF64);
  out = add(mul(out, Tensor::scalar_of(by)), Tensor::scalar_of(from));
  return cast(out, dtype.value_or(DType::kF32));
}

}  // namespace

void def_creation(py::module_& m) {
  m.def(
      "zeros",
      [](py::object shape, DType dtype) {
        return Tensor::zeros(dims_of(shape, "zeros"), dtype);
      },
      py::arg("shape"), py::arg("dtype") = DType::kF32,
      ">>> pt.ops.zeros((1, 2))\nTensor([[0., 0.]])");
  m.def(
      "ones",
      [](py::object shape, DType dtype) {
        return Tensor::full(dims_of(shape, "ones"), 1, dtype);
      },
      py::arg("shape"), py::arg("dtype") = DType::kF32,
      ">>> pt.ops.ones(2, dtype='u8')\nTensor([1, 1], dtype='u8')");
  m.def("full", &full_of, py::arg("shape"), py::arg("fill_value"),
        py::arg("dtype") = py::none(),
        "One value everywhere; without dtype that of the value.\n\n"
        ">>> pt.ops.full(2, 7)\nTensor([7, 7])");
  m.def(
      "empty",
      [](py::object shape, DType dtype) {
        return Tensor::empty(dims_of(shape, "empty"), dtype);
      },
      py::arg("shape"), py::arg("dtype") = DType::kF32,
      "Memory that holds anything.\n\n"
      ">>> pt.ops.empty((3, 0)).shape\n(3, 0)");
  m.def("arange", &range_of, py::arg("start"), py::arg("stop") = py::none(),
        py::arg("step") = 1, py::arg("dtype") = py::none(),
        "Numbers from start (0) up to, without, stop. i64 for integers, else "
        "f32.\n\n>>> pt.ops.arange(3)\nTensor([0, 1, 2])\n"
        ">>> pt.ops.arange(0, 1, 0.25)\n"
        "Tensor([0.0000, 0.2500, 0.5000, 0.7500])");
}

}  // namespace ptutils::bindings
