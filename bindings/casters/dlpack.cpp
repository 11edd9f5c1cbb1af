#include "casters/dlpack.h"

#include <cstdint>

#include "casters/value.h"
#include "gil.h"

namespace ptutils::bindings {

namespace {

// The ABI of DLPack 1.0 (dlpack.h).
struct DLDevice {
  std::int32_t device_type;
  std::int32_t device_id;
};
struct DLDataType {
  std::uint8_t code, bits;
  std::uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  std::int32_t ndim;
  DLDataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;
  std::uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensor*);
};
struct DLPackVersion {
  std::uint32_t major, minor;
};
struct DLManagedTensorVersioned {
  DLPackVersion version;
  void* manager_ctx;
  void (*deleter)(DLManagedTensorVersioned*);
  std::uint64_t flags;
  DLTensor dl_tensor;
};
/// What torch.Tensor.__dlpack_c_exchange_api__ holds (DLPack 1.2). Only the
/// members that are used have their type.
struct ExchangeApi {
  DLPackVersion version;
  ExchangeApi* previous;
  void* allocate;
  int (*from_object)(void* object, DLManagedTensorVersioned** out);
  int (*to_object)(DLManagedTensorVersioned* tensor, void** out);
};
constexpr std::uint64_t kReadOnly = 1, kCopied = 2;
constexpr std::int32_t kCPU = 1;
enum Code : std::uint8_t {
  kInt = 0,
  kUInt = 1,
  kFloat = 2,
  kBfloat = 4,
  kComplex = 5,
  kBool = 6,
};

DLDataType to_code(DType dtype) {
  auto bits = static_cast<std::uint8_t>(item_size(dtype) * 8);
  if (dtype == DType::kBool) return {kBool, 8, 1};
  if (dtype == DType::kBF16) return {kBfloat, 16, 1};
  if (is_complex(dtype)) return {kComplex, bits, 1};
  if (is_floating(dtype)) return {kFloat, bits, 1};
  return {is_signed(dtype) ? kInt : kUInt, bits, 1};
}

std::optional<DType> from_code(DLDataType code) {
  if (code.lanes != 1) return std::nullopt;
  for (int i = 0; i < kDTypeCount; ++i) {
    auto dtype = static_cast<DType>(i);
    DLDataType ours = to_code(dtype);
    if (ours.code == code.code && ours.bits == code.bits) return dtype;
  }
  return std::nullopt;
}

/// What an exported capsule keeps: the storage and the shape's memory.
struct Context {
  std::shared_ptr<Storage> storage;
  Dims shape, strides;
};

void fill(DLTensor& out, const Tensor& tensor, Context& context) {
  out.data = tensor.bytes();
  out.device = {kCPU, 0};
  out.ndim = static_cast<std::int32_t>(tensor.dim());
  out.dtype = to_code(tensor.dtype());
  out.shape = context.shape.data();
  out.strides = context.strides.data();
  out.byte_offset = 0;
}

template <class Managed>
void delete_managed(Managed* managed) {
  delete static_cast<Context*>(managed->manager_ctx);
  delete managed;
}

/// A capsule nobody took frees what it holds; a taken one was renamed.
template <class Managed>
py::capsule capsule_of(Managed* managed, const char* name) {
  PyObject* raw = PyCapsule_New(managed, name, [](PyObject* self) {
    const char* now = PyCapsule_GetName(self);
    if (!now || std::string_view(now).starts_with("used_")) return;
    auto* held = static_cast<Managed*>(PyCapsule_GetPointer(self, now));
    if (held && held->deleter) held->deleter(held);
  });
  if (!raw) throw py::error_already_set();
  return py::reinterpret_steal<py::capsule>(raw);
}

std::optional<Tensor> view_of(const DLTensor& dl, std::shared_ptr<void> owner,
                              bool read_only, std::string& why) {
  if (dl.device.device_type != kCPU) {
    why = "its memory is on another device: copy it to the CPU first";
    return std::nullopt;
  }
  auto dtype = from_code(dl.dtype);
  if (!dtype) {
    why = str("DLPack type code ", static_cast<int>(dl.dtype.code), " of ",
              static_cast<int>(dl.dtype.bits), " bits has no counterpart");
    return std::nullopt;
  }
  Dims shape(dl.shape, dl.shape + dl.ndim);
  Dims strides = dl.strides ? Dims(dl.strides, dl.strides + dl.ndim)
                            : contiguous_strides(shape);
  std::int64_t extent = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) extent = 0;
    if (strides[i] < 0) {
      why = "negative strides: make it contiguous first";
      return std::nullopt;
    }
  }
  if (extent == 0) {
    strides = contiguous_strides(shape);
  } else {
    for (std::size_t i = 0; i < shape.size(); ++i)
      extent += (shape[i] - 1) * strides[i];
  }
  auto* data = static_cast<std::byte*>(dl.data) + dl.byte_offset;
  auto storage =
      Storage::wrap(data, static_cast<std::size_t>(extent) * item_size(*dtype),
                    std::move(owner), read_only);
  return Tensor::view(std::move(storage), *dtype, std::move(shape),
                      std::move(strides));
}

