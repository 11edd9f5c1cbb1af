#include "ptutils/tensor/tensor.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "ptutils/tensor/detail/copy.h"
#include "ptutils/tensor/detail/loop.h"

namespace ptutils {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

std::string dims_str(std::span<const std::int64_t> dims) {
  std::string out = "(";
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (i) out += ", ";
    out += std::to_string(dims[i]);
  }
  out += dims.size() == 1 ? ",)" : ")";
  return out;
}

// First and last element that the strides reach, checked for overflow.
bool reach(const Dims& shape, const Dims& strides, std::int64_t offset,
           std::int64_t& low, std::int64_t& high) {
  low = high = offset;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    std::int64_t span;
    if (__builtin_mul_overflow(shape[d] - 1, strides[d], &span)) return false;
    std::int64_t& end = span < 0 ? low : high;
    if (__builtin_add_overflow(end, span, &end)) return false;
  }
  return true;
}

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

const std::shared_ptr<Storage>& no_storage() {
  static auto* storage = new std::shared_ptr<Storage>(Storage::allocate(0));
  return *storage;
}

}  // namespace

std::int64_t count_elements(std::span<const std::int64_t> shape,
                            std::size_t item) {
  if (shape.size() > detail::kMaxDims)
    fail(Kind::kValue, "Tensor", shape.size(),
         " dimensions; at most 64 are possible");
  std::int64_t count = 1;
  auto bytes = static_cast<std::int64_t>(item);
  bool overflow = false;
  bool zero = false;
  for (std::int64_t size : shape) {
    if (size < 0)
      fail(Kind::kValue, "Tensor", "negative size ", size, " in shape ",
           dims_str(shape));
    if (size == 0) {
      zero = true;
      continue;
    }
    overflow |= __builtin_mul_overflow(count, size, &count);
    overflow |= __builtin_mul_overflow(bytes, size, &bytes);
  }
  // Checked with zeros left out too: strides are products of the other sizes.
  if (overflow)
    fail(Kind::kValue, "Tensor", "shape ", dims_str(shape), " of ", item,
         "-byte elements is larger than memory can be");
  return zero ? 0 : count;
}

Dims contiguous_strides(const Dims& shape) {
  Dims strides(shape.size());
  std::int64_t step = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    strides[d] = step;
    step *= shape[d] > 0 ? shape[d] : 1;
  }
  return strides;
}

Dims broadcast_shapes(const Dims& a, const Dims& b) {
  if (a == b) return a;
  const Dims& longer = a.size() >= b.size() ? a : b;
  const Dims& shorter = a.size() >= b.size() ? b : a;
  Dims out = longer;
  std::size_t lead = longer.size() - shorter.size();
  for (std::size_t d = 0; d < shorter.size(); ++d) {
    std::int64_t& size = out[lead + d];
    if (size == 1)
      size = shorter[d];
    else if (shorter[d] != 1 && shorter[d] != size)
      fail(Kind::kValue, "broadcast", "shapes ", dims_str(a), " and ",
           dims_str(b), " do not fit: sizes ",
           a[a.size() - (shorter.size() - d)], " and ",
           b[b.size() - (shorter.size() - d)], " must be equal or 1");
  }
  return out;
}

Tensor::Tensor() : storage_(no_storage()), shape_{0}, strides_{1} {
  data_ = storage_->data();
}

Tensor Tensor::empty(Dims shape, DType dtype) {
  Tensor out;
  out.numel_ = count_elements(shape, item_size(dtype));
  out.dtype_ = dtype;
  out.strides_ = contiguous_strides(shape);
  out.shape_ = std::move(shape);
  out.storage_ = Storage::allocate(out.nbytes());
  out.data_ = out.storage_->data();
  return out;
}

Tensor Tensor::zeros(Dims shape, DType dtype) {
  Tensor out = empty(std::move(shape), dtype);
  detail::fill_zero(out.data_, out.nbytes());
  return out;
}

Tensor Tensor::full(Dims shape, double value, DType dtype) {
  Tensor out = empty(std::move(shape), dtype);
  detail::fill_elements(out, detail::element_of(value, dtype));
  return out;
}

Tensor Tensor::view(std::shared_ptr<Storage> storage, DType dtype, Dims shape,
                    Dims strides, std::int64_t offset) {
  if (shape.size() != strides.size())
    fail(Kind::kValue, "Tensor.view", shape.size(), " sizes but ",
         strides.size(), " strides");
  std::int64_t numel = count_elements(shape, item_size(dtype));
  auto held = static_cast<std::int64_t>(storage->bytes() / item_size(dtype));
  std::int64_t low = offset, high = offset - 1;
  bool fits = numel == 0 || reach(shape, strides, offset, low, high);
  if (!fits || offset < 0 || low < 0 || high >= held || offset > held)
    fail(Kind::kValue, "Tensor.view", "shape ", dims_str(shape), " strides ",
         dims_str(strides), " offset ", offset, " of ", name(dtype),
         " leave the storage of ", storage->bytes(), " bytes");
  Tensor out;
  out.dtype_ = dtype;
  out.shape_ = std::move(shape);
  out.strides_ = std::move(strides);
  out.numel_ = numel;
  out.data_ =
      storage->data() + offset * static_cast<std::int64_t>(item_size(dtype));
  out.storage_ = std::move(storage);
  return out;
}

