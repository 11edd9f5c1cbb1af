#pragma once

#include "casters/value.h"
#include "data.h"
#include "gil.h"
#include "lifetime.h"

namespace ptutils::bindings {
namespace py = pybind11;

/// A Python subclass gives batches by __next__ (StopIteration ends an epoch).
template <class Base>
class PyLoaderBase : public PyModule<Base> {
 public:
  using PyModule<Base>::PyModule;
  bool next(Value& batch) override {
    if (!this->overrides(Method::kNext)) {
      if constexpr (std::is_abstract_v<Base>)
        fail(Kind::kNotImplemented, this->class_name(),
             "defines no __next__(self)");
      else
        return Base::next(batch);
    }
    Gil gil;
    try {
      batch = to_value(this->call_python(Method::kNext), "batch");
      return true;
    } catch (py::error_already_set& error) {
      if (!error.matches(PyExc_StopIteration)) throw;
      return false;
    }
  }
  std::int64_t length() const override {
    if (!this->overrides(Method::kLen)) return Base::length();
    Gil gil;
    return this->int_from_python(Method::kLen);
  }
  void rewind() override {
    named("rewind", [this] { Base::rewind(); });
  }
  void close() override {
    named("close", [this] { Base::close(); });
  }

 private:
  /// Calls a Python method of that name, or the class's own.
  template <class F>
  void named(const char* name, F&& own) {
    Gil gil;
    PyObject* found = this->self() ? _PyType_Lookup(Py_TYPE(this->self()),
                                                    py::str(name).ptr())
                                   : nullptr;
    if (found && PyFunction_Check(found))
      py::handle(this->self()).attr(name)();
    else
      own();
  }
};

}  // namespace ptutils::bindings
