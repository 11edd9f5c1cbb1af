#include "casters/function.h"

#include "casters/value.h"
#include "gil.h"

namespace ptutils::bindings {

/// As its configuration names it.
std::string Function::class_name() const {
  Gil gil;
  return py::str(py::module_::import("ptutils.registry")
                     .attr("configuration_of")(handle())["func"]);
}

Value Function::call(const Value& arguments) {
  Gil gil;
  py::object args = to_python(arguments);
  if (!PyTuple_Check(args.ptr())) args = py::make_tuple(args);
  return to_value(handle()(*py::reinterpret_borrow<py::tuple>(args)));
}

ModulePtr callable_in(py::handle object, std::string_view where) {
  const bool is_part = object.is_none() || is_child(object);
  if (is_part || PyType_Check(object.ptr()) || !PyCallable_Check(object.ptr()))
    return child_in(object, where);
  return std::make_shared<Function>(py::reinterpret_borrow<py::object>(object));
}

}  // namespace ptutils::bindings
