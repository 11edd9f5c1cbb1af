#pragma once

#include <vector>

#include "casters/value.h"
#include "data.h"
#include "gil.h"
#include "ptutils/data/transforms.h"

/// Transforms as Python extends them.
namespace ptutils::bindings {

using data::Pending;
using data::Transform;
namespace transforms = data::transforms;

/// `Base` as Python extends it: a subclass defines __call__(self, value).
template <class Base>
class PyTransform : public PyModule<Base> {
 public:
  using PyModule<Base>::PyModule;
  void apply(Pending& sample, Random random) override {
    if (!this->overrides(Method::kCall)) {
      if constexpr (std::is_abstract_v<Base>)
        fail(Kind::kNotImplemented, this->class_name(),
             "defines no __call__(self, value)");
      else
        return Base::apply(sample, random);
    }
    Gil gil;
    sample.set(of_user("transform", [&] {
      return to_value(
          this->call_python(Method::kCall,
                            bindings::to_python(owned(sample.value()))),
          "transform");
    }));
  }
  Value call(const Value& arguments) override {
    return this->overrides(Method::kCall) ? PyModule<Base>::call(arguments)
                                          : Base::call(arguments);
  }
  bool is_python() const override {
    return this->overrides(Method::kCall) || own_python();
  }

 private:
  bool own_python() const {
    if constexpr (std::is_abstract_v<Base>)
      return true;
    else
      return Base::is_python();
  }
};

/// With __init__ left to the caller; its arguments are its configuration's.
template <class T>
auto def_transform(py::module_& m, const char* name, const char* doc) {
  auto cls = bind_module<T, Transform, PyTransform<T>, false>(
      m, name, "ptutils.data.transforms", doc);
  def_constructor<T>(cls);
  return cls;
}

/// One number, or several.
std::vector<double> numbers_in(py::handle given, const char* where);

void def_geometry(py::module_& m);
void def_colours(py::module_& m);

}  // namespace ptutils::bindings
