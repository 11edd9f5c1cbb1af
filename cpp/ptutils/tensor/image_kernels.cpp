#include "ptutils/tensor/image_kernels.h"

#include <algorithm>
#include <cmath>
#include <vector>

#ifdef __SSE2__
#include <xmmintrin.h>
#endif

#include "ptutils/tensor/kernels/table.h"

namespace ptutils::image_kernels {
namespace {

constexpr char kWhere[] = "image";

kernels::ImageView view_of(const Tensor& image) {
  const Dims& n = image.shape();
  const Dims& s = image.strides();
  return {image.bytes(), n[0], n[1], n[2], s[0], s[1], s[2]};
}

void check(const Tensor& in, const Tensor& out) {
  if (in.dim() != 3 || out.dim() != 3 || in.size(0) != out.size(0))
    fail(Kind::kValue, kWhere, in.shape_str(), " to ", out.shape_str(),
         "; both are (channels, height, width)");
}

/// One factor and offset a channel.
struct PerChannel {
  PerChannel(std::span<const float> values, std::int64_t channels, float none)
      : all(values.begin(), values.end()) {
    const auto n = static_cast<std::size_t>(channels);
    if (all.empty()) all.assign(n, none);
    if (all.size() == 1) all.assign(n, all[0]);
    if (all.size() != n)
      fail(Kind::kValue, kWhere, all.size(), " values for ", channels,
           " channels");
  }
  std::vector<float> all;
};

/// The taps of the outputs [first, first + count) of `outputs` over the part
/// [from, from + size) of `inputs`.
struct Table {
  Table(std::int64_t inputs, double from, double size, std::int64_t outputs,
        std::int64_t first_output, std::int64_t count) {
    const double scale = size / static_cast<double>(outputs);
    const double support = std::max(scale, 1.0);
    taps = std::min<std::int64_t>(
        inputs, static_cast<std::int64_t>(std::ceil(support)) * 2 + 1);
    first.resize(static_cast<std::size_t>(count));
    weights.assign(static_cast<std::size_t>(count * taps), 0);
    for (std::int64_t i = 0; i < count; ++i)
      set(i, from + (static_cast<double>(first_output + i) + .5) * scale,
          support, inputs);
  }
  kernels::Taps taps_of() const { return {first.data(), weights.data(), taps}; }

  std::vector<std::int32_t> first;
  std::vector<float> weights;
  std::int64_t taps = 1;

 private:
  void set(std::int64_t i, double center, double support, std::int64_t inputs) {
    const auto low = std::max<std::int64_t>(
        static_cast<std::int64_t>(center - support + .5), 0);
    const auto high =
        std::min(static_cast<std::int64_t>(center + support + .5), inputs);
    const std::int64_t begin = std::min(low, inputs - taps);
    first[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(begin);
    float* at = weights.data() + i * taps;
    auto weight = [&](std::int64_t x) {
      const double away =
          std::abs(static_cast<double>(x) - center + .5) / support;
      return std::max(1 - away, 0.0);
    };
    double sum = 0;
    for (std::int64_t x = low; x < high; ++x) sum += weight(x);
    if (sum == 0) {  // the part is narrower than a pixel
      at[std::clamp<std::int64_t>(low, 0, inputs - 1) - begin] = 1;
      return;
    }
    for (std::int64_t x = low; x < high; ++x)
      at[x - begin] = static_cast<float>(weight(x) / sum);
  }
};

}  // namespace

void streamed_stores_done() {
#ifdef __SSE2__
  _mm_sfence();
#endif
}

void affine(const Tensor& in, std::span<const float> factors,
            std::span<const float> offsets, bool mirrored, const Tensor& out) {
  const std::int64_t here = 0;
  affine_rows(in, {&here, 1}, factors, offsets, mirrored, out);
}

void affine_rows(const Tensor& in, std::span<const std::int64_t> rows,
                 std::span<const float> factors, std::span<const float> offsets,
                 bool mirrored, const Tensor& out) {
  const auto n = static_cast<std::int64_t>(rows.size());
  const Dims& to = out.shape();
  if (in.dtype() != DType::kU8 || in.dim() != 3 || !out.contiguous() ||
      out.numel() != n * in.numel() || to.size() < 3 ||
      !std::equal(in.shape().begin(), in.shape().end(), to.end() - 3))
    fail(Kind::kType, kWhere, n, " x ", name(in.dtype()), " ", in.shape_str(),
         " to ", out.shape_str(), "; bytes become floats in place");
  if (out.numel() == 0) return;
  const PerChannel factor(factors, in.size(0), 1);
  const PerChannel offset(offsets, in.size(0), 0);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(in.bytes());
  kernels::Affine job{view_of(in),
                      factor.all.data(),
                      offset.all.data(),
                      mirrored,
                      out.storage()->bytes() > kPastCaches,
                      0,
                      out.data<float>()};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    job.in.data = bytes + rows[i];
    job.next = i + 1 < rows.size() ? rows[i + 1] - rows[i] : 0;
    kernels::table().images.affine(job);
    job.out += in.numel();
  }
}

void resample(const Tensor& given, const Resampling& how,
              std::span<const float> factors, std::span<const float> offsets,
              const Tensor& out) {
  check(given, out);
  if (out.numel() == 0) return;
  if (given.numel() == 0)
    fail(Kind::kValue, kWhere, "an image without pixels cannot be resized");
  Tensor in = given;
  const Dims& s = in.strides();
  const bool rgb = in.size(0) == 3 && s[0] == 1 && s[2] == 3;
  if (!rgb && s[2] != 1) in = in.clone();
  const Table rows(in.size(1), how.top, how.part_height, how.height,
                   how.first_row, out.size(1));
  const Table columns(in.size(2), how.left, how.part_width, how.width,
                      how.first_column, out.size(2));
  const PerChannel factor(factors, in.size(0), 1);
  const PerChannel offset(offsets, in.size(0), 0);
  thread_local std::vector<float> scratch;
  scratch.assign(static_cast<std::size_t>(3 * (in.size(2) + out.size(2)) + 2),
                 0);
  const kernels::Resample job{
      view_of(in),     rows.taps_of(), columns.taps_of(), out.size(1),
      out.size(2),     how.mirrored,   factor.all.data(), offset.all.data(),
      scratch.data(),  out.bytes(),    out.strides()[0],  out.strides()[1],
      out.strides()[2]};
  const kernels::Images& images = kernels::table().images;
  if (in.dtype() == DType::kU8 && out.dtype() == DType::kU8) {
    images.resample_u8(job);
  } else if (in.dtype() == DType::kU8 && out.dtype() == DType::kF32) {
    images.resample_u8_f32(job);
  } else if (in.dtype() == DType::kF32 && out.dtype() == DType::kF32) {
    images.resample_f32(job);
  } else {
    fail(Kind::kType, kWhere, "resampling takes u8 or f32 to the same or f32, ",
         "not ", name(in.dtype()), " to ", name(out.dtype()));
  }
}

}  // namespace ptutils::image_kernels
