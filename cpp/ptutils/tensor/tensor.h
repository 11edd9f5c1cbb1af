#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "ptutils/common/error.h"
#include "ptutils/tensor/dims.h"
#include "ptutils/tensor/dtype.h"

namespace ptutils {

/// Which library a tensor came from, so that it goes back as the same type.
enum class Origin : std::uint8_t { kNative, kNumpy, kTorch };

/// Memory that tensors share. It is freed with its last tensor.
class PTUTILS_API Storage {
 public:
  /// Fresh, uninitialised, 64-byte aligned memory.
  static std::shared_ptr<Storage> allocate(std::size_t bytes);
  /// Someone else's memory; `owner` keeps it alive.
  static std::shared_ptr<Storage> wrap(void* data, std::size_t bytes,
                                       std::shared_ptr<void> owner,
                                       bool read_only = false);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  bool read_only() const { return read_only_; }
  /// How often the core wrote into it in place, so that a tape can tell that
  /// what it needs is there no more. (Writes through a pointer are not seen.)
  std::uint32_t writes() const {
    return writes_.load(std::memory_order_relaxed);
  }
  void note_write() { writes_.fetch_add(1, std::memory_order_relaxed); }

 private:
  Storage(std::byte* data, std::size_t bytes, std::shared_ptr<void> owner,
          bool read_only);
  std::byte* data_;
  std::size_t bytes_;
  std::shared_ptr<void> owner_;  // empty: allocated here
  bool read_only_;
  std::atomic<std::uint32_t> writes_{0};
};

/// A typed, strided view on shared storage: a handle, cheap to copy; copies
/// alias. Views (reshape where possible, transpose, slice, select, broadcast)
/// share storage and keep `origin`. Thread-safety is that of the memory.
class PTUTILS_API Tensor {
 public:
  /// 0 elements, f32, shape (0).
  Tensor();
  /// Fresh, uninitialised, contiguous.
  static Tensor empty(Dims shape, DType dtype = DType::kF32);
  static Tensor zeros(Dims shape, DType dtype = DType::kF32);
  /// A 0-d or filled tensor; `value` is cast to `dtype`.
  static Tensor full(Dims shape, double value, DType dtype = DType::kF32);
  /// From elements: Tensor::of<float>({1, 2, 3, 4}, {2, 2}).
  template <class T>
  static Tensor of(std::initializer_list<T> values, const Dims& shape) {
    return from(std::span<const T>(values.begin(), values.size()), shape);
  }
  template <class T>
  static Tensor from(std::span<const T> values, const Dims& shape) {
    Tensor out = empty(shape, dtype_of<T>);
    if (static_cast<std::size_t>(out.numel()) != values.size())
      fail(Kind::kValue, "Tensor", values.size(), " elements for shape ",
           out.shape_str());
    std::copy(values.begin(), values.end(), out.data<T>());
    return out;
  }
  template <class T>
  static Tensor scalar_of(T value) {
    return from(std::span<const T>(&value, 1), {});
  }
  /// A view on `storage`; strides and offset in elements. Bounds are checked.
  static Tensor view(std::shared_ptr<Storage> storage, DType dtype, Dims shape,
                     Dims strides, std::int64_t offset = 0);
  /// Contiguous view of `storage` from byte `byte_offset` (need not be
  /// aligned: see aligned()). Bounds are checked, overflow included.
  static Tensor view_bytes(std::shared_ptr<Storage> storage, DType dtype,
                           Dims shape, std::size_t byte_offset = 0);

  DType dtype() const { return dtype_; }
  const Dims& shape() const { return shape_; }
  const Dims& strides() const { return strides_; }
  std::int64_t dim() const { return static_cast<std::int64_t>(shape_.size()); }
  /// Size of a dimension; negative counts from the end.
  std::int64_t size(std::int64_t dim) const;
  std::int64_t numel() const { return numel_; }
  std::size_t nbytes() const {
    return static_cast<std::size_t>(numel_) * item_size(dtype_);
  }
  bool contiguous() const;  ///< row-major, no gaps
  bool aligned() const;     ///< address is a multiple of the item size
  bool read_only() const { return storage_->read_only(); }
  const std::shared_ptr<Storage>& storage() const { return storage_; }
  std::string shape_str() const;  ///< "(2, 3)"

  /// Address of the first element.
  std::byte* bytes() const { return data_; }
  /// Typed address; Kind::kType when T is not the dtype.
  template <class T>
  T* data() const {
    if (dtype_ != dtype_of<T>)
      fail(Kind::kType, "Tensor", "data is ", name(dtype_), ", not ",
           name(dtype_of<T>));
    return reinterpret_cast<T*>(data_);
  }
  /// The one element, cast to T (real types); Kind::kValue unless numel is 1.
  /// Integers are exact; a number that int64 lacks is Kind::kValue for them.
  template <class T>
  T item() const {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>)
      return static_cast<T>(item_i64());
    else
      return static_cast<T>(item_f64());
  }
  double item_f64() const;
  std::int64_t item_i64() const;  ///< exact for integers

  // Views. Negative dimensions count from the end.
  Tensor reshape(Dims shape) const;  ///< one -1 is inferred; copies if it must
  Tensor flatten(std::int64_t start_dim = 0) const;
  Tensor permute(const Dims& dims) const;
  Tensor transpose(std::int64_t a, std::int64_t b) const;
  /// Rows start, start+step, … < stop of a dimension, as Python's slice with
  /// step > 0 (negative positions count from the end, out of range is cut).
  Tensor slice(std::int64_t dim, std::int64_t start, std::int64_t stop,
               std::int64_t step = 1) const;
  Tensor select(std::int64_t dim, std::int64_t index) const;  ///< drops it
  Tensor unsqueeze(std::int64_t dim) const;
  Tensor squeeze(std::int64_t dim) const;
  Tensor broadcast_to(const Dims& shape) const;  ///< stride 0 on new ones

  /// A fresh contiguous copy (native memory, same origin and flags).
  Tensor clone() const;
  /// Itself when contiguous and aligned, else clone().
  Tensor to_contiguous() const;
  /// Copies elements of `source` (same shape and dtype) into this memory.
  void copy_from(const Tensor& source) const;

  /// Same dtype, shape and bits of every element (NaN equals the same NaN,
  /// 0.0 differs from -0.0), same origin and scalar flag.
  bool identical(const Tensor& other) const;

  /// The library it came from; part of identity, kept by views and clone.
  Origin origin = Origin::kNative;
  /// A NumPy scalar (np.float64(3)), not a 0-d array.
  bool numpy_scalar = false;

 private:
  std::shared_ptr<Storage> storage_;
  std::byte* data_ = nullptr;
  DType dtype_ = DType::kF32;
  Dims shape_;
  Dims strides_;
  std::int64_t numel_ = 0;
};

/// Number of elements of a shape; Kind::kValue on a negative size, or when it
/// overflows int64 bytes with `item` bytes an element.
PTUTILS_API std::int64_t count_elements(std::span<const std::int64_t> shape,
                                        std::size_t item = 1);
/// Row-major strides of a shape.
PTUTILS_API Dims contiguous_strides(const Dims& shape);
/// The common shape (NumPy's broadcasting rule); Kind::kValue names both.
PTUTILS_API Dims broadcast_shapes(const Dims& a, const Dims& b);

}  // namespace ptutils
