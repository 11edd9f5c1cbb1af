#pragma once

#include <bit>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ptutils/common/error.h"

namespace ptutils {

/// Element types. The values are stable (they are written nowhere, but tables
/// are indexed by them).
enum class DType : std::uint8_t {
  kBool,
  kU8,
  kU16,
  kU32,
  kU64,
  kI8,
  kI16,
  kI32,
  kI64,
  kF16,
  kBF16,
  kF32,
  kF64,
  kC64,
  kC128,
};
inline constexpr int kDTypeCount = 15;

/// IEEE binary16, stored as bits; arithmetic goes through float.
struct f16 {
  std::uint16_t bits = 0;
  f16() = default;
  PTUTILS_API explicit f16(float value);  // round to nearest even
  PTUTILS_API explicit operator float() const;
  bool operator==(const f16&) const = default;  // of bits
};

/// bfloat16 (the upper half of a binary32), stored as bits.
struct bf16 {
  std::uint16_t bits = 0;
  bf16() = default;
  explicit bf16(float value) {  // round to nearest even; NaN stays NaN
    auto u = std::bit_cast<std::uint32_t>(value);
    if (value != value) {
      bits = static_cast<std::uint16_t>((u >> 16) | 0x40);
    } else {
      bits = static_cast<std::uint16_t>((u + 0x7fff + ((u >> 16) & 1)) >> 16);
    }
  }
  explicit operator float() const {
    return std::bit_cast<float>(std::uint32_t{bits} << 16);
  }
  bool operator==(const bf16&) const = default;  // of bits
};

/// Bytes an element.
PTUTILS_API std::size_t item_size(DType dtype);

/// The short name: "bool", "u8", "i64", "f16", "bf16", "f32", "c64" …
PTUTILS_API std::string_view name(DType dtype);

/// Reads a short name, a NumPy / torch name ("float32", "uint8", "bfloat16",
/// "complex64", "torch.float32") or "float" = f32, "double" = f64, "int" = i64.
PTUTILS_API std::optional<DType> parse_dtype(std::string_view name);

PTUTILS_API bool is_floating(DType dtype);  ///< f16, bf16, f32, f64
PTUTILS_API bool is_complex(DType dtype);
PTUTILS_API bool is_integer(DType dtype);  ///< u8–u64, i8–i64; not bool
PTUTILS_API bool is_signed(DType dtype);   ///< i8–i64, floating, complex

/// The dtype of `a op b` for two tensors with dimensions, as
/// torch.promote_types has it (u8 with i8 is i16, f16 with bf16 is f32, i64
/// with f16 is f16, u64 with a signed integer is f32 … as torch).
PTUTILS_API DType promote(DType a, DType b);

template <class T>
struct dtype_of_t;
#define PT_DTYPE_OF(type, value)                  \
  template <>                                     \
  struct dtype_of_t<type> {                       \
    static constexpr DType kValue = DType::value; \
  };
PT_DTYPE_OF(bool, kBool)
PT_DTYPE_OF(std::uint8_t, kU8)
PT_DTYPE_OF(std::uint16_t, kU16)
PT_DTYPE_OF(std::uint32_t, kU32)
PT_DTYPE_OF(std::uint64_t, kU64)
PT_DTYPE_OF(std::int8_t, kI8)
PT_DTYPE_OF(std::int16_t, kI16)
PT_DTYPE_OF(std::int32_t, kI32)
PT_DTYPE_OF(std::int64_t, kI64)
PT_DTYPE_OF(f16, kF16)
PT_DTYPE_OF(bf16, kBF16)
PT_DTYPE_OF(float, kF32)
PT_DTYPE_OF(double, kF64)
PT_DTYPE_OF(std::complex<float>, kC64)
PT_DTYPE_OF(std::complex<double>, kC128)
#undef PT_DTYPE_OF

/// DType of a C++ type: dtype_of<float> == DType::kF32.
template <class T>
inline constexpr DType dtype_of = dtype_of_t<T>::kValue;

/// Calls f.template operator()<T>() with the C++ type of `dtype`.
template <class F>
decltype(auto) dispatch(DType dtype, F&& f) {
  switch (dtype) {
    case DType::kBool:
      return f.template operator()<bool>();
    case DType::kU8:
      return f.template operator()<std::uint8_t>();
    case DType::kU16:
      return f.template operator()<std::uint16_t>();
    case DType::kU32:
      return f.template operator()<std::uint32_t>();
    case DType::kU64:
      return f.template operator()<std::uint64_t>();
    case DType::kI8:
      return f.template operator()<std::int8_t>();
    case DType::kI16:
      return f.template operator()<std::int16_t>();
    case DType::kI32:
      return f.template operator()<std::int32_t>();
    case DType::kI64:
      return f.template operator()<std::int64_t>();
    case DType::kF16:
      return f.template operator()<f16>();
    case DType::kBF16:
      return f.template operator()<bf16>();
    case DType::kF32:
      return f.template operator()<float>();
    case DType::kF64:
      return f.template operator()<double>();
    case DType::kC64:
      return f.template operator()<std::complex<float>>();
    case DType::kC128:
      return f.template operator()<std::complex<double>>();
  }
  fail(Kind::kType, "dispatch", "unknown dtype ", static_cast<int>(dtype));
}

}  // namespace ptutils
