#include "attributes.h"

#include <algorithm>

#include "casters/child.h"
#include "casters/tensor.h"
#include "casters/value.h"
#include "casters/variable.h"
#include "ptutils/nn/autograd.h"

namespace ptutils::bindings {

namespace {

/// Where an attribute lies: an item of a dict or list, or a slot of an object.
struct Place {
  py::object container, key;
  bool is_slot = false;

  py::object get() const {
    return is_slot ? py::object(container.attr(key))
                   : py::object(container[key]);
  }
  void set(const py::object& value) const {
    if (is_slot)
      container.attr(key) = value;
    else
      container[key] = value;
  }
};

/// An attribute (or an item of a list or dict) that holds a child.
class PyChildSlot final : public ChildSlot {
 public:
  explicit PyChildSlot(Place place) : place_(std::move(place)) {}
  Module* get() const override {
    if (!module_) module_ = child_in(place_.get(), "Module");
    return module_.get();
  }
  ModulePtr share() const override {
    get();
    return module_;
  }
  long use_count() const override { return 2; }  // Python holds it too
  void set(ModulePtr module) override {
    if (PyTuple_Check(place_.container.ptr()))
      fail(Kind::kState, "Module", "a child inside a tuple cannot be replaced");
    place_.set(child_out(module));
    module_ = std::move(module);
  }

 private:
  Place place_;
  mutable ModulePtr module_;
};

/// An attribute that holds a value. Converted at most once.
class PyValueSlot final : public ValueSlot {
 public:
  PyValueSlot(Place place, std::string name)
      : place_(std::move(place)), name_(std::move(name)) {}
  Value get() const override {
    if (!value_) value_ = to_value(place_.get(), name_);
    return *value_;
  }
  void set(const Value& value) override {
    // Cloned: the state stays the caller's, the attribute the module's.
    place_.set(to_python(value.clone()));
    value_.reset();
  }
  bool fixed() const override {
    Value now = get();
    return now.is_tensor() && !now.as_tensor().numpy_scalar;
  }
  bool representable() const override { return is_plain(get()); }

 private:
  Place place_;
  std::string name_;
  mutable std::optional<Value> value_;
};

/// An attribute that holds a nn.Variable: its data, loaded in place.
class PyVariableSlot final : public ValueSlot {
 public:
  PyVariableSlot(Place place, std::string name)
      : place_(std::move(place)), name_(std::move(name)) {}
  Value get() const override {
    return Value(nn::variable_in(to_value(place_.get())).data());
  }
  void set(const Value& value) override {
    Tensor memory = get().as_tensor();
    detail::load(memory, value, name_);
  }
  bool fixed() const override { return true; }

 private:
  Place place_;
  std::string name_;
};

// As of values (casters/value.cpp): beyond it a container holds itself.
constexpr int kMaxVisitDepth = 500;

void visit_item(const Place& place, const std::string& name, Fields& f,
                int depth = 0);

void visit_container(py::object container, const std::string& name, Fields& f,
                     int depth) {
  if (depth > kMaxVisitDepth)
    fail(Kind::kValue, name.substr(0, name.find('.')), "nested deeper than ",
         kMaxVisitDepth, ": does it contain itself?");
  if (PyDict_CheckExact(container.ptr())) {
    for (auto [key, item] : py::dict(container)) {  // a copy: f may assign
      std::string text = py::str(key);
      if (text.find('.') != std::string::npos)
        fail(Kind::kKey, name, "the key '", text,
             "' of a dict of modules has a dot: names in a state are dotted");
      visit_item({container, py::reinterpret_borrow<py::object>(key)},
                 name + "." + text, f, depth);
    }
    return;
  }
  Py_ssize_t n = PySequence_Fast_GET_SIZE(container.ptr());
  for (Py_ssize_t i = 0; i < n; ++i)
    visit_item({container, py::int_(i)}, str(name, ".", i), f, depth);
}

void visit_item(const Place& place, const std::string& name, Fields& f,
                int depth) {
  py::object item = place.get();
  if (is_child(item)) {
    PyChildSlot slot(place);
    f.child(name, slot);
  } else if (holds_child(item)) {
    visit_container(item, name, f, depth + 1);
  } else if (variable_from(item)) {
    PyVariableSlot slot(place, name);
    f.value(name, slot);
  } else {
    PyValueSlot slot(place, name);
    f.value(name, slot);
  }
}

/// A parameter or buffer of a torch.nn.Module, loaded in place.
class TorchSlot final : public ValueSlot {
 public:
  TorchSlot(py::object tensor, std::string name)
      : tensor_(std::move(tensor)), name_(std::move(name)) {}
  Value get() const override { return to_value(tensor_, name_); }
  void set(const Value& value) override {
    tensor_.attr("detach")().attr("copy_")(
        tensor_to_torch(value.as_tensor(name_)));
  }
  bool fixed() const override { return true; }

