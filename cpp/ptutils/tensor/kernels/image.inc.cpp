// Images on their way into a batch. Included by level.cpp.
#pragma once

#include <cstdint>

#ifdef __SSE2__
#include <immintrin.h>
#endif

#include "ptutils/tensor/kernels/table.h"

namespace {

using namespace ptutils::kernels;

using U8x16 = uint8_t __attribute__((vector_size(16)));
using U8x16Unaligned = uint8_t __attribute__((vector_size(16), aligned(1)));
using F32x4 = float __attribute__((vector_size(16)));
using F32x4Unaligned = float __attribute__((vector_size(16), aligned(4)));

constexpr Index kLanes = 16;
constexpr Index kBlock = 64;  // pixels

/// kBlock floats, of an aligned place to another, past the caches.
void stream_block(const float* from, float* to) {
#if defined(__AVX512F__)
  for (Index x = 0; x < kBlock; x += 16)
    _mm512_stream_ps(to + x, _mm512_load_ps(from + x));
#elif defined(__AVX__)
  for (Index x = 0; x < kBlock; x += 8)
    _mm256_stream_ps(to + x, _mm256_load_ps(from + x));
#elif defined(__SSE2__)
  for (Index x = 0; x < kBlock; x += 4)
    _mm_stream_ps(to + x, _mm_load_ps(from + x));
#else
  for (Index x = 0; x < kBlock; ++x) to[x] = from[x];
#endif
}

/// Whether stream_block may write there.
bool is_aligned(const float* to) {
  return reinterpret_cast<std::uintptr_t>(to) % 64 == 0;
}

/// Elements of one channel, to out[0 … n) or, mirrored, from its end.
template <bool kMirrored>
void affine_run(const uint8_t* __restrict in, Index n, float factor,
                float offset, float* __restrict out) {
  for (Index x = 0; x < n; ++x)
    out[kMirrored ? n - 1 - x : x] =
        static_cast<float>(static_cast<int32_t>(in[x])) * factor + offset;
}

/// The same, past the caches where that can be.
template <bool kMirrored>
void stream_run(const uint8_t* in, Index n, float factor, float offset,
                float* out) {
  Index x = 0;
  if (!kMirrored && is_aligned(out))
    for (; x + kBlock <= n; x += kBlock) {
      alignas(64) float block[kBlock];
      affine_run<false>(in + x, kBlock, factor, offset, block);
      stream_block(block, out + x);
    }
  affine_run<kMirrored>(in + x, n - x, factor, offset, out + x);
}

/// Row y of channel c.
template <bool kMirrored>
void affine_row(const Affine& job, Index c, Index y, Index n) {
  const ImageView& in = job.in;
  const uint8_t* from =
      static_cast<const uint8_t*>(in.data) + c * in.c_step + y * in.y_step;
  const float factor = job.factors[c];
  const float offset = job.offsets[c];
  float* out = job.out + (c * in.height + y) * in.width;
  constexpr Index kPiece = 16 * kBlock;
  for (Index x = 0; in.x_step == 1 && x < n; x += kPiece) {
    const Index here = n - x < kPiece ? n - x : kPiece;
    for (Index line = 0; job.next && line < here; line += kBlock)
      __builtin_prefetch(from + x + line + job.next, 0, 2);
    (job.streams ? stream_run<kMirrored>
                 : affine_run<kMirrored>)(from + x, here, factor, offset,
                                          out + (kMirrored ? n - x - here : x));
  }
  if (in.x_step == 1) return;
  for (Index x = 0; x < n; ++x)
    out[kMirrored ? n - 1 - x : x] =
        static_cast<float>(from[x * in.x_step]) * factor + offset;
}

/// Bytes r g b r g b … of kBlock pixels to three runs.
void part_rgb(const uint8_t* in, uint8_t (*out)[kBlock]) {
  for (Index x = 0; x < kBlock; x += kLanes) {
    const auto* at = reinterpret_cast<const U8x16Unaligned*>(in + 3 * x);
    const U8x16 a = at[0];
    const U8x16 b = at[1];
    const U8x16 c = at[2];
    U8x16 ab = __builtin_shufflevector(a, b, 0, 3, 6, 9, 12, 15, 18, 21, 24, 27,
                                       30, 0, 0, 0, 0, 0);
    *reinterpret_cast<U8x16Unaligned*>(out[0] + x) = __builtin_shufflevector(
        ab, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 20, 23, 26, 29);
    ab = __builtin_shufflevector(a, b, 1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31,
                                 0, 0, 0, 0, 0);
    *reinterpret_cast<U8x16Unaligned*>(out[1] + x) = __builtin_shufflevector(
        ab, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18, 21, 24, 27, 30);
    ab = __builtin_shufflevector(a, b, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 0,
                                 0, 0, 0, 0, 0);
    *reinterpret_cast<U8x16Unaligned*>(out[2] + x) = __builtin_shufflevector(
        ab, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 19, 22, 25, 28, 31);
  }
}

/// Row y of three channels, bytes r g b r g b ….
template <bool kMirrored>
void affine_rgb_row(const Affine& job, Index y, Index n) {
  const uint8_t* in =
      static_cast<const uint8_t*>(job.in.data) + y * job.in.y_step;
  float* out = job.out + y * job.in.width;
  const Index plane = job.in.height * job.in.width;
  uint8_t parts[3][kBlock];
  for (Index x = 0; x < n; x += kBlock) {
    const Index here = n - x < kBlock ? n - x : kBlock;
    if (here == kBlock) {
      part_rgb(in + 3 * x, parts);
    } else {
      for (Index i = 0; i < here; ++i)
        for (Index c = 0; c < 3; ++c) parts[c][i] = in[3 * (x + i) + c];
    }
    for (Index c = 0; c < 3; ++c) {
      if (job.next)
        __builtin_prefetch(in + 3 * x + c * kBlock + job.next, 0, 2);
      (job.streams ? stream_run<kMirrored>
                   : affine_run<kMirrored>)(parts[c], here, job.factors[c],
                                            job.offsets[c],
                                            out + c * plane +
                                                (kMirrored ? n - x - here : x));
    }
  }
}

template <bool kMirrored>
void affine_image(const Affine& job) {
  const ImageView& in = job.in;
  const bool rgb = in.channels == 3 && in.c_step == 1 && in.x_step == 3;
  // Rows without gaps are one row, unless each is mirrored.
  const bool joined = !kMirrored && in.y_step == in.width * in.x_step;
  const Index rows = joined ? 1 : in.height;
  const Index n = joined ? in.height * in.width : in.width;
  for (Index c = 0; c < (rgb ? 1 : in.channels); ++c)
    for (Index y = 0; y < rows; ++y) {
      if (rgb)
        affine_rgb_row<kMirrored>(job, y, n);
      else
        affine_row<kMirrored>(job, c, y, n);
    }
}

void image_affine(const Affine& job) {
  if (job.mirrored)
    affine_image<true>(job);
  else
    affine_image<false>(job);
}

/// sums[j] = the weighted rows at j.
template <class In>
void sum_rows(const In* in, Index y_step, const float* weights, Index taps,
              Index n, float* sums) {
  for (Index j = 0; j < n; ++j)
    sums[j] = static_cast<float>(in[j]) * weights[0];
  for (Index t = 1; t < taps; ++t) {
    const In* row = in + t * y_step;
    const float w = weights[t];
    for (Index j = 0; j < n; ++j) sums[j] += static_cast<float>(row[j]) * w;
  }
}

/// Of bytes the nearest whole level, as a picture of bytes would hold it.
template <class In>
float level_of(float sum) {
  if constexpr (sizeof(In) == 1)
    return static_cast<float>(static_cast<int32_t>(sum + 0.5F));
  return sum;
}

template <class In, class Out>
void put_level(float sum, float factor, float offset, Out* out) {
  const float level = level_of<In>(sum);
  *out = sizeof(Out) == 1 ? static_cast<Out>(level)
                          : static_cast<Out>(level * factor + offset);
}

/// The columns of one row of sums of one channel.
template <class In, class Out>
void sum_columns(const float* sums, Index first_column, const Resample& job,
                 Index channel, Out* out) {
  const Taps& columns = job.columns;
  for (Index x = 0; x < job.out_width; ++x) {
    const float* at = sums + columns.first[x] - first_column;
    const float* weights = columns.weights + x * columns.taps;
    const Index to = (job.mirrored ? job.out_width - 1 - x : x) * job.out_x;
    float sum = at[0] * weights[0];
    for (Index t = 1; t < columns.taps; ++t) sum += at[t] * weights[t];
    put_level<In>(sum, job.factors[channel], job.offsets[channel], out + to);
  }
}

/// The columns of one row of sums r g b r g b …, to the same of sums; both with
/// room for one element more behind the last. kTaps: as many, or 0.
template <Index kTaps>
void sum_columns_rgb(const float* sums, Index first_column, const Taps& columns,
                     Index width, float* out) {
  const Index taps = kTaps ? kTaps : columns.taps;
  for (Index x = 0; x < width; ++x) {
    const float* at = sums + (columns.first[x] - first_column) * 3;
    const float* weights = columns.weights + x * taps;
    F32x4 sum = *reinterpret_cast<const F32x4Unaligned*>(at) * weights[0];
    for (Index t = 1; t < taps; ++t)
      sum += *reinterpret_cast<const F32x4Unaligned*>(at + 3 * t) * weights[t];
    *reinterpret_cast<F32x4Unaligned*>(out + 3 * x) = sum;
  }
}

/// Each channel of them to its place.
template <class In, class Out>
void put_rgb(const float* sums, const Resample& job, Out* out) {
  for (Index c = 0; c < 3; ++c) {
    const float factor = job.factors[c];
    const float offset = job.offsets[c];
    Out* to = out + c * job.out_c;
    if (job.out_x == 1 && !job.mirrored) {
      for (Index x = 0; x < job.out_width; ++x)
        put_level<In>(sums[3 * x + c], factor, offset, to + x);
      continue;
    }
    for (Index x = 0; x < job.out_width; ++x)
      put_level<In>(
          sums[3 * x + c], factor, offset,
          to + (job.mirrored ? job.out_width - 1 - x : x) * job.out_x);
  }
}

template <class In, class Out>
void resample_row_rgb(const Resample& job, Index first_column, Out* out) {
  float* mixed = job.scratch + 3 * job.in.width + 1;
  const Taps& columns = job.columns;
  const auto sum = columns.taps == 3   ? sum_columns_rgb<3>
                   : columns.taps == 5 ? sum_columns_rgb<5>
                   : columns.taps == 7 ? sum_columns_rgb<7>
                                       : sum_columns_rgb<0>;
  sum(job.scratch, first_column, columns, job.out_width, mixed);
  put_rgb<In>(mixed, job, out);
}

template <class In, class Out>
void resample(const Resample& job) {
  const ImageView& in = job.in;
  const auto* data = static_cast<const In*>(in.data);
  auto* out = static_cast<Out*>(job.out);
  const Taps& columns = job.columns;
  // The columns that are wanted at all; `first` never falls.
  const Index begin = columns.first[0];
  const Index n = columns.first[job.out_width - 1] + columns.taps - begin;
  const bool rgb = in.channels == 3 && in.c_step == 1 && in.x_step == 3;
  for (Index y = 0; y < job.out_height; ++y) {
    const float* weights = job.rows.weights + y * job.rows.taps;
    const In* row = data + job.rows.first[y] * in.y_step + begin * in.x_step;
    if (rgb) {
      sum_rows(row, in.y_step, weights, job.rows.taps, 3 * n, job.scratch);
      resample_row_rgb<In>(job, begin, out + y * job.out_y);
      continue;
    }
    for (Index c = 0; c < in.channels; ++c) {
      sum_rows(row + c * in.c_step, in.y_step, weights, job.rows.taps, n,
               job.scratch);
      sum_columns<In>(job.scratch, begin, job, c,
                      out + y * job.out_y + c * job.out_c);
    }
  }
}

}  // namespace
