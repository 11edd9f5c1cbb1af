#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "ptutils/module/module.h"

// The Python attributes of a Module: its instance's __dict__ and the __slots__
// of its classes; of one that is a torch.nn.Module too, what torch keeps in
// _parameters, _buffers and _modules.

namespace ptutils::bindings {
namespace py = pybind11;

/// As fields, in order. A name that begins with '_' is one only where Meta
/// includes it.
void visit_attributes(PyObject* self, const Meta& meta, Fields& f);
/// All of them, for a pickle: the __dict__ itself, or a copy that has the slots
/// besides.
py::dict attributes_of(py::handle self);
/// Puts them back.
void set_attributes(py::handle self, const py::dict& attributes);
/// A list, tuple or dict with a child in it, at any depth up to 8.
bool holds_child(py::handle object, int depth = 0);

/// What pickle and copy make again: the class's constructor with these keyword
/// arguments, then __dict__, then (when not None) _set_extra_state(extra).
py::tuple reduced(py::handle self, const py::dict& arguments,
                  const py::object& extra = py::none());

}  // namespace ptutils::bindings
