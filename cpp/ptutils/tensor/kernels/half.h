#pragma once

#include <stdint.h>
#include <string.h>

/// Bits of binary16 and bfloat16 from and to float. Internal linkage: each
/// instruction set has its own copy.
namespace {

[[maybe_unused]] inline uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

[[maybe_unused]] inline float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// Round to nearest even; a NaN becomes quiet and keeps its payload's top.
[[maybe_unused]] inline uint16_t half_from_float(float value) {
  uint32_t u = bits_of(value);
  uint32_t sign = (u >> 16) & 0x8000;
  uint32_t magnitude = u & 0x7fffffff;
  uint32_t out;
  if (magnitude > 0x7f800000) {
    out = 0x7e00 | ((u >> 13) & 0x3ff);
  } else if (magnitude >= 0x477ff000) {  // 65520 and above: infinity
    out = 0x7c00;
  } else if (magnitude < 0x38800000) {
    // Below 2^-14 the result is subnormal: adding 0.5 puts its unit, 2^-24, at
    // the last place of a float, so that the addition itself rounds.
    out = bits_of(float_of(magnitude) + 0.5f) - 0x3f000000;
  } else {
    out = (magnitude + 0xfff + ((magnitude >> 13) & 1) - 0x38000000) >> 13;
  }
  return static_cast<uint16_t>(sign | out);
}

[[maybe_unused]] inline float half_to_float(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  uint32_t magnitude = half & 0x7fff;
  uint32_t out;
  if (magnitude >= 0x7c00) {  // infinity, NaN (made quiet)
    out = 0x7f800000 | (magnitude << 13);
    if (magnitude > 0x7c00) out |= 0x00400000;
  } else if (magnitude >= 0x0400) {
    out = (magnitude << 13) + 0x38000000;
  } else {  // subnormal: exact
    out = bits_of(static_cast<float>(magnitude) * 0x1p-24f);
  }
  return float_of(sign | out);
}

/// Round to nearest even; NaN stays NaN.
[[maybe_unused]] inline uint16_t bfloat_from_float(float value) {
  uint32_t u = bits_of(value);
  uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  return static_cast<uint16_t>(value != value ? (u >> 16) | 0x40 : rounded);
}

[[maybe_unused]] inline float bfloat_to_float(uint16_t bits) {
  return float_of(static_cast<uint32_t>(bits) << 16);
}

}  // namespace
