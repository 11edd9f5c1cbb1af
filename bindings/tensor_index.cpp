#include "casters/literal.h"
#include "ptutils/tensor/ops.h"
#include "tensor.h"

// tensor[key] and tensor[key] = value.

namespace ptutils::bindings {

namespace {

constexpr std::string_view kWhere = "Tensor[...]";

/// The parts of a key, without the ellipsis' position.
std::vector<py::object> parts_of(py::handle key) {
  if (!PyTuple_Check(key.ptr()))
    return {py::reinterpret_borrow<py::object>(key)};
  std::vector<py::object> out;
  for (py::handle part : py::reinterpret_borrow<py::tuple>(key))
    out.push_back(py::reinterpret_borrow<py::object>(part));
  return out;
}

bool is_ellipsis(py::handle part) { return part.ptr() == Py_Ellipsis; }

/// An array of positions, or empty for what is no array with dimensions.
std::optional<Tensor> positions(py::handle part) {
  std::string why;
  std::optional<Tensor> out;
  if (PyList_Check(part.ptr()))
    out = tensor_of(part, {}, kWhere);
  else if (!PyLong_Check(part.ptr()) && !PySlice_Check(part.ptr()))
    out = tensor_from(part, why);
  if (!out) return out;
  bool empty_list = PyList_Check(part.ptr()) && out->numel() == 0;
  if (empty_list) return cast(*out, DType::kI64);
  if (out->dtype() == DType::kBool)
    fail(Kind::kIndex, kWhere,
         "masks are no indices: choose elements with ops.where, rows by their "
         "numbers");
  if (out->dim() == 0 && is_integer(out->dtype())) return std::nullopt;
  return out;
}

class Key {
 public:
  Key(Tensor tensor, py::handle key) : out_(std::move(tensor)) {
    auto parts = parts_of(key);
    std::int64_t used = 0;
    bool ellipsis = false;
    for (const py::object& part : parts) {
      if (is_ellipsis(part) && std::exchange(ellipsis, true))
        fail(Kind::kIndex, kWhere, "more than one `...`");
      used += !part.is_none() && !is_ellipsis(part);
    }
    std::int64_t rest = out_.dim() - used;
    if (rest < 0)
      fail(Kind::kIndex, kWhere, used, " indices for ", out_.dim(),
           " dimensions (shape ", out_.shape_str(), ")");
    for (const py::object& part : parts) {
      if (is_ellipsis(part))
        dim_ += rest;
      else
        apply(part);
    }
    if (array_ && integer_)
      fail(Kind::kIndex, kWhere,
           "an array beside an integer is ambiguous: index twice");
  }
  const Tensor& view() const { return out_; }
  bool copied() const { return array_; }

 private:
  void apply(const py::object& part) {
    if (part.is_none()) {
      out_ = out_.unsqueeze(dim_++);
    } else if (PySlice_Check(part.ptr())) {
      slice(part);
    } else if (auto rows = positions(part)) {
      if (std::exchange(array_, true))
        fail(Kind::kIndex, kWhere, "more than one array: index twice");
      out_ = index_select(out_, dim_++, *rows);
    } else if (PyIndex_Check(part.ptr()) && !PyBool_Check(part.ptr())) {
      Py_ssize_t index = PyNumber_AsSsize_t(part.ptr(), PyExc_IndexError);
      if (index == -1 && PyErr_Occurred())
        refused(PyExc_IndexError, Kind::kIndex);
      out_ = out_.select(dim_, index);
      integer_ = true;
    } else {
      fail(Kind::kIndex, kWhere,
           "indices are integers, slices, None, `...` "
           "and one array of integers, not ",
           std::string(py::repr(part)).substr(0, 60));
    }
  }

  void slice(const py::object& part) {
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(part.ptr(), &start, &stop, &step) != 0)
      refused(PyExc_ValueError, Kind::kValue);
    if (step < 0)
      fail(Kind::kValue, kWhere, "step ", step,
           " must be positive: choose rows in reverse by a list of them");
    PySlice_AdjustIndices(out_.size(dim_), &start, &stop, step);
    out_ = out_.slice(dim_++, start, stop, step);
  }

  /// Python's own refusal of a number, as ours.
  [[noreturn]] static void refused(PyObject* builtin, Kind kind) {
    py::error_already_set error;
    if (error.trace()) throw error;  // of an object's __index__
    if (error.matches(PyExc_TypeError))
      kind = Kind::kType;
    else if (!error.matches(builtin))
      throw error;
    fail(kind, kWhere, std::string(py::str(error.value())));
  }

  Tensor out_;
  std::int64_t dim_ = 0;
  bool array_ = false, integer_ = false;
};

/// The value as a tensor of the target's dtype.
Tensor value_like(const Tensor& target, py::handle value) {
  PyObject* o = value.ptr();
  if (PyList_Check(o) || PyTuple_Check(o) || is_number(value))
    return tensor_of(value, target.dtype(), "Tensor[...] = value");
  Tensor out = tensor_or_fail(value, "Tensor[...] = value");
  if (is_complex(out.dtype()) && !is_complex(target.dtype()))
    fail(Kind::kType, "Tensor[...] = value", name(out.dtype()),
         " numbers have no place in a tensor of ", name(target.dtype()),
         ": cast() them first");
  return out.dtype() == target.dtype() ? out : cast(out, target.dtype());
}

}  // namespace

Tensor get_item(const Tensor& tensor, py::handle key) {
  return Key(tensor, key).view();
}

void set_item(const Tensor& tensor, py::handle key, py::handle value) {
  Key found(tensor, key);
  if (found.copied())
    fail(Kind::kIndex, "Tensor[...] = value",
         "rows cannot be set by an array of positions: set them one by one");
  if (tensor.read_only())
    fail(Kind::kValue, "Tensor[...] = value",
         "the memory is read-only: clone() the tensor first");
  const Tensor& view = found.view();
  Tensor source = value_like(view, value);
  // NumPy's rule: leading dimensions of size 1 may be too many.
  while (source.dim() > view.dim() && source.size(0) == 1)
    source = source.squeeze(0);
  source = source.broadcast_to(view.shape());
  compute(view.numel(), [&] {
    view.copy_from(source);
    return true;
  });
}

}  // namespace ptutils::bindings
