#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "casters/tensor.h"
#include "data.h"

/// What the bindings of samplers and batch samplers share.
namespace ptutils::bindings {
namespace py = pybind11;

/// Whatever gives indices, as an i64 tensor of our own.
Tensor indices_in(py::handle given, const std::string& where);
/// A list or an array of numbers as an f64 tensor of our own.
Tensor floats_in(py::handle given, const std::string& where);
/// Kind::kType for what is not to be iterated, or once only.
void check_iterable(py::handle object, std::string_view where, const char* name,
                    const char* ours, const char* of);

/// Batches as Python's lists of indices.
py::list lists_of(const data::Batches& batches);

void def_batch_samplers(py::module_& m);

/// A wrapped sampler's class, for errors: a list's alone would say little.
std::string sampler_name(PyObject* object);

}  // namespace ptutils::bindings
