#include "casters/variable.h"

#include "ptutils/nn/autograd.h"

namespace ptutils::bindings {

std::optional<Value> variable_from(py::handle object) {
  if (!py::isinstance<nn::detail::Node>(object)) return std::nullopt;
  return nn::wrap(
      nn::Variable(py::cast<std::shared_ptr<nn::detail::Node>>(object)));
}

std::optional<py::object> variable_to(const std::shared_ptr<Opaque>& opaque) {
  auto* held = dynamic_cast<nn::VariableHandle*>(opaque.get());
  if (!held) return std::nullopt;
  return py::cast(held->variable.node());
}

}  // namespace ptutils::bindings
