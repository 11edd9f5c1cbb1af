#include "ptutils/tensor/dtype.h"

#include <array>
#include <utility>

#include "ptutils/tensor/kernels/half.h"

namespace ptutils {
namespace {

struct Facts {
  std::string_view name;
  std::string_view long_name;  // NumPy's and torch's
  std::size_t size;
};

constexpr std::array<Facts, kDTypeCount> kFacts = {{
    {"bool", "bool", 1},
    {"u8", "uint8", 1},
    {"u16", "uint16", 2},
    {"u32", "uint32", 4},
    {"u64", "uint64", 8},
    {"i8", "int8", 1},
    {"i16", "int16", 2},
    {"i32", "int32", 4},
    {"i64", "int64", 8},
    {"f16", "float16", 2},
    {"bf16", "bfloat16", 2},
    {"f32", "float32", 4},
    {"f64", "float64", 8},
    {"c64", "complex64", 8},
    {"c128", "complex128", 16},
}};

constexpr std::array<std::pair<std::string_view, DType>, 12> kAliases = {{
    {"bool_", DType::kBool},
    {"byte", DType::kU8},
    {"short", DType::kI16},
    {"int", DType::kI64},
    {"long", DType::kI64},
    {"half", DType::kF16},
    {"float", DType::kF32},
    {"double", DType::kF64},
    {"cfloat", DType::kC64},
    {"cdouble", DType::kC128},
    {"complex", DType::kC128},
    {"char", DType::kI8},
}};

const Facts& facts(DType dtype) {
  auto index = static_cast<std::size_t>(dtype);
  if (index >= kFacts.size())
    fail(Kind::kType, "dtype", "unknown dtype ", static_cast<int>(dtype));
  return kFacts[index];
}

// torch has no rule for u16, u32 and u64 with another integer; they follow the
// smallest type that holds both, and the default float where there is none.
DType promote_integers(DType a, DType b) {
  if (a == DType::kBool) return b;
  if (b == DType::kBool) return a;
  if (is_signed(a) == is_signed(b)) return item_size(a) >= item_size(b) ? a : b;
  DType u = is_signed(a) ? b : a;
  DType s = is_signed(a) ? a : b;
  if (item_size(s) > item_size(u)) return s;
  switch (item_size(u)) {
    case 1:
      return DType::kI16;
    case 2:
      return DType::kI32;
    case 4:
      return DType::kI64;
    default:
      return DType::kF32;
  }
}

DType promote_floats(DType a, DType b) {
  if (item_size(a) == item_size(b)) return DType::kF32;  // f16 with bf16
  return item_size(a) > item_size(b) ? a : b;
}

}  // namespace

std::size_t item_size(DType dtype) { return facts(dtype).size; }

std::string_view name(DType dtype) { return facts(dtype).name; }

std::optional<DType> parse_dtype(std::string_view text) {
  for (std::string_view prefix : {"torch.", "numpy.", "np."})
    if (text.starts_with(prefix)) {
      text.remove_prefix(prefix.size());
      break;
    }
  for (std::size_t i = 0; i < kFacts.size(); ++i)
    if (text == kFacts[i].name || text == kFacts[i].long_name)
      return static_cast<DType>(i);
  for (auto& [alias, dtype] : kAliases)
    if (text == alias) return dtype;
  return std::nullopt;
}

bool is_floating(DType d) { return d >= DType::kF16 && d <= DType::kF64; }
bool is_complex(DType d) { return d == DType::kC64 || d == DType::kC128; }
bool is_integer(DType d) { return d >= DType::kU8 && d <= DType::kI64; }
bool is_signed(DType d) { return d >= DType::kI8; }

DType promote(DType a, DType b) {
  if (a == b) return a;
  if (is_complex(a) || is_complex(b)) {
    bool wide = a == DType::kC128 || b == DType::kC128 || a == DType::kF64 ||
                b == DType::kF64;
    return wide ? DType::kC128 : DType::kC64;
  }
  if (is_floating(a) && is_floating(b)) return promote_floats(a, b);
  if (is_floating(a)) return a;
  if (is_floating(b)) return b;
  return promote_integers(a, b);
}

f16::f16(float value) : bits(half_from_float(value)) {}

f16::operator float() const { return half_to_float(bits); }

}  // namespace ptutils
