#include "areas.h"

// pybind11 refuses a call with a list of signatures. Its functions all go
// through one C function; ours stands before it, and looks only at a failure.

namespace ptutils::bindings {

namespace {

using Fast = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);
using Slow = PyObject* (*)(PyObject*, PyObject*, PyObject*);

PyCFunction dispatcher = nullptr;  // pybind11's, one for all functions

/// The error that pybind11 set, explained; one from further in stays.
void explain(const py::object& error, py::handle owner, const py::tuple& args,
             const py::dict& kwargs) {
  std::string text = py::str(error);
  auto open = text.find("(): incompatible ");
  if (open == std::string::npos || open > text.find_first_of(" \n")) return;
  py::object better = py::module_::import("ptutils.arguments")
                          .attr("explain")(text, owner, args, kwargs);
  PyErr_SetObject(py::type::of(better).ptr(), better.ptr());
  throw py::error_already_set();
}

/// Text that std::string cannot hold. What Python code raises has a trace.
void explain_text(const py::error_already_set& error, py::handle owner,
                  const py::tuple& args) {
  if (error.trace()) return;
  py::object better = py::module_::import("ptutils.arguments")
                          .attr("not_utf8")(error.value(), owner, args);
  PyErr_SetObject(py::type::of(better).ptr(), better.ptr());
  throw py::error_already_set();
}

/// Replaces the error that is set where `arguments` can be explained.
template <class F>
PyObject* failed(py::handle owner, F&& arguments) {
  PyObject* set = PyErr_Occurred();
  if (set != PyExc_TypeError && set != PyExc_UnicodeEncodeError) return nullptr;
  py::error_already_set error;
  try {
    auto [args, kwargs] = arguments();
    if (set == PyExc_TypeError)
      explain(error.value(), owner, args, kwargs);
    else
      explain_text(error, owner, args);
    error.restore();
  } catch (py::error_already_set& better) {
    better.restore();
  }
  return nullptr;
}

PyObject* call_fast(PyObject* self, PyObject* const* args, Py_ssize_t n,
                    PyObject* names) {
  PyObject* out = reinterpret_cast<Fast>(
      reinterpret_cast<void (*)()>(dispatcher))(self, args, n, names);
  if (out) return out;
  return failed(self, [&] {
    Py_ssize_t count = PyVectorcall_NARGS(static_cast<std::size_t>(n));
    py::tuple positional(count);
    for (Py_ssize_t i = 0; i < count; ++i) positional[i] = py::handle(args[i]);
    py::dict named;
    for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); ++i)
      named[py::handle(PyTuple_GET_ITEM(names, i))] =
          py::handle(args[count + i]);
    return std::pair(positional, named);
  });
}

PyObject* call_slow(PyObject* self, PyObject* args, PyObject* kwargs) {
  PyObject* out = reinterpret_cast<Slow>(
      reinterpret_cast<void (*)()>(dispatcher))(self, args, kwargs);
  if (out) return out;
  return failed(self, [&] {
    return std::pair(
        py::reinterpret_borrow<py::tuple>(args),
        kwargs ? py::reinterpret_borrow<py::dict>(kwargs) : py::dict());
  });
}

void stand_before(py::handle function) {
  PyObject* f = function.ptr();
  if (f && PyInstanceMethod_Check(f)) f = PyInstanceMethod_GET_FUNCTION(f);
  if (!f || !PyCFunction_Check(f)) return;
  PyMethodDef* def = reinterpret_cast<PyCFunctionObject*>(f)->m_ml;
  if (def->ml_meth != dispatcher) return;
  // pybind11 < 3.1 has no fast calls.
  bool fast = (def->ml_flags & METH_FASTCALL) != 0;
  def->ml_meth = reinterpret_cast<PyCFunction>(
      fast ? reinterpret_cast<void (*)()>(call_fast)
           : reinterpret_cast<void (*)()>(call_slow));
}

void stand_before_attribute(py::handle attribute) {
  if (PyObject_TypeCheck(attribute.ptr(), &PyProperty_Type)) {
    for (const char* part : {"fget", "fset"})
      stand_before(py::object(attribute.attr(part)));
    return;
  }
  if (PyObject_TypeCheck(attribute.ptr(), &PyStaticMethod_Type))
    return stand_before(py::object(attribute.attr("__func__")));
  stand_before(attribute);
}

}  // namespace

void explain_calls(py::module_& m) {
  py::object any = m.attr("_did_you_mean");
  dispatcher = reinterpret_cast<PyCFunctionObject*>(any.ptr())->m_ml->ml_meth;
  for (auto [name, item] : py::dict(m.attr("__dict__"))) {
    stand_before(item);
    if (!PyType_Check(item.ptr())) continue;
    for (auto [key, attribute] : py::dict(item.attr("__dict__")))
      stand_before_attribute(attribute);
  }
}

}  // namespace ptutils::bindings
