#include <pybind11/stl.h>

#include <array>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include "areas.h"
#include "casters/value.h"
#include "errors.h"
#include "gil.h"
#include "lifetime.h"
#include "ptutils/common/fork.h"
#include "ptutils/common/interrupt.h"
#include "ptutils/common/log.h"
#include "ptutils/common/names.h"
#include "ptutils/common/shutdown.h"
#include "ptutils/common/thread_pool.h"

namespace ptutils::bindings {

namespace {

struct ErrorRow {
  Kind kind;
  const char* name;
  PyObject** builtin;
  const char* doc;
};

/// Kind -> class. Each is also the built-in that a Python user expects.
const ErrorRow kErrors[] = {
    {Kind::kType, "WrongType", &PyExc_TypeError, "A value of the wrong type."},
    {Kind::kValue, "WrongValue", &PyExc_ValueError,
     "The right type, an impossible value."},
    {Kind::kKey, "UnknownName", &PyExc_KeyError, "A name nobody knows."},
    {Kind::kIndex, "OutOfBounds", &PyExc_IndexError, "An index too large."},
    {Kind::kNotFound, "NotFound", &PyExc_KeyError,
     "No such run, document or class."},
    {Kind::kIO, "IOFailed", &PyExc_OSError,
     "The file system or a server refused."},
    {Kind::kFormat, "Malformed", &PyExc_ValueError,
     "Bytes that are not what their format says."},
    {Kind::kState, "WrongState", &PyExc_RuntimeError,
     "Not possible in this state."},
    {Kind::kBusy, "Busy", &PyExc_RuntimeError,
     "In use by another process (its lease is not free)."},
    {Kind::kUntrusted, "Untrusted", &PyExc_PermissionError,
     "A class that the user did not name on this machine."},
    {Kind::kNotImplemented, "NotDefined", &PyExc_NotImplementedError,
     "The class does not define this."},
    {Kind::kMemory, "OutOfMemory", &PyExc_MemoryError, "No memory."},
};

std::array<PyObject*, 16>& classes() {
  static std::array<PyObject*, 16> table{};
  return table;
}

/// Sets the Python error of `error`; nested C++ causes become __cause__.
void raise(const Error& error) {
  if (error.kind() == Kind::kInterrupted) {
    if (!PyErr_Occurred()) PyErr_SetNone(PyExc_KeyboardInterrupt);
    return;
  }
  py::object cause = py::none();
  try {
    std::rethrow_if_nested(error);
  } catch (const Error& inner) {
    raise(inner);
  } catch (py::error_already_set& inner) {
    inner.restore();
  } catch (const std::exception& inner) {
    PyErr_SetString(PyExc_RuntimeError, inner.what());
  }
  if (PyErr_Occurred()) {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace) PyException_SetTraceback(value, trace);
    Py_XDECREF(type);
    Py_XDECREF(trace);
    cause = py::reinterpret_steal<py::object>(value);
  }
  // A message may quote bytes of a malformed file.
  py::object text = py::reinterpret_steal<py::object>(PyUnicode_DecodeUTF8(
      error.what(), static_cast<Py_ssize_t>(std::strlen(error.what())),
      "backslashreplace"));
  py::object made = py::handle(error_class(error.kind()))(text);
  if (!cause.is_none()) PyException_SetCause(made.ptr(), cause.release().ptr());
  PyErr_SetObject(error_class(error.kind()), made.ptr());
}

void def_errors(py::module_& m) {
  PyObject* base = PyErr_NewExceptionWithDoc(
      "ptutils.errors.Error",
      "What ptutils raises: says where, what was wrong with which value, and "
      "what to do. Each subclass is also the built-in error one expects.",
      PyExc_Exception, nullptr);
  m.attr("Error") = py::reinterpret_borrow<py::object>(base);
  for (const ErrorRow& row : kErrors) {
    auto bases = py::make_tuple(py::handle(base), py::handle(*row.builtin));
    std::string name = std::string("ptutils.errors.") + row.name;
    PyObject* made =
        PyErr_NewExceptionWithDoc(name.c_str(), row.doc, bases.ptr(), nullptr);
    if (!made) throw py::error_already_set();
    // KeyError shows its message in quotes; ours are sentences.
    py::setattr(made, "__str__", py::handle(PyExc_Exception).attr("__str__"));
    classes()[static_cast<std::size_t>(row.kind)] = made;
    m.attr(row.name) = py::reinterpret_borrow<py::object>(made);
  }
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const Error& e) {
      raise(e);
    }
  });
}

