#include "casters/child.h"

#include "casters/tensor.h"
#include "casters/value.h"
#include "errors.h"
#include "gil.h"
#include "lifetime.h"
#include "ptutils/common/names.h"
#include "ptutils/module/nesting.h"
#include "ptutils/nn/autograd.h"

namespace ptutils::bindings {

namespace {

bool is_torch_module(py::handle object) {
  return is_instance_of(object, "torch.nn", "Module");
}
bool is_torch_optimizer(py::handle object) {
  return is_instance_of(object, "torch.optim", "Optimizer");
}

bool is_native(py::handle object) {
  return py::isinstance<PyTensor>(object) ||
         py::isinstance<nn::detail::Node>(object);
}

std::string type_name(py::handle object) {
  py::handle type(reinterpret_cast<PyObject*>(Py_TYPE(object.ptr())));
  return std::string(py::str(type.attr("__module__"))) + "." +
         std::string(py::str(type.attr("__qualname__")));
}

/// torch's modules have flat states: nested dicts of names become dotted ones,
/// but for what a module's get_extra_state gave.
void flatten_into(const Value& value, const std::string& prefix, Dict& out) {
  if (!value.is_dict() || prefix.ends_with("_extra_state")) {
    out.set(prefix, value);
    return;
  }
  for (const auto& [key, item] : value.as_dict())
    flatten_into(
        item, prefix.empty() ? to_string(key) : prefix + "." + to_string(key),
        out);
}

/// What the child's code raises says which child it is.
template <class F>
auto of_child(F&& call) {
  try {
    return call();
  } catch (py::error_already_set& error) {
    std::string path = ptutils::detail::ChildPath::now();
    if (path.empty() || !error.matches(PyExc_Exception)) throw;
    std::string text = str(path, ": ", std::string(py::str(error.value())));
    py::raise_from(error, error_class(kind_of(error)), text.c_str());
    throw py::error_already_set();
  }
}

}  // namespace

bool is_instance_of(py::handle object, const char* module, const char* name) {
  PyObject* modules = PyImport_GetModuleDict();  // borrowed
  PyObject* found = PyDict_GetItemString(modules, module);
  if (!found) return false;
  py::object type = py::getattr(py::handle(found), name, py::none());
  return !type.is_none() && py::isinstance(object, type);
}

PyHolder::~PyHolder() {
  if (finalizing()) return;
  Gil gil;
  Py_DECREF(object_);
}

std::string Foreign::class_name() const {
  Gil gil;
  return type_name(handle());
}

Value Foreign::state_dict(bool copy) {
  Gil gil;
  py::object given = of_child([&] { return handle().attr("state_dict")(); });
  Value state = to_value(given, class_name());
  return copy ? state.clone() : state;
}

void Foreign::check_state(const Value& state, const std::string& prefix,
                          bool strict, Mismatch& out) {
  Gil gil;
  if (!is_torch_module(handle())) return;  // its own load_state_dict judges
  if (!state.is_dict()) {
    Module::check_state(state, prefix, strict, out);
    return;
  }
  Dict theirs, mine;
  flatten_into(state, "", theirs);
  flatten_into(state_dict(false), "", mine);
  for (const auto& [key, value] : mine) {
    std::string name = prefix + to_string(key);
    const Value* found = theirs.find(key);
    if (!found) {
      out.missing.push_back(name);
      continue;
    }
    bool same = found->type() == value.type();
    if (same && value.is_tensor())
      same = value.as_tensor().shape() == found->as_tensor().shape() &&
             value.as_tensor().dtype() == found->as_tensor().dtype();
    if (!same)
      out.different.push_back(
          str(name, ": ", found->summary(), ", here ", value.summary()));
  }
  for (const auto& [key, value] : theirs)
    if (!mine.find(key)) out.unexpected.push_back(prefix + to_string(key));
}

void Foreign::load_partial(const Value& state) {
  Gil gil;
  of_child([&] { load(state); });
}

void Foreign::load(const Value& state) {
  // Cloned: an optimizer keeps the very tensors that it is given.
  if (is_torch_module(handle())) {
    Dict flat;
    flatten_into(state, "", flat);
    Value native = Value(std::move(flat));
    py::dict tensors;
    for (const auto& [key, value] : native.as_dict())
      tensors[py::str(to_string(key))] =
          value.is_tensor() ? tensor_to_torch(value.as_tensor())
                            : to_python(value);
    handle().attr("load_state_dict")(tensors, py::arg("strict") = false);
    return;
  }
  Value whole = state.clone();
  if (is_torch_optimizer(handle()) &&
      !(state.is_dict() && state.as_dict().contains("param_groups"))) {
    whole = state_dict(true);  // a part: put into what is there
    for (const auto& [key, value] : state.as_dict())
      whole.set_path(to_string(key), value.clone());
  }
  handle().attr("load_state_dict")(to_python(whole));
}

Value Foreign::call(const Value& arguments) {
  Gil gil;
  py::object args = to_python(arguments);
  if (!PyTuple_Check(args.ptr())) args = py::make_tuple(args);
  if (is_torch_module(handle()))
    for (py::handle given : py::reinterpret_borrow<py::tuple>(args))
      if (is_native(given))
        fail(Kind::kType, class_name(), "takes torch tensors, not a native ",
             Py_TYPE(given.ptr())->tp_name,
             ": put torch's layers into torch.nn.Sequential, native ones "
             "into ptutils.nn.Sequential");
  return to_value(handle()(*py::reinterpret_borrow<py::tuple>(args)));
}

Value Foreign::to_config() {
  Gil gil;
  py::dict known = py::module_::import("ptutils.registry")
                       .attr("configuration_of")(handle());
  Dict out;
  for (auto [key, item] : known) {
    Value value = to_value(item, "config");
    if (!value.is_tensor() && is_plain(value))
      out.set(std::string(py::str(key)), std::move(value));
  }
  return Value(std::move(out));
}

void Foreign::train(bool mode) {
  Module::train(mode);
  Gil gil;
  if (is_torch_module(handle())) handle().attr("train")(mode);
}

bool is_foreign(py::handle object) {
  PyObject* o = object.ptr();
  if (PyType_Check(o) || PyDict_Check(o)) return false;
  PyTypeObject* type = Py_TYPE(o);
  static PyObject* state = PyUnicode_InternFromString("state_dict");
  static PyObject* load = PyUnicode_InternFromString("load_state_dict");
  return _PyType_Lookup(type, state) && _PyType_Lookup(type, load);
}

bool is_child(py::handle object) {
  return py::isinstance<Module>(object) || is_foreign(object);
}

ModulePtr child_in(py::handle object, std::string_view where) {
  if (object.is_none()) return nullptr;
  if (py::isinstance<Module>(object)) return py::cast<ModulePtr>(object);
  if (is_foreign(object))
    return std::make_shared<Foreign>(
        py::reinterpret_borrow<py::object>(object));
  if (PyType_Check(object.ptr())) {
    std::string name = py::str(object.attr("__name__"));
    fail(Kind::kType, where, name, " is a class; give an instance: ", name,
         "(…)");
  }
  fail(Kind::kType, where, "a ", type_name(object),
       " is neither a ptutils.Module nor an object with state_dict and "
       "load_state_dict");
}

py::object child_out(const ModulePtr& module) {
  if (!module) return py::none();
  if (auto* holder = dynamic_cast<PyHolder*>(module.get()))
    return py::reinterpret_borrow<py::object>(holder->object());
  // By pybind11 a trampoline's object would be looked up under Module alone.
  if (auto* python = dynamic_cast<PySelf*>(module.get()))
    if (PyObject* self = python->self())
      return py::reinterpret_borrow<py::object>(self);
  return py::cast(module);
}

}  // namespace ptutils::bindings
