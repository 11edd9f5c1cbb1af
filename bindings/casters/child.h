#pragma once

#include <pybind11/pybind11.h>

#include "ptutils/module/module.h"

namespace ptutils::bindings {
namespace py = pybind11;

/// What keeps a Python object alive for the core and shows it to the garbage
/// collector.
class PyHolder {
 public:
  explicit PyHolder(py::object object) : object_(object.release().ptr()) {}
  virtual ~PyHolder();
  PyObject* object() const { return object_; }
  py::handle handle() const { return object_; }

 private:
  PyObject* object_;
};

/// An object of another library as a child: anything with state_dict and
/// load_state_dict (a torch module, optimizer, scheduler).
class Foreign : public Module, public PyHolder {
 public:
  explicit Foreign(py::object object) : PyHolder(std::move(object)) {}
  std::string class_name() const override;
  Value state_dict(bool copy = true) override;
  void check_state(const Value& state, const std::string& prefix, bool strict,
                   Mismatch& out) override;
  void load_partial(const Value& state) override;
  bool loads_itself() const override { return true; }
  Value call(const Value& arguments) override;
  Value to_config() override;
  void train(bool mode) override;

 private:
  void load(const Value& state);
};

/// The object's class is, or derives from, MODULE.NAME of a library that is
/// loaded (never imports it).
bool is_instance_of(py::handle object, const char* module, const char* name);
/// True for an instance (not a class) with callable state_dict and
/// load_state_dict that is not a dict.
bool is_foreign(py::handle object);
/// A Module as it is, a foreign object wrapped; TypeError naming the type.
ModulePtr child_in(py::handle object, std::string_view where);
/// The Module's own Python object, or the foreign object itself; None for null.
py::object child_out(const ModulePtr& module);
/// Whether child_in would take it.
bool is_child(py::handle object);

}  // namespace ptutils::bindings
