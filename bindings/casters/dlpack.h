#pragma once

#include <pybind11/pybind11.h>

#include <optional>

#include "ptutils/tensor/tensor.h"

/// DLPack 1.x both ways (dmlc/dlpack, Apache-2.0: the structures are its ABI).
namespace ptutils::bindings {
namespace py = pybind11;

/// A capsule that shares the tensor's memory: "dltensor_versioned" (with the
/// read-only flag, and the copied one) or, for consumers that know no versions,
/// "dltensor". Every dtype has a DLPack code.
py::capsule to_dlpack(const Tensor& tensor, bool versioned,
                      bool copied = false);

/// Takes what object.__dlpack__() gives, CPU only; `why` says what it cannot.
std::optional<Tensor> from_dlpack(py::handle object, std::string& why);

/// The same for torch tensors, by the C functions that `torch.Tensor` offers
/// (`__dlpack_c_exchange_api__`; a torch without them: by capsules). The tensor
/// is on the CPU, strided, without conj or neg bits; it may require gradients.
std::optional<Tensor> from_torch_dlpack(py::handle tensor, std::string& why);
/// A torch.Tensor that shares the memory. Imports torch.
py::object to_torch_dlpack(const Tensor& tensor);

}  // namespace ptutils::bindings
