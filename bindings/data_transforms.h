#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <string_view>

#include "lifetime.h"
#include "ptutils/data/dataset.h"

namespace ptutils::bindings {
namespace py = pybind11;

/// A transform as it is, a function wrapped.
std::shared_ptr<data::Transform> transform_in(py::handle given,
                                              std::string_view where);
/// The transform, or the function itself.
py::object transform_out(const std::shared_ptr<data::Transform>& transform);
/// One, or a list of them; None: none.
data::Chain chain_in(py::handle given, std::string_view where);
/// A dict of chains by field, or a chain for the first field.
data::Preprocessor preprocessor_in(py::handle given, std::string_view where);
/// The same as a dict; None where there is none.
py::object preprocessor_out(const data::Preprocessor& preprocessor);

void def_transforms(py::module_& m);

}  // namespace ptutils::bindings
