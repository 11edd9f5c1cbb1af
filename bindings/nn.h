#pragma once

#include <pybind11/pybind11.h>

#include <string_view>
#include <vector>

#include "ptutils/module/value.h"
#include "ptutils/nn/autograd.h"

namespace ptutils::bindings {
namespace py = pybind11;

/// A Variable, or a leaf over what tensor_from takes; TypeError "[where] …".
nn::Variable variable_or_fail(py::handle object, std::string_view where);
/// The ptutils.nn.Variable of it; the same object while one is alive.
py::object variable_out(const nn::Variable& variable);
/// What a layer gives to its caller in Python: the Variable inside a forward or
/// where gradients are recorded, else its data as a ptutils.Tensor.
py::object output_of(const nn::Variable& variable);

/// While one lives, layers called on this thread are parts of a forward: they
/// give Variables even where no gradient is recorded.
class InsideForward {
 public:
  InsideForward();
  ~InsideForward();
  InsideForward(const InsideForward&) = delete;
  InsideForward& operator=(const InsideForward&) = delete;
};

/// What CrossEntropyLoss and cross_entropy take, as the core has it.
nn::CrossEntropyOptions cross_entropy_options(const py::object& weight,
                                              std::int64_t ignore_index,
                                              const std::string& reduction,
                                              double label_smoothing);

/// Variables out of any iterable of them (or of (name, Variable) pairs).
std::vector<nn::Variable> variables_of(py::handle iterable,
                                       std::string_view where);

void def_variable(py::module_& m);
void def_layers(py::module_& m);
void def_optim(py::module_& m);

}  // namespace ptutils::bindings
