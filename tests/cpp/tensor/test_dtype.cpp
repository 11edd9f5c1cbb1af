#include <cmath>
#include <limits>

#include "ptutils/tensor/dtype.h"
#include "tensor/check.h"

using namespace ptutils;

TEST_CASE("every dtype is found by its short name") {
  for (DType d : every_dtype()) {
    CHECK(parse_dtype(name(d)) == d);
    CHECK(item_size(d) ==
          dispatch(d, []<class T>() -> std::size_t { return sizeof(T); }));
  }
}

TEST_CASE("names of NumPy and torch are read") {
  CHECK(parse_dtype("float32") == DType::kF32);
  CHECK(parse_dtype("torch.bfloat16") == DType::kBF16);
  CHECK(parse_dtype("uint8") == DType::kU8);
  CHECK(parse_dtype("complex64") == DType::kC64);
  CHECK(parse_dtype("float") == DType::kF32);
  CHECK(parse_dtype("double") == DType::kF64);
  CHECK(parse_dtype("int") == DType::kI64);
  CHECK(!parse_dtype("float8"));
  CHECK(!parse_dtype(""));
}

TEST_CASE("promotion is torch's") {
  using enum DType;
  CHECK(promote(kU8, kI8) == kI16);
  CHECK(promote(kF16, kBF16) == kF32);
  CHECK(promote(kI64, kF16) == kF16);
  CHECK(promote(kBF16, kI32) == kBF16);
  CHECK(promote(kBool, kU8) == kU8);
  CHECK(promote(kBool, kBool) == kBool);
  CHECK(promote(kU64, kI8) == kF32);
  CHECK(promote(kU32, kI8) == kI64);
  CHECK(promote(kF64, kC64) == kC128);
  CHECK(promote(kF32, kC64) == kC64);
  CHECK(promote(kI64, kC64) == kC64);
  CHECK(promote(kF16, kF64) == kF64);
  for (DType a : every_dtype())
    for (DType b : every_dtype()) CHECK(promote(a, b) == promote(b, a));
}

TEST_CASE("f16 rounds to nearest even and survives a round trip") {
  for (int bits = 0; bits < 65536; ++bits) {
    f16 half;
    half.bits = static_cast<std::uint16_t>(bits);
    auto value = static_cast<float>(half);
    if (std::isnan(value)) {
      CHECK(std::isnan(static_cast<float>(f16(value))));
      continue;
    }
    if (f16(value) != half) FAIL("no round trip of ", bits);
  }
  CHECK(f16(1.0f).bits == 0x3c00);
  CHECK(f16(65504.0f).bits == 0x7bff);
  CHECK(f16(65519.0f).bits == 0x7bff);
  CHECK(f16(65520.0f).bits == 0x7c00);
  CHECK(f16(-1e10f).bits == 0xfc00);
  CHECK(f16(0x1p-24f).bits == 1);
  CHECK(f16(0x1p-25f).bits == 0);
  CHECK(f16(0x1.8p-25f).bits == 1);
  CHECK(f16(0x1.8p-24f).bits == 2);
  CHECK(f16(-0.0f).bits == 0x8000);
  CHECK(f16(1.0f + 0x1p-11f).bits == 0x3c00);
  CHECK(f16(1.0f + 0x1.8p-10f).bits == 0x3c02);
  CHECK(f16(1.0f - 0x1p-13f).bits == 0x3c00);
}

TEST_CASE("bf16 rounds to nearest even") {
  CHECK(bf16(1.0f).bits == 0x3f80);
  CHECK(bf16(1.0f + 0x1p-8f).bits == 0x3f80);
  CHECK(bf16(1.0f + 0x1.8p-7f).bits == 0x3f82);
  CHECK(std::isnan(
      static_cast<float>(bf16(std::numeric_limits<float>::quiet_NaN()))));
}
