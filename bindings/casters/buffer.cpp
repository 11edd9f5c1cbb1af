#include "casters/buffer.h"

#include <memory>
#include <string_view>

#include "casters/value.h"
#include "gil.h"

namespace ptutils::bindings {

namespace {

/// By kind and size: the codes' sizes depend on the platform.
std::optional<DType> dtype_of_format(std::string_view format, Py_ssize_t item) {
  if (!format.empty() && std::string_view("@=<").find(format[0]) != format.npos)
    format.remove_prefix(1);
  else if (!format.empty() && (format[0] == '>' || format[0] == '!') &&
           item == 1)
    format.remove_prefix(1);
  auto one_of = [&](std::string_view codes) {
    return format.size() == 1 && codes.find(format[0]) != codes.npos;
  };
  auto sized = [&](std::initializer_list<DType> dtypes) {
    for (DType dtype : dtypes)
      if (static_cast<Py_ssize_t>(item_size(dtype)) == item)
        return std::optional(dtype);
    return std::optional<DType>();
  };
  if (one_of("?")) return sized({DType::kBool});
  if (one_of("BHILQN"))
    return sized({DType::kU8, DType::kU16, DType::kU32, DType::kU64});
  if (one_of("bhilqn"))
    return sized({DType::kI8, DType::kI16, DType::kI32, DType::kI64});
  if (one_of("efd")) return sized({DType::kF16, DType::kF32, DType::kF64});
  if (format == "Zf" || format == "Zd")
    return sized({DType::kC64, DType::kC128});
  return std::nullopt;
}

const char* format_of(DType dtype) {
  // 'l' rather than 'q': NumPy's int64 is C's long here.
  static const char* codes[] = {"?", "B", "H", "I", "L", "b",  "h", "i",
                                "l", "e", "",  "f", "d", "Zf", "Zd"};
  return codes[static_cast<int>(dtype)];
}

struct Release {
  void operator()(Py_buffer* view) const {
    if (!finalizing()) {
      Gil gil;
      PyBuffer_Release(view);
    }
    delete view;
  }
};

}  // namespace

std::optional<Tensor> from_buffer(py::handle object, std::string& why) {
  auto* raw = new Py_buffer{};
  if (PyObject_GetBuffer(object.ptr(), raw, PyBUF_FULL_RO) != 0) {
    delete raw;
    py::error_already_set error;
    why =
        str("its buffer cannot be read: ", std::string(py::str(error.value())));
    return std::nullopt;
  }
  std::shared_ptr<Py_buffer> view(raw, Release());
  std::string_view format = view->format ? view->format : "B";
  auto dtype = dtype_of_format(format, view->itemsize);
  if (!dtype) {
    why = str("the buffer format '", format, "' of a ",
              Py_TYPE(object.ptr())->tp_name,
              " has no counterpart: convert it to native numbers first");
    return std::nullopt;
  }
  Dims shape(view->shape, view->shape + view->ndim), strides;
  bool regular = !view->suboffsets;
  for (int i = 0; i < view->ndim; ++i) {
    regular = regular && view->strides[i] >= 0 &&
              view->strides[i] % view->itemsize == 0;
    strides.push_back(view->strides[i] / view->itemsize);
  }
  if (!regular) {
    Tensor copy = Tensor::empty(shape, *dtype);
    if (PyBuffer_ToContiguous(copy.bytes(), raw, view->len, 'C') != 0)
      throw py::error_already_set();
    return copy;
  }
  std::int64_t extent = view->len == 0 ? 0 : 1;
  for (std::size_t i = 0; extent && i < shape.size(); ++i)
    extent += (shape[i] - 1) * strides[i];
  if (!extent) strides = contiguous_strides(shape);
  auto storage =
      Storage::wrap(raw->buf, static_cast<std::size_t>(extent * raw->itemsize),
                    view, raw->readonly != 0);
  return Tensor::view(std::move(storage), *dtype, std::move(shape),
                      std::move(strides));
}

py::buffer_info buffer_of(const Tensor& tensor) {
  if (tensor.dtype() == DType::kBF16)
    fail(Kind::kType, "Tensor",
         "the buffer protocol has no bfloat16: cast it first, .to('f32')");
  auto item = static_cast<py::ssize_t>(item_size(tensor.dtype()));
  std::vector<py::ssize_t> shape(tensor.shape().begin(), tensor.shape().end());
  std::vector<py::ssize_t> strides;
  for (std::int64_t stride : tensor.strides()) strides.push_back(stride * item);
  return py::buffer_info(tensor.bytes(), item, format_of(tensor.dtype()),
                         tensor.dim(), std::move(shape), std::move(strides),
                         tensor.read_only());
}

}  // namespace ptutils::bindings
