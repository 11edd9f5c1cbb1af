#pragma once

#include <cstdint>
#include <span>

#include "ptutils/tensor/tensor.h"

/// Passes over images (C, H, W) on their way into a batch: u8, or f32 where
/// that is said; any strides. Wrong dtypes are Kind::kType.
namespace ptutils::image_kernels {

/// Batches of more bytes are written past the caches: a plain store fetches
/// what it is going to overwrite, half of the memory's traffic, of which two
/// threads can use all.
inline constexpr std::size_t kPastCaches = std::size_t{4} << 20;
/// Such stores are ordered with no others: to be called on the thread that made
/// them before another is told that they are there.
PTUTILS_API void streamed_stores_done();

/// out = factor * in + offset, one of each for every channel; mirrored: left
/// and right exchanged. `in` is u8, `out` f32 of the same shape, contiguous.
PTUTILS_API void affine(const Tensor& in, std::span<const float> factors,
                        std::span<const float> offsets, bool mirrored,
                        const Tensor& out);
/// The same of images that lie `rows` bytes behind `in`, to `out` (n, C, H, W).
PTUTILS_API void affine_rows(const Tensor& in,
                             std::span<const std::int64_t> rows,
                             std::span<const float> factors,
                             std::span<const float> offsets, bool mirrored,
                             const Tensor& out);

/// Bilinear resampling with antialiasing: each output is the mean of the inputs
/// below a triangle as wide as two outputs (Pillow's Resample.c, BILINEAR).
struct Resampling {
  /// The part of the input that becomes height x width outputs.
  double top = 0, left = 0, part_height = 0, part_width = 0;
  std::int64_t height = 0, width = 0;
  /// The outputs that are wanted; `out` has that many rows and columns.
  std::int64_t first_row = 0, first_column = 0;
  bool mirrored = false;  ///< the columns of `out`
};
/// `in` u8 or f32; `out` (C, rows, columns) of the same dtype, any strides, or
/// f32 and then factor * level + offset (of u8 inputs the level is whole).
PTUTILS_API void resample(const Tensor& in, const Resampling& how,
                          std::span<const float> factors,
                          std::span<const float> offsets, const Tensor& out);

}  // namespace ptutils::image_kernels
