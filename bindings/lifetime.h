#pragma once

// The one file that touches pybind11's internals (checked against 3.x).

#include <pybind11/pybind11.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include "attributes.h"
#include "casters/child.h"
#include "casters/value.h"
#include "gil.h"
#include "ptutils/module/callbacks.h"
#include "ptutils/module/module.h"

static_assert(PYBIND11_VERSION_MAJOR == 3,
              "lifetime.h knows the internals of pybind11 3");

namespace ptutils::bindings {
namespace py = pybind11;

/// Methods that Python subclasses may override. One table; a trampoline asks
/// it, a binding calls past the override through `direct`.
enum class Method : int {
  kStateDict,
  kLoadStateDict,
  kCall,
  kToConfig,
  kTrain,  // Module
  kForward,
  kLoss,
  kStep,
  kZeroGrad,  // nn
  kLen,
  kGetItem,
  kGetItems,
  kOrder,
  kBatches,
  kIterate,
  kProvide,
  kRequest,
  kNext,
  kRead,  // data
  kModelForward,
  kModelLoss,
  kComputeGradients,
  kApplyGradients,  // session
  kModelStep,
  kOptimize,
  kValidate,
  kRun,
  kSave,
  kFind,
  kLoadFromId,
  kDbUpdate,
  kRemove,
  kSync,
  kClose,
  kLocation,
  kCount,
};
PyObject* interned(Method method);  // borrowed

/// The Python side of a trampoline object: its wrapper and what the wrapper's
/// class overrides, looked up once.
class PySelf {
 public:
  virtual ~PySelf() = default;
  /// The wrapper (borrowed); it lives as long as the C++ object.
  virtual PyObject* self() const = 0;

  /// Whether the class overrides it in Python. Takes the GIL the first time.
  bool overrides(Method method) const {
    std::uint64_t bit = std::uint64_t{1} << static_cast<int>(method);
    if (!(known_.load(std::memory_order_acquire) & bit)) look_up(method, bit);
    return yes_.load(std::memory_order_relaxed) & bit;
  }
  /// overrides(), unless a binding is calling past it (super()).
  bool to_python(Method method) const {
    std::uint64_t bit = std::uint64_t{1} << static_cast<int>(method);
    if (direct_ & bit) {
      direct_ &= ~bit;
      return false;
    }
    return overrides(method);
  }
  void set_direct(Method method) const {
    direct_ |= std::uint64_t{1} << static_cast<int>(method);
  }
  /// While one lives, load_state_dict's override has handed over to its base
  /// (super()): the class's own state is checked and loaded by the core.
  class LoadsHere {
   public:
    explicit LoadsHere(const PySelf* self) : self_(self) {
      if (self_) before_ = std::exchange(self_->loads_here_, true);
    }
    ~LoadsHere() {
      if (self_) self_->loads_here_ = before_;
    }
    LoadsHere(const LoadsHere&) = delete;
    LoadsHere& operator=(const LoadsHere&) = delete;

   private:
    const PySelf* self_;
    bool before_ = false;
  };
  bool loads_in_python() const {
    return !loads_here_ && overrides(Method::kLoadStateDict);
  }
  /// Calls the override; the GIL must be held.
  template <class... Args>
  py::object call_python(Method method, Args&&... args) const {
    std::array<py::object, sizeof...(Args)> owned{
        py::reinterpret_borrow<py::object>(
            py::detail::object_or_cast(std::forward<Args>(args)))...};
    std::array<PyObject*, sizeof...(Args) + 1> raw;
    raw[0] = self();
    for (std::size_t i = 0; i < owned.size(); ++i) raw[i + 1] = owned[i].ptr();
    PyObject* result = PyObject_VectorcallMethod(interned(method), raw.data(),
                                                 raw.size(), nullptr);
    if (!result) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(result);
  }
  /// call_python of one that is to return a whole number.
  std::int64_t int_from_python(Method method) const;

