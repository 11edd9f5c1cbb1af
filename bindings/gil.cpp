#include "gil.h"

#include <mutex>

#include "areas.h"

namespace ptutils::bindings {

namespace {

/// Held while a state is made, and over every fork that Python knows of.
std::mutex& state_mutex() {
  static std::mutex& mutex = *new std::mutex;
  return mutex;
}

}  // namespace

Gil::Gil() {
  if (!PyGILState_GetThisThreadState()) {
    std::lock_guard lock(state_mutex());
    made_ = PyThreadState_New(PyInterpreterState_Main());
  }
  if (made_)
    PyEval_AcquireThread(made_);
  else
    held_.emplace();
}

Gil::~Gil() {
  if (!made_) return;
  PyThreadState_Clear(made_);
  PyThreadState_DeleteCurrent();
}

void def_gil() {
  // Python's own hooks, not pthread_atfork(): they come before CPython takes
  // the lock of all states, which it does in some versions, as we do.
  auto lock = [] {
    py::gil_scoped_release others_go_on;
    state_mutex().lock();
  };
  auto unlock = [] { state_mutex().unlock(); };
  py::module_::import("os").attr("register_at_fork")(
      py::arg("before") = py::cpp_function(lock),
      py::arg("after_in_parent") = py::cpp_function(unlock),
      py::arg("after_in_child") = py::cpp_function(unlock));
}

}  // namespace ptutils::bindings
