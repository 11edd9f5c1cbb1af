#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <optional>

#include "ptutils/module/value.h"

namespace ptutils::bindings {
namespace py = pybind11;

/// A ptutils.nn.Variable as a Value (Opaque); empty for other objects.
std::optional<Value> variable_from(py::handle object);
/// The Variable's Python object; empty when the opaque is something else.
std::optional<py::object> variable_to(const std::shared_ptr<Opaque>& opaque);

}  // namespace ptutils::bindings