 private:
  void look_up(Method method, std::uint64_t bit) const;
  mutable std::atomic<std::uint64_t> known_{0}, yes_{0};
  mutable std::uint64_t direct_ = 0;  // under the GIL
  mutable bool loads_here_ = false;
};

/// Marks that the next virtual call of `method` on `module` comes from its
/// Python binding: the trampoline goes to the C++ base, not back to Python.
inline void direct(const Module& module, Method method) {
  if (auto* self = dynamic_cast<const PySelf*>(&module))
    self->set_direct(method);
}

/// The nested `class Meta` of the object's class.
Meta read_meta(PyObject* self);
/// "module.Class" of a Python subclass; empty for a class of ours.
std::string python_class_name(PyObject* self);
/// A whole number of 64 bits; nothing for any other object.
std::optional<std::int64_t> index_in(py::handle given);
/// {"func": …, remembered constructor arguments…} of a Python subclass.
Value python_config(PyObject* self);
/// Notes that the class is one that the bindings define.
void add_native_type(PyTypeObject* type);
bool is_native_type(PyTypeObject* type);

/// The trampoline of every Module class: what Module's virtuals do when the
/// class was extended in Python. Classes with more virtuals derive from it.
template <class Base>
class PyModule : public Base,
                 public py::trampoline_self_life_support,
                 public PySelf {
 public:
  using Base::Base;
  using Bound = Base;

  PyObject* self() const override {
    if (!self_) {
      Gil gil;
      self_ =
          py::detail::get_object_handle(static_cast<const Base*>(this),
                                        py::detail::get_type_info(typeid(Base)))
              .ptr();
    }
    return self_;
  }

  std::string class_name() const override {
    Gil gil;
    if (!self() || is_native_type(Py_TYPE(self()))) return Base::class_name();
    return python_class_name(self());
  }
  void dynamic_fields(Fields& f) override {
    Gil gil;
    if (self()) visit_attributes(self(), meta(), f);
  }
  Meta meta() const override {
    Gil gil;
    if (!self() || is_native_type(Py_TYPE(self()))) return Base::meta();
    Meta out = read_meta(self());
    for (const std::string& name : Base::meta().exclude)
      out.exclude.push_back(name);
    return out;
  }
  Value state_dict(bool copy = true) override {
    if (!to_python(Method::kStateDict)) return Base::state_dict(copy);
    Gil gil;
    Value state = to_value(call_python(Method::kStateDict), "state_dict()");
    return copy ? state.clone() : state;
  }
  void load_state_dict(const Value& state) override {
    if (!to_python(Method::kLoadStateDict)) {
      LoadsHere here(this);
      return Base::load_state_dict(state);
    }
    Gil gil;
    call_python(Method::kLoadStateDict, bindings::to_python(state.clone()));
  }
  void check_state(const Value& state, const std::string& prefix, bool strict,
                   Mismatch& out) override {
    if (loads_in_python()) return;  // its own say
    Base::check_state(state, prefix, strict, out);
  }
  void load_partial(const Value& state) override {
    if (!loads_in_python()) return Base::load_partial(state);
    load_state_dict(state);
  }
  bool loads_itself() const override { return loads_in_python(); }
  Value call(const Value& arguments) override {
    if (!to_python(Method::kCall)) return Base::call(arguments);
    Gil gil;
    py::object args = bindings::to_python(arguments);
    if (!PyTuple_Check(args.ptr())) args = py::make_tuple(args);
    return to_value(
        py::handle(self())(*py::reinterpret_borrow<py::tuple>(args)));
  }
  Value to_config() override {
    Gil gil;
    if (to_python(Method::kToConfig))
      return to_value(call_python(Method::kToConfig), "to_config()");
    if (!self() || is_native_type(Py_TYPE(self()))) return Base::to_config();
    return python_config(self());
  }
  void train(bool mode = true) override {
    if (!to_python(Method::kTrain)) return Base::train(mode);
    Gil gil;
    call_python(Method::kTrain, mode);
  }

 private:
  mutable PyObject* self_ = nullptr;
};

/// While one lives, a thread is in a call that lets go of the interpreter's
/// lock (made and destroyed under it): the collector leaves the module alone,
/// and the process's end waits for the call. Python would kill its thread when
/// that asks for the lock, by an unwinding that C++ calls std::terminate for.
class InCore {
 public:
  explicit InCore(Module& module);
  ~InCore();
  InCore(const InCore&) = delete;
  InCore& operator=(const InCore&) = delete;
  /// The process is ending, and this is not its main thread.
  static bool too_late();
  /// Waits some time until no thread is in such a call.
  static void await_all();

