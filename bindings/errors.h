#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <string_view>

#include "ptutils/common/error.h"

namespace ptutils::bindings {
namespace py = pybind11;

/// "an int", "a Linear": an object by its type.
inline std::string with_article(py::handle object) {
  constexpr std::string_view kOurs = "ptutils._core.";
  std::string name = Py_TYPE(object.ptr())->tp_name;
  if (name.starts_with(kOurs)) name.erase(0, kOurs.size());
  const bool vowel =
      std::string_view("aeiouAEIOU").find(name[0]) != std::string_view::npos;
  return (vowel ? "an " : "a ") + name;
}
/// The Python class of a kind (borrowed).
PyObject* error_class(Kind kind);
/// The kind of a Python exception that travels through the core, so that it
/// keeps its meaning there.
Kind kind_of(const py::error_already_set& error);

}  // namespace ptutils::bindings
