#pragma once

#include <pybind11/pybind11.h>

#include "ptutils/module/value.h"

namespace ptutils::bindings {
namespace py = pybind11;

/// A Python object carried inside a Value. Drops its reference under the GIL,
/// and not at all once the interpreter is going down.
class PyOpaque final : public Opaque {
 public:
  explicit PyOpaque(py::object object) : object_(object.release().ptr()) {}
  ~PyOpaque() override;
  std::string type_name() const override;
  std::string advice() const override;
  PyObject* object() const { return object_; }

 private:
  PyObject* object_;
};

/// Exact: types are checked exactly (np.float64 is not a float, an IntEnum not
/// an int); containers are walked; a tensor shares memory; a Module, or an
/// object of another kind, is carried as Opaque. Nesting over 500 (a cycle) and
/// keys that are neither text nor int are errors that name `path`.
Value to_value(py::handle object, const std::string& path = "");
/// The inverse. Tensors share memory.
py::object to_python(const Value& value);
/// True when there is no Opaque anywhere in it.
bool is_plain(const Value& value);

/// Python's classes of the two kinds of dict, and those that plain dicts have
/// become inside them: (State, Configuration, (Branch, Section, …)).
void set_dict_types(py::object state, py::object configuration,
                    const py::tuple& plain);

/// True once the interpreter is going down: no reference may be dropped.
bool finalizing();

}  // namespace ptutils::bindings

namespace pybind11::detail {

template <>
struct type_caster<ptutils::Value> {
  PYBIND11_TYPE_CASTER(ptutils::Value, const_name("object"));
  bool load(handle source, bool) {
    value = ptutils::bindings::to_value(source);
    return true;
  }
  static handle cast(const ptutils::Value& v, return_value_policy, handle) {
    return ptutils::bindings::to_python(v).release();
  }
};

}  // namespace pybind11::detail
