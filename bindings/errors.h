#pragma once

#include <pybind11/pybind11.h>

#include "ptutils/common/error.h"

namespace ptutils::bindings {
namespace py = pybind11;

/// The Python class of a kind (borrowed).
PyObject* error_class(Kind kind);
/// The kind of a Python exception that travels through the core, so that it
/// keeps its meaning there.
Kind kind_of(const py::error_already_set& error);

}  // namespace ptutils::bindings