Tensor Tensor::view_bytes(std::shared_ptr<Storage> storage, DType dtype,
                          Dims shape, std::size_t byte_offset) {
  std::int64_t numel = count_elements(shape, item_size(dtype));
  std::size_t bytes = static_cast<std::size_t>(numel) * item_size(dtype);
  if (byte_offset > storage->bytes() || bytes > storage->bytes() - byte_offset)
    fail(Kind::kValue, "Tensor.view_bytes", "shape ", dims_str(shape), " of ",
         name(dtype), " from byte ", byte_offset, " leaves the storage of ",
         storage->bytes(), " bytes");
  Tensor out;
  out.dtype_ = dtype;
  out.strides_ = contiguous_strides(shape);
  out.shape_ = std::move(shape);
  out.numel_ = numel;
  out.data_ = storage->data() + byte_offset;
  out.storage_ = std::move(storage);
  return out;
}

std::int64_t Tensor::size(std::int64_t d) const {
  return shape_[static_cast<std::size_t>(detail::wrap_dim(d, dim(), "size"))];
}

bool Tensor::contiguous() const {
  std::int64_t step = 1;
  for (std::size_t d = shape_.size(); d-- > 0;) {
    if (shape_[d] == 0) return true;
    if (shape_[d] != 1 && strides_[d] != step) return numel_ == 0;
    step *= shape_[d];
  }
  return true;
}

bool Tensor::aligned() const {
  return reinterpret_cast<std::uintptr_t>(data_) % item_size(dtype_) == 0;
}

std::string Tensor::shape_str() const { return dims_str(shape_); }

double Tensor::item_f64() const {
  if (numel_ != 1)
    fail(Kind::kValue, "Tensor.item", "wants one element, shape is ",
         shape_str());
  if (is_complex(dtype_))
    fail(Kind::kType, "Tensor.item", name(dtype_),
         " is not a real number; read data() instead");
  return dispatch(dtype_, [&]<class T>() -> double {
    if constexpr (std::is_same_v<T, f16> || std::is_same_v<T, bf16>)
      return static_cast<float>(load<T>(data_));
    else if constexpr (std::is_arithmetic_v<T>)
      return static_cast<double>(load<T>(data_));
    else
      return 0;
  });
}

std::int64_t Tensor::item_i64() const {
  bool integral = is_integer(dtype_) || dtype_ == DType::kBool;
  if (numel_ == 1 && integral) {
    if (dtype_ != DType::kU64)
      return dispatch(dtype_, [&]<class T>() -> std::int64_t {
        if constexpr (std::is_integral_v<T>)
          return static_cast<std::int64_t>(load<T>(data_));
        else
          return 0;
      });
    auto value = load<std::uint64_t>(data_);
    if (value > static_cast<std::uint64_t>(kMax))
      fail(Kind::kValue, "Tensor.item", value, " does not fit in int64");
    return static_cast<std::int64_t>(value);
  }
  double value = item_f64();
  if (!(value >= -0x1p63 && value < 0x1p63))
    fail(Kind::kValue, "Tensor.item", value, " does not fit in int64");
  return static_cast<std::int64_t>(value);
}

Tensor Tensor::clone() const {
  Tensor out = empty(shape_, dtype_);
  out.origin = origin;
  out.numpy_scalar = numpy_scalar;
  detail::copy_elements(*this, out);
  return out;
}

Tensor Tensor::to_contiguous() const {
  return contiguous() && aligned() ? *this : clone();
}

void Tensor::copy_from(const Tensor& source) const {
  if (source.dtype_ != dtype_)
    fail(Kind::kType, "Tensor.copy_from", "source is ", name(source.dtype_),
         ", target ", name(dtype_), "; cast() it first");
  if (source.shape_ != shape_)
    fail(Kind::kValue, "Tensor.copy_from", "source has shape ",
         source.shape_str(), ", target ", shape_str());
  if (read_only())
    fail(Kind::kValue, "Tensor.copy_from",
         "the target's memory is read-only; clone() it first");
  storage_->note_write();
  if (detail::share_memory(source, *this) &&
      !(contiguous() && source.contiguous()))
    detail::copy_elements(source.clone(), *this);
  else
    detail::copy_elements(source, *this);
}

bool Tensor::identical(const Tensor& other) const {
  if (dtype_ != other.dtype_ || shape_ != other.shape_ ||
      origin != other.origin || numpy_scalar != other.numpy_scalar)
    return false;
  if (numel_ == 0) return true;
  Tensor a = contiguous() ? *this : clone();
  Tensor b = other.contiguous() ? other : other.clone();
  return std::memcmp(a.data_, b.data_, nbytes()) == 0;
}

}  // namespace ptutils