/// Records of the core go to Python's logging; a thread that may not take the
/// GIL leaves them in a queue, which Python's threads empty.
class LogQueue {
 public:
  LogQueue() { hold_over_fork(mutex_); }
  void push(const log::Record& record) {
    bool drain_here = false;
    {
      std::lock_guard lock(mutex_);
      records_.push_back(record);
      drain_here = Py_IsInitialized() && PyGILState_Check();
    }
    if (drain_here) {
      drain();
    } else {
      Py_AddPendingCall(
          [](void* self) {
            static_cast<LogQueue*>(self)->drain();
            return 0;
          },
          this);
    }
  }
  void drain() {
    if (finalizing()) return;
    std::vector<log::Record> records;
    {
      std::lock_guard lock(mutex_);
      records.swap(records_);
    }
    if (records.empty()) return;
    py::error_scope keep;  // an exception on its way stays
    try {
      py::object logging = py::module_::import("logging");
      for (const log::Record& record : records)
        logging.attr("getLogger")(record.logger)
            .attr("log")(static_cast<int>(record.level), "%s", record.message);
    } catch (py::error_already_set& e) {
      e.discard_as_unraisable("ptutils logging");
    }
  }

 private:
  std::mutex mutex_;
  std::vector<log::Record> records_;
};

void def_log(py::module_& m) {
  static auto* queue = new LogQueue();
  log::set_sink([](const log::Record& record) { queue->push(record); });
  m.def("_log_flush", [] { queue->drain(); });
  m.def("_log", [](int level, const std::string& message) {
    auto at = static_cast<log::Level>(level);
    if (log::enabled(at)) log::write(at, "ptutils", message);
  });
}

/// Ctrl-C in a wait of the core: Python's handlers run on its main thread.
void install_interrupt_hook() {
  auto main_thread = std::this_thread::get_id();
  set_interrupt_hook([main_thread] {
    if (std::this_thread::get_id() != main_thread || finalizing()) return;
    Gil gil;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  });
}

}  // namespace

PyObject* error_class(Kind kind) {
  return classes()[static_cast<std::size_t>(kind)];
}

Kind kind_of(const py::error_already_set& error) {
  if (error.matches(PyExc_KeyboardInterrupt)) return Kind::kInterrupted;
  for (const ErrorRow& row : kErrors)
    if (error.matches(error_class(row.kind))) return row.kind;
  for (const ErrorRow& row : kErrors)
    if (error.matches(*row.builtin)) return row.kind;
  return Kind::kState;
}

void def_common(py::module_& m) {
  def_gil();
  def_errors(m);
  def_log(m);
  install_interrupt_hook();
  m.def("_shutdown", [] {
    py::gil_scoped_release release;
    shutdown::run();
    InCore::await_all();
  });
  m.def("num_threads", &thread_budget,
        "Threads that this process may use in all (kernels, loaders).");
  m.def("set_num_threads", &set_thread_budget, py::arg("n"),
        "Changes the budget; n >= 1. PTUTILS_NUM_THREADS sets it at start.");
  m.def("_did_you_mean", &did_you_mean);
  m.def("_nearest_names", &nearest_names, py::arg("name"), py::arg("known"),
        py::arg("count") = 3);
}

}  // namespace ptutils::bindings
