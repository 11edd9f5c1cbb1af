#pragma once

#include <pybind11/pybind11.h>

#include <optional>

#include "ptutils/tensor/tensor.h"

/// DLPack 1.x both ways (dmlc/dlpack, Apache-2.0: the structures are its ABI).
namespace ptutils::bindings {
namespace py = pybind11;

/// A capsule that shares the tensor's memory: "dltensor_versioned" (with the
/// read-only flag) or, for consumers that know no versions, "dltensor".
/// Kind::kType for a dtype without a DLPack code is impossible: all have one.
py::capsule to_dlpack(const Tensor& tensor, bool versioned);

/// Takes what object.__dlpack__() gives, CPU only; `why` says what it cannot.
std::optional<Tensor> from_dlpack(py::handle object, std::string& why);

}  // namespace ptutils::bindings