 private:
  Module& module_;
};

/// Python objects that a Module of the bindings holds beside its fields (a
/// function), shown to the garbage collector.
class PyReferences {
 public:
  virtual ~PyReferences() = default;
  virtual int visit_references(visitproc visit, void* arg) = 0;
  virtual void clear_references() = 0;
};

// The garbage collector's view of a Module object.
int traverse(PyObject* self, visitproc visit, void* arg);
int clear(PyObject* self);

/// tp_new of classes that can be built without arguments: the C++ part exists
/// before, and whether or not, __init__ runs.
template <class T, class Trampoline>
PyObject* new_built(PyTypeObject* type, PyObject* args, PyObject* kwargs);
/// tp_init of the same classes, which have no arguments: as in cooperative
/// inheritance they go to the next class in the method resolution order that
/// is not ours (torch.nn.Module, a mixin); where there is none, they are an
/// error.
template <class T>
int init_built(PyObject* self, PyObject* args, PyObject* kwargs);
int init_next(PyTypeObject* native, PyObject* self, PyObject* args,
              PyObject* kwargs);
/// tp_new of the others.
PyObject* new_plain(PyTypeObject* type, PyObject* args, PyObject* kwargs);
/// Keeps a Python subclass's constructor arguments for to_config.
void remember_arguments(PyObject* self, PyObject* args, PyObject* kwargs);

template <class T, class Trampoline>
PyObject* new_built(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  PyObject* self = py::detail::make_new_instance(type);
  if (!self) return nullptr;
  try {
    auto* instance = reinterpret_cast<py::detail::instance*>(self);
    auto holder =
        instance->get_value_and_holder(py::detail::get_type_info(typeid(T)));
    holder.value_ptr() = static_cast<T*>(new Trampoline());
    holder.type->init_instance(instance, nullptr);
    remember_arguments(self, args, kwargs);
  } catch (py::error_already_set& e) {
    e.restore();
    Py_DECREF(self);
    return nullptr;
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
    Py_DECREF(self);
    return nullptr;
  }
  return self;
}

template <class T>
int init_built(PyObject* self, PyObject* args, PyObject* kwargs) {
  return init_next(py::detail::get_type_info(typeid(T))->type, self, args,
                   kwargs);
}

/// Declares a Module class: attributes, garbage collection, identity. Always
/// define constructors with py::init_alias (never py::init): a wrapper without
/// trampoline would lose its Python attributes with its last Python reference.
///
/// kBuilt: the class means something without arguments, and may be subclassed
/// by classes whose __init__ never calls super().__init__().
template <class T, class Base, class Trampoline, bool kBuilt>
auto bind_module(py::module_& m, const char* name, const char* public_module,
                 const char* doc) {
  auto setup = py::custom_type_setup([](PyHeapTypeObject* heap) {
    PyTypeObject* type = &heap->ht_type;
    type->tp_flags |= Py_TPFLAGS_HAVE_GC;
    type->tp_traverse = traverse;
    type->tp_clear = clear;
    if constexpr (kBuilt) {
      type->tp_new = new_built<T, Trampoline>;
      type->tp_init = init_built<T>;
    } else {
      type->tp_new = new_plain;
    }
  });
  auto finish = [&](auto cls) {
    cls.attr("__module__") = public_module;
    add_native_type(reinterpret_cast<PyTypeObject*>(cls.ptr()));
    return cls;
  };
  if constexpr (std::is_void_v<Base>)
    return finish(
        py::classh<T, Trampoline>(m, name, doc, setup, py::dynamic_attr()));
  else
    return finish(py::classh<T, Base, Trampoline>(m, name, doc, setup,
                                                  py::dynamic_attr()));
}

/// The arguments of a class whose configuration they are.
template <class T>
py::dict config_arguments(T& self) {
  py::dict arguments = bindings::to_python(self.T::to_config());
  arguments.attr("pop")("func");
  return arguments;
}

/// They are its arguments for copies.
template <class T, class Class>
void def_constructor(Class& cls) {
  cls.def("_constructor", &config_arguments<T>);
}

}  // namespace ptutils::bindings