template <class Managed>
std::shared_ptr<void> own(Managed* managed) {
  return {managed, [](Managed* m) {
            if (!m->deleter || finalizing()) return;
            Gil gil;
            m->deleter(m);
          }};
}

std::optional<Tensor> take(DLManagedTensorVersioned* managed,
                           std::string& why) {
  if (managed->version.major > 1) {
    why = str("DLPack version ", managed->version.major, " is too new");
    if (managed->deleter) managed->deleter(managed);
    return std::nullopt;
  }
  return view_of(managed->dl_tensor, own(managed),
                 (managed->flags & kReadOnly) != 0, why);
}

py::object ask_capsule(py::handle object) {
  py::object method = object.attr("__dlpack__");
  try {
    return method(py::arg("max_version") = py::make_tuple(1, 0));
  } catch (py::error_already_set& e) {
    if (!e.matches(PyExc_TypeError)) throw;
    return method();  // before DLPack 1.0: no such argument
  }
}

DLManagedTensorVersioned* versioned_of(const Tensor& tensor, bool copied) {
  auto context = std::make_unique<Context>(
      Context{tensor.storage(), tensor.shape(), tensor.strides()});
  auto* managed = new DLManagedTensorVersioned{};
  managed->version = {1, 0};
  managed->deleter = delete_managed<DLManagedTensorVersioned>;
  managed->flags =
      (tensor.read_only() ? kReadOnly : 0) | (copied ? kCopied : 0);
  fill(managed->dl_tensor, tensor, *context);
  managed->manager_ctx = context.release();
  return managed;
}

/// torch's table of C functions; null where this torch has none of version 1.
const ExchangeApi* torch_api() {
  static const ExchangeApi* api = [] {
    py::object type = py::module_::import("torch").attr("Tensor");
    py::object capsule =
        py::getattr(type, "__dlpack_c_exchange_api__", py::none());
    if (!PyCapsule_IsValid(capsule.ptr(), "dlpack_exchange_api"))
      return static_cast<const ExchangeApi*>(nullptr);
    auto* found = static_cast<const ExchangeApi*>(
        PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
    while (found && found->version.major > 1) found = found->previous;
    return found && found->version.major == 1 ? found : nullptr;
  }();
  return api;
}

}  // namespace

py::capsule to_dlpack(const Tensor& tensor, bool versioned, bool copied) {
  if (versioned)
    return capsule_of(versioned_of(tensor, copied), "dltensor_versioned");
  auto context = std::make_unique<Context>(
      Context{tensor.storage(), tensor.shape(), tensor.strides()});
  auto* managed = new DLManagedTensor{};
  managed->deleter = delete_managed<DLManagedTensor>;
  fill(managed->dl_tensor, tensor, *context);
  managed->manager_ctx = context.release();
  return capsule_of(managed, "dltensor");
}

std::optional<Tensor> from_dlpack(py::handle object, std::string& why) {
  py::object capsule = ask_capsule(object);
  const char* name = PyCapsule_GetName(capsule.ptr());
  if (!name) PyErr_Clear();  // not a capsule at all
  if (name && std::string_view(name) == "dltensor_versioned") {
    auto* managed = static_cast<DLManagedTensorVersioned*>(
        PyCapsule_GetPointer(capsule.ptr(), name));
    PyCapsule_SetName(capsule.ptr(), "used_dltensor_versioned");
    return take(managed, why);
  }
  if (name && std::string_view(name) == "dltensor") {
    auto* managed = static_cast<DLManagedTensor*>(
        PyCapsule_GetPointer(capsule.ptr(), name));
    PyCapsule_SetName(capsule.ptr(), "used_dltensor");
    return view_of(managed->dl_tensor, own(managed), false, why);
  }
  why = "__dlpack__ gave no DLPack capsule";
  return std::nullopt;
}

std::optional<Tensor> from_torch_dlpack(py::handle tensor, std::string& why) {
  const ExchangeApi* api = torch_api();
  try {
    if (!api) return from_dlpack(tensor.attr("detach")(), why);
    DLManagedTensorVersioned* managed = nullptr;
    if (api->from_object(tensor.ptr(), &managed) != 0)
      throw py::error_already_set();
    return take(managed, why);
  } catch (py::error_already_set& e) {  // a dtype that DLPack has no code for
    why = py::str(e.value());
    return std::nullopt;
  }
}

py::object to_torch_dlpack(const Tensor& tensor) {
  const ExchangeApi* api = torch_api();
  if (!api)
    return py::module_::import("torch").attr("from_dlpack")(
        to_dlpack(tensor, false));
  void* out = nullptr;
  DLManagedTensorVersioned* managed = versioned_of(tensor, false);
  if (api->to_object(managed, &out) != 0) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(static_cast<PyObject*>(out));
}

}  // namespace ptutils::bindings
