// Conversions that gain from vector instructions. Included by level.cpp.
#pragma once

#if defined(__F16C__)
#include <immintrin.h>
#endif

#include "ptutils/tensor/kernels/half.h"
#include "ptutils/tensor/kernels/table.h"

namespace {

using ptutils::kernels::Index;

template <class From, class To>
struct Convert {
  To operator()(From a) const { return static_cast<To>(a); }
};
struct ToBfloat {
  uint16_t operator()(float a) const { return bfloat_from_float(a); }
};
struct FromBfloat {
  float operator()(uint16_t a) const { return bfloat_to_float(a); }
};

void half_to_float_row(const void* a_, void* out_, Index n) {
  auto* a = static_cast<const uint16_t*>(a_);
  auto* out = static_cast<float*>(out_);
  Index i = 0;
#if defined(__F16C__)
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(
                                  reinterpret_cast<const __m128i*>(a + i))));
#endif
  for (; i < n; ++i) out[i] = half_to_float(a[i]);
}

void float_to_half_row(const void* a_, void* out_, Index n) {
  auto* a = static_cast<const float*>(a_);
  auto* out = static_cast<uint16_t*>(out_);
  Index i = 0;
#if defined(__F16C__)
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(
        reinterpret_cast<__m128i*>(out + i),
        _mm256_cvtps_ph(_mm256_loadu_ps(a + i), _MM_FROUND_TO_NEAREST_INT));
#endif
  for (; i < n; ++i) out[i] = half_from_float(a[i]);
}

}  // namespace
