#pragma once

#include <string>
#include <string_view>

#include "casters/child.h"

namespace ptutils::bindings {

/// A function, or another callable object without a state, as a part: a
/// criterion that is written as `lambda outputs, targets: …`.
class Function final : public Foreign {
 public:
  using Foreign::Foreign;
  std::string class_name() const override;
  Value state_dict(bool) override { return Value(Dict()); }
  void load_partial(const Value&) override {}
  Value call(const Value& arguments) override;
  void train(bool mode) override { Module::train(mode); }
};

/// child_in; in a slot that takes any callable also one that is no part.
ModulePtr callable_in(py::handle object, std::string_view where);

}  // namespace ptutils::bindings