 private:
  py::object tensor_;
  std::string name_;
};

void visit_tensors(const py::dict& tensors, const py::object& left_out,
                   Fields& f) {
  for (auto [key, tensor] : tensors) {
    if (tensor.is_none() || left_out.contains(key)) continue;
    std::string name = py::str(key);
    TorchSlot slot(py::reinterpret_borrow<py::object>(tensor), name);
    f.value(name, slot);
  }
}

void visit_torch(const py::dict& dict, Fields& f) {
  visit_tensors(dict["_parameters"], py::tuple(), f);
  visit_tensors(dict["_buffers"], dict["_non_persistent_buffers_set"], f);
  py::dict modules = dict["_modules"];
  for (auto [key, item] : py::dict(modules))
    if (!item.is_none())
      visit_item({modules, py::reinterpret_borrow<py::object>(key)},
                 py::str(key), f);
}

py::dict dict_of(py::handle self) {
  PyObject* raw = PyObject_GenericGetDict(self.ptr(), nullptr);
  if (!raw) throw py::error_already_set();
  return py::reinterpret_steal<py::dict>(raw);
}

/// The names of the object's slots, set or not, those of the bases first.
std::vector<py::object> slots_of(py::handle self) {
  std::vector<py::object> out;
  auto* mro = reinterpret_cast<PyTypeObject*>(py::type::of(self).ptr())->tp_mro;
  for (Py_ssize_t i = PyTuple_GET_SIZE(mro); i-- > 0;) {
    auto* type = reinterpret_cast<PyTypeObject*>(PyTuple_GET_ITEM(mro, i));
    // Only a class made in Python, a heap type, has its own.
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE) || !type->tp_dict) continue;
    for (auto [key, item] : py::reinterpret_borrow<py::dict>(type->tp_dict))
      if (Py_TYPE(item.ptr()) == &PyMemberDescr_Type)
        out.push_back(py::reinterpret_borrow<py::object>(key));
  }
  return out;
}

bool is_wanted(const std::string& name, const Meta& meta) {
  if (name.empty()) return false;
  if (name[0] != '_') return true;
  return meta.include && std::find(meta.include->begin(), meta.include->end(),
                                   name) != meta.include->end();
}

}  // namespace

constexpr int kMaxContainerDepth = 8;

bool holds_child(py::handle object, int depth) {
  if (depth > kMaxContainerDepth) return false;
  if (PyList_CheckExact(object.ptr()) || PyTuple_CheckExact(object.ptr())) {
    Py_ssize_t n = PySequence_Fast_GET_SIZE(object.ptr());
    for (Py_ssize_t i = 0; i < n; ++i) {
      py::handle item = PySequence_Fast_GET_ITEM(object.ptr(), i);
      if (is_child(item) || holds_child(item, depth + 1)) return true;
    }
    return false;
  }
  if (!PyDict_CheckExact(object.ptr())) return false;
  for (auto [key, item] : py::reinterpret_borrow<py::dict>(object))
    if (is_child(item) || holds_child(item, depth + 1)) return true;
  return false;
}

void visit_attributes(PyObject* self, const Meta& meta, Fields& f) {
  py::dict dict = dict_of(self);
  py::list keys(dict);  // f may assign attributes
  for (py::handle key : keys) {
    if (!PyUnicode_Check(key.ptr())) continue;
    std::string name = py::str(key);
    if (is_wanted(name, meta) && dict.contains(key))
      visit_item({dict, py::reinterpret_borrow<py::object>(key)}, name, f);
  }
  auto object = py::reinterpret_borrow<py::object>(self);
  for (const py::object& key : slots_of(self)) {
    std::string name = py::str(key);
    if (is_wanted(name, meta) && py::hasattr(self, key))
      visit_item({object, key, true}, name, f);
  }
  if (dict.contains("_parameters") &&
      is_instance_of(self, "torch.nn", "Module"))
    visit_torch(dict, f);
}

py::dict attributes_of(py::handle self) {
  py::dict out = dict_of(self);
  std::vector<py::object> slots = slots_of(self);
  if (slots.empty()) return out;
  out = out.attr("copy")();
  for (const py::object& key : slots)
    if (py::hasattr(self, key)) out[key] = self.attr(key);
  return out;
}

void set_attributes(py::handle self, const py::dict& attributes) {
  py::dict rest = attributes.attr("copy")();
  for (const py::object& key : slots_of(self))
    if (rest.contains(key)) self.attr(key) = rest.attr("pop")(key);
  dict_of(self).attr("update")(rest);
}

}  // namespace ptutils::bindings
