#pragma once

#include <pybind11/pybind11.h>

#include <optional>
#include <string>

#include "casters/tensor.h"

/// The parts of the tensor area; tensor.cpp's def_tensor calls them.
namespace ptutils::bindings {
namespace py = pybind11;

using TensorClass = py::class_<PyTensor>;

/// From here on (elements) a computation gives up the GIL.
inline constexpr std::int64_t kLongWork = 1 << 15;

/// f(), without the GIL when it is long. `f` must not touch Python.
template <class F>
auto compute(std::int64_t elements, F&& f) {
  if (elements < kLongWork) return f();
  py::gil_scoped_release release;
  return f();
}

/// A shape, or dimensions: an int or a sequence of ints.
Dims dims_of(py::handle object, std::string_view where);
/// `*shape`: ints, or one sequence of them.
Dims dims_of_args(const py::args& args, std::string_view where);

/// tensor[key]: a view; a copy where an integer array is the index.
Tensor get_item(const Tensor& tensor, py::handle key);
/// tensor[key] = value.
void set_item(const Tensor& tensor, py::handle key, py::handle value);

/// As torch prints it, shortened above 1000 elements.
std::string repr(const Tensor& tensor);

/// The second operand beside `tensor`: a tensor or array, or a Python number
/// (which promotes across categories only). Empty: not an operand.
std::optional<Tensor> operand(const Tensor& tensor, py::handle other);

void def_operators(TensorClass& cls);
void def_exchange(py::module_& m, TensorClass& cls);
void def_methods(TensorClass& cls);  // reductions, elementwise functions
void def_functions(py::module_& m);  // the same as free functions
void def_creation(py::module_& m);   // zeros, arange, …
void def_random(py::module_& m);

}  // namespace ptutils::bindings
