#include "lifetime.h"

#include <unistd.h>

#include <chrono>
#include <thread>

#include "attributes.h"
#include "errors.h"
#include "gil.h"
#include "ptutils/common/fork.h"
#include "ptutils/common/names.h"
#include "ptutils/common/shutdown.h"
#include "ptutils/module/nesting.h"

namespace ptutils::bindings {

namespace {

constexpr std::array<const char*, static_cast<std::size_t>(Method::kCount)>
    kMethodNames = {"state_dict",
                    "load_state_dict",
                    "__call__",
                    "to_config",
                    "train",
                    "forward",
                    "loss",
                    "step",
                    "zero_grad",
                    "__len__",
                    "__getitem__",
                    "__getitems__",
                    "order",
                    "batches",
                    "__iter__",
                    "provide",
                    "request",
                    "__next__",
                    "read",
                    "forward",
                    "loss",
                    "compute_gradients",
                    "apply_gradients",
                    "step",
                    "optimize",
                    "validate",
                    "run",
                    "save",
                    "find",
                    "load_from_id",
                    "update",
                    "remove",
                    "sync",
                    "close",
                    "location"};

std::unordered_set<PyTypeObject*>& native_types() {
  static auto* types = new std::unordered_set<PyTypeObject*>();
  return *types;
}

/// Defined in Python: a function (or anything else) that is not a binding.
bool is_python_attribute(PyObject* attribute) {
  return !PyInstanceMethod_Check(attribute) && !PyCFunction_Check(attribute) &&
         Py_TYPE(attribute) != &PyMethodDescr_Type &&
         Py_TYPE(attribute) != &PyWrapperDescr_Type;
}

std::atomic<int> calls_in_core{0};

}  // namespace

InCore::InCore(Module& module) : module_(module) {
  ++module_.running;
  ++calls_in_core;
}

InCore::~InCore() {
  --module_.running;
  --calls_in_core;
}

bool InCore::too_late() { return shutdown::done() && gettid() != getpid(); }

void InCore::await_all() {
  if (fork_generation() != 0) return;  // those of the parent's threads
  constexpr auto kLongest = std::chrono::seconds(2);
  const auto deadline = std::chrono::steady_clock::now() + kLongest;
  while (calls_in_core > 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

PyObject* interned(Method method) {
  static auto* names = [] {
    auto* out = new std::array<PyObject*, kMethodNames.size()>();
    for (std::size_t i = 0; i < out->size(); ++i)
      (*out)[i] = PyUnicode_InternFromString(kMethodNames[i]);
    return out;
  }();
  return (*names)[static_cast<std::size_t>(method)];
}

void PySelf::look_up(Method method, std::uint64_t bit) const {
  Gil gil;
  PyObject* me = self();
  if (me) {
    PyObject* found = _PyType_Lookup(Py_TYPE(me), interned(method));
    if (found && is_python_attribute(found)) yes_.fetch_or(bit);
    known_.fetch_or(bit, std::memory_order_release);
  }
}

std::int64_t PySelf::int_from_python(Method method) const {
  py::object out = call_python(method);
  std::optional<std::int64_t> number = index_in(out);
  if (number) return *number;
  std::string name = py::str(py::handle(interned(method)));
  bool whole = PyIndex_Check(out.ptr());
  fail(whole ? Kind::kValue : Kind::kType,
       str(python_class_name(self()), ".", name), "returns ",
       whole ? "a number of 64 bits" : "a whole number", ", not ",
       std::string(py::repr(out)).substr(0, 60));
}

std::optional<std::int64_t> index_in(py::handle given) {
  py::detail::make_caster<std::int64_t> caster;
  if (!PyIndex_Check(given.ptr()) || !caster.load(given, true)) return {};
  return py::detail::cast_op<std::int64_t>(caster);
}

void add_native_type(PyTypeObject* type) { native_types().insert(type); }
bool is_native_type(PyTypeObject* type) {
  return native_types().contains(type);
}

Meta read_meta(PyObject* self) {
  Meta out;
  py::handle type(reinterpret_cast<PyObject*>(Py_TYPE(self)));
  py::object meta = py::getattr(type, "Meta", py::none());
  if (meta.is_none()) return out;
  auto names = [&](const char* attribute) {
    std::vector<std::string> list;
    for (py::handle item : py::getattr(meta, attribute))
      list.push_back(py::str(item));
    return list;
  };
  static const std::vector<std::string> kKnown = {"exclude", "include",
                                                  "unserializable", "version"};
  for (auto [key, value] : py::dict(meta.attr("__dict__"))) {
    std::string name = py::str(key);
    if (name.starts_with("_")) continue;
    if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end())
      fail(Kind::kKey, python_class_name(self) + ".Meta", "no choice '", name,
           "'", did_you_mean(name, kKnown));
  }
  if (py::hasattr(meta, "exclude")) out.exclude = names("exclude");
  if (py::hasattr(meta, "include")) out.include = names("include");
  if (py::hasattr(meta, "version"))
    out.version = py::cast<std::int64_t>(meta.attr("version"));
  if (py::hasattr(meta, "unserializable")) {
    std::string choice = py::str(meta.attr("unserializable"));
    if (choice != "skip" && choice != "error")
      fail(Kind::kValue, python_class_name(self) + ".Meta",
           "unserializable is 'skip' or 'error', not '", choice, "'");
    out.unserializable_is_error = choice == "error";
  }
  return out;
}

std::string python_class_name(PyObject* self) {
  py::handle type(reinterpret_cast<PyObject*>(Py_TYPE(self)));
  return std::string(py::str(type.attr("__module__"))) + "." +
         std::string(py::str(type.attr("__qualname__")));
}

namespace {

/// A constructor argument as a configuration has it: a part as its own
/// configuration, a value as it is; nothing for what cannot be written.
std::optional<Value> argument_config(py::handle object, int depth = 0) {
  constexpr int kMaxArgumentDepth = 500;
  if (depth > kMaxArgumentDepth)
    fail(Kind::kValue, "to_config", "an argument is nested deeper than ",
         kMaxArgumentDepth, ": does it contain itself?");
  if (is_child(object)) {
    ModulePtr child = child_in(object, "to_config");
    ptutils::detail::Nesting guard(*child);
    return child->to_config();
  }
  if (PyType_Check(object.ptr()) || PyFunction_Check(object.ptr()))
    return Value(str(std::string(py::str(object.attr("__module__"))), ".",
                     std::string(py::str(object.attr("__qualname__")))));
  if (holds_child(object)) {
    if (PyDict_Check(object.ptr())) {
      Dict out;
      for (auto [key, item] : py::reinterpret_borrow<py::dict>(object))
        if (auto value = argument_config(item, depth + 1))
          out.set(std::string(py::str(key)), *value);
      return Value(std::move(out));
    }
    List out;
    for (py::handle item : object)
      if (auto value = argument_config(item, depth + 1))
        out.items.push_back(*value);
    return Value(std::move(out));
  }
  const bool is_path = py::hasattr(object, "__fspath__");
  Value value = to_value(
      is_path ? py::module_::import("os").attr("fspath")(object) : object);
  if (!is_plain(value) || value.is_tensor()) return std::nullopt;
  return value;
}

}  // namespace

Value python_config(PyObject* self) {
  Dict out;
  out["func"] = python_class_name(self);
  py::object stored =
      py::getattr(py::handle(self), "_ptutils_arguments", py::none());
  if (!stored.is_none()) {
    // Names of positional arguments come from __init__'s signature.
    py::handle type(reinterpret_cast<PyObject*>(Py_TYPE(self)));
    auto args = py::cast<py::tuple>(stored[py::int_(0)]);
    py::object bound;
    std::string rest;  // what collects the other keywords: **rest
    try {
      py::object signature = py::module_::import("inspect").attr("signature")(
          type.attr("__init__"));
      for (auto [name, parameter] : py::dict(signature.attr("parameters")))
        if (parameter.attr("kind").equal(parameter.attr("VAR_KEYWORD")))
          rest = py::str(name);
      bound = signature
                  .attr("bind")(py::none(), *args,
                                **py::cast<py::dict>(stored[py::int_(1)]))
                  .attr("arguments");
    } catch (py::error_already_set&) {
      bound = stored[py::int_(1)];  // a binding's __init__: keywords only
    }
    bool first = true;
    for (auto [key, item] : py::dict(bound)) {
      std::string name = py::str(key);
      bool is_self = first && item.is_none() && !args.empty();
      first = false;
      if (name == "self" || is_self) continue;
      if (name == rest && PyDict_Check(item.ptr())) {
        for (auto [k, v] : py::reinterpret_borrow<py::dict>(item))
          if (auto value = argument_config(v))
            out.set(std::string(py::str(k)), *value);
        continue;
      }
      if (auto value = argument_config(item)) out.set(name, *value);
    }
  }
  return Value(std::move(out));
}

void remember_arguments(PyObject* self, PyObject* args, PyObject* kwargs) {
  if (is_native_type(Py_TYPE(self))) return;
  py::object keywords = kwargs ? py::reinterpret_borrow<py::object>(kwargs)
                               : py::object(py::dict());
  PyObject* raw = PyObject_GenericGetDict(self, nullptr);
  if (!raw) throw py::error_already_set();
  auto dict = py::reinterpret_steal<py::dict>(raw);
  dict["_ptutils_arguments"] =
      py::make_tuple(py::reinterpret_borrow<py::object>(args), keywords);
}

PyObject* new_plain(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  PyObject* self = py::detail::make_new_instance(type);
  if (!self) return nullptr;
  try {
    remember_arguments(self, args, kwargs);
  } catch (py::error_already_set& e) {
    e.restore();
    Py_DECREF(self);
    return nullptr;
  }
  return self;
}

namespace {

/// The __init__ of the first class after `native` in the method resolution
/// order that is neither ours nor pybind11's nor object; null for none.
py::object next_init(py::handle type, py::handle native) {
  py::handle pybind_object(py::detail::get_internals().instance_base);
  py::handle object(reinterpret_cast<PyObject*>(&PyBaseObject_Type));
  bool after = false;
  for (py::handle base : type.attr("__mro__")) {
    if (after && !base.is(pybind_object) && !base.is(object) &&
        !is_native_type(reinterpret_cast<PyTypeObject*>(base.ptr()))) {
      py::dict names(base.attr("__dict__"));
      if (names.contains("__init__")) return names["__init__"];
    }
    after = after || base.is(native);
  }
  return {};
}

/// "3, foo=4" of a call.
std::string spelt(py::handle args, py::handle kwargs) {
  std::vector<std::string> out;
  for (py::handle arg : args) out.push_back(py::repr(arg));
  if (kwargs)
    for (auto [key, item] : py::reinterpret_borrow<py::dict>(kwargs))
      out.push_back(str(std::string(py::str(key)), "=",
                        std::string(py::str(py::repr(item)))));
  return join(out);
}

void pass_on_init(PyTypeObject* native, PyObject* self, PyObject* args,
                  PyObject* kwargs) {
  PyTypeObject* type = Py_TYPE(self);
  py::handle given(args);
  py::dict named;
  if (kwargs) named = py::reinterpret_borrow<py::dict>(kwargs);
  if (py::object next = next_init(reinterpret_cast<PyObject*>(type),
                                  reinterpret_cast<PyObject*>(native))) {
    next(py::handle(self), *py::reinterpret_borrow<py::args>(given), **named);
    return;
  }
  // A __new__ in Python took the arguments: as object.__init__, say nothing.
  if (PyTuple_GET_SIZE(args) == 0 && named.empty()) return;
  if (type->tp_new != native->tp_new) return;
  std::string name = type->tp_name;
  fail(Kind::kType, name.substr(name.rfind('.') + 1),
       "takes no arguments, not ", spelt(given, named));
}

PyObject* python_owner(const ModulePtr& module) {
  auto* deleter =
      std::get_deleter<py::detail::smart_holder_type_caster_support::
                           shared_ptr_trampoline_self_life_support>(module);
  return deleter ? deleter->self : nullptr;
}

class GcVisitor final : public Fields {
 public:
  GcVisitor(visitproc visit, void* arg) : visit_(visit), arg_(arg) {}
  void child(std::string_view, ChildSlot& slot) override {
    // Shared with other C++ owners: reachable from there, as far as we know.
    if (result != 0 || slot.use_count() != 1) return;
    ModulePtr module = slot.share();
    PyObject* object = python_owner(module);
    if (!object)
      if (auto* holder = dynamic_cast<PyHolder*>(module.get()))
        object = holder->object();
    if (object) result = visit_(object, arg_);
  }
  void value(std::string_view, ValueSlot&) override {}
  int result = 0;

 private:
  visitproc visit_;
  void* arg_;
};

class GcClear final : public Fields {
 public:
  void child(std::string_view, ChildSlot& slot) override {
    if (slot.get()) slot.set(nullptr);
  }
  void value(std::string_view, ValueSlot&) override {}
};

/// The Modules of the object (several for several C++ bases); none while the
/// object is being made.
template <class F>
void for_each_module(PyObject* self, F&& f) {
  auto* instance = reinterpret_cast<py::detail::instance*>(self);
  // The collector may run inside tp_new, before there is any storage.
  if (!instance->simple_layout && !instance->nonsimple.values_and_holders)
    return;
  for (auto& holder : py::detail::values_and_holders(instance)) {
    if (!holder.holder_constructed() || !holder.value_ptr()) continue;
    // Every bound class derives from Module first and once: one address.
    f(*static_cast<Module*>(holder.value_ptr()));
  }
}

}  // namespace

int init_next(PyTypeObject* native, PyObject* self, PyObject* args,
              PyObject* kwargs) {
  try {
    pass_on_init(native, self, args, kwargs);
    return 0;
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const Error& e) {
    PyErr_SetString(error_class(e.kind()), e.what());
  }
  return -1;
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  bool exact = Py_TYPE(self)->tp_traverse == traverse;
  if (exact) Py_VISIT(Py_TYPE(self));
#if PY_VERSION_HEX >= 0x030D0000
  if (int r = PyObject_VisitManagedDict(self, visit, arg)) return r;
#else
  // On 3.11 the traverse of a Python subclass has visited the dict already: a
  // second visit would count its references twice, and leak every cycle.
  if (exact || PY_VERSION_HEX >= 0x030C0000)
    if (PyObject** dict = _PyObject_GetDictPtr(self)) Py_VISIT(*dict);
#endif
  int result = 0;
  for_each_module(self, [&](Module& module) {
    if (result != 0 || module.running.load() != 0) return;
    GcVisitor visitor(visit, arg);
    module.fields(visitor);
    if (module.has_callbacks())
      module.callbacks().visit(
          [&](ChildSlot& slot) { visitor.child("", slot); });
    result = visitor.result;
    auto* holds = dynamic_cast<PyReferences*>(&module);
    if (holds && result == 0) result = holds->visit_references(visit, arg);
  });
  return result;
}

int clear(PyObject* self) {
  for_each_module(self, [](Module& module) {
    if (module.running.load() != 0) return;
    GcClear cleaner;
    module.fields(cleaner);
    if (module.has_callbacks()) module.callbacks().clear();
    if (auto* holds = dynamic_cast<PyReferences*>(&module))
      holds->clear_references();
  });
#if PY_VERSION_HEX >= 0x030D0000
  PyObject_ClearManagedDict(self);
#else
  if (PyObject** dict = _PyObject_GetDictPtr(self)) Py_CLEAR(*dict);
#endif
  return 0;
}

}  // namespace ptutils::bindings
