#pragma once

#include <pybind11/pybind11.h>

#include <optional>

namespace ptutils::bindings {
namespace py = pybind11;

/// Python's lock while it lives, on any thread: a py::gil_scoped_acquire that
/// no fork interrupts while the thread's state is being made. (In the child
/// CPython 3.11 waits for the lock of all states before it makes it anew.)
class Gil {
 public:
  Gil();
  ~Gil();
  Gil(const Gil&) = delete;
  Gil& operator=(const Gil&) = delete;

 private:
  PyThreadState* made_ = nullptr;
  std::optional<py::gil_scoped_acquire> held_;
};

}  // namespace ptutils::bindings
