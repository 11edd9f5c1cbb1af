#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "ptutils/data/detail/transform_config.h"
#include "ptutils/data/transforms.h"

// Transforms of colours, and of patches.

namespace ptutils::data::transforms {
namespace {

// ITU-R 601-2, as torchvision's rgb_to_grayscale has it.
constexpr float kRed = .2989F, kGreen = .587F, kBlue = .114F;

/// A pixel's colours, and how far they go: 255 for bytes, 1 for floats.
using Pixel = std::array<float, 3>;

float grey(const Pixel& p) {
  return kRed * p[0] + kGreen * p[1] + kBlue * p[2];
}

/// Hue, saturation, value in [0, 1) (Smith 1978), and back.
Pixel to_hsv(const Pixel& p) {
  const float high = std::max({p[0], p[1], p[2]});
  const float low = std::min({p[0], p[1], p[2]});
  const float range = high - low;
  if (range == 0) return {0, 0, high};
  float hue = 0;
  if (high == p[0]) {
    hue = (p[1] - p[2]) / range;
  } else if (high == p[1]) {
    hue = 2 + (p[2] - p[0]) / range;
  } else {
    hue = 4 + (p[0] - p[1]) / range;
  }
  hue /= 6;
  return {hue - std::floor(hue), range / high, high};
}

Pixel to_rgb(const Pixel& hsv) {
  const float sixth = hsv[0] * 6;
  const float whole = std::floor(sixth);
  const float part = sixth - whole;
  const float v = hsv[2];
  const float p = v * (1 - hsv[1]);
  const float q = v * (1 - hsv[1] * part);
  const float t = v * (1 - hsv[1] * (1 - part));
  switch (static_cast<int>(whole) % 6) {
    case 0:
      return {v, t, p};
    case 1:
      return {q, v, p};
    case 2:
      return {p, v, t};
    case 3:
      return {p, q, v};
    case 4:
      return {t, p, v};
    default:
      return {v, p, q};
  }
}

/// An image of three planes in float, whatever it was: bytes stay whole levels
/// between the steps, as in torchvision.
class Colours {
 public:
  explicit Colours(const Tensor& image)
      : bytes_(image.dtype() == DType::kU8),
        most_(bytes_ ? 255.0F : 1.0F),
        image_(image.clone()),
        pixels_(image.size(1) * image.size(2)) {}

  const Tensor& image() const { return image_; }

  /// Each pixel becomes f(pixel), in [0, 1].
  template <class F>
  void change(F f) {
    if (bytes_) {
      change_of<std::uint8_t>(f);
    } else {
      change_of<float>(f);
    }
  }
  float mean_grey() {
    double sum = 0;
    const float most = bytes_ ? 255.0F : 1.0F;
    change([&](const Pixel& p) {
      const float level = grey(p) * most;  // whole levels, of bytes
      sum += bytes_ ? std::floor(level) : level;
      return p;
    });
    return static_cast<float>(sum / static_cast<double>(pixels_)) / most;
  }

 private:
  template <class T, class F>
  void change_of(F f) {
    T* planes = image_.data<T>();
    for (std::int64_t i = 0; i < pixels_; ++i) {
      const Pixel before = {at(planes[i]), at(planes[i + pixels_]),
                            at(planes[i + 2 * pixels_])};
      const Pixel after = f(before);
      for (int c = 0; c < 3; ++c)
        planes[i + c * pixels_] = level<T>(after[static_cast<std::size_t>(c)]);
    }
  }
  template <class T>
  float at(T value) const {
    return static_cast<float>(value) / most_;
  }
  template <class T>
  T level(float value) const {
    const float held = std::clamp(value, 0.0F, 1.0F) * most_;
    return static_cast<T>(sizeof(T) == 1 ? held + 1e-3F : held);
  }

  bool bytes_;
  float most_;
  Tensor image_;
  std::int64_t pixels_;
};

/// Between two images, `factor` of the first.
template <class Other>
void blend(Colours& colours, double factor, Other other) {
  const auto f = static_cast<float>(factor);
  colours.change([&](const Pixel& p) {
    Pixel out{};
    for (std::size_t c = 0; c < 3; ++c) out[c] = f * p[c] + (1 - f) * other(p);
    return out;
  });
}

void shift_hue(Colours& colours, double by) {
  colours.change([shift = static_cast<float>(by)](const Pixel& p) {
    Pixel hsv = to_hsv(p);
    hsv[0] += shift;
    hsv[0] -= std::floor(hsv[0]);
    return to_rgb(hsv);
  });
}

}  // namespace

ColorJitter::Range ColorJitter::of_strength(double strength, bool hue) {
  if (!(strength >= 0))
    fail(Kind::kValue, "ColorJitter", "strength ", strength,
         "; give 0 (off) or more, or (low, high)");
  if (hue) return {-strength, strength};
  return {std::max(0.0, 1 - strength), 1 + strength};
}

ColorJitter::ColorJitter(Range brightness, Range contrast, Range saturation,
                         Range hue)
    : ranges_{brightness, contrast, saturation, hue} {
  const char* const names[] = {"brightness", "contrast", "saturation", "hue"};
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    const auto [low, high] = ranges_[i];
    const bool turns = i == 3;
    if (!(low <= high) || !std::isfinite(high) || low < (turns ? -.5 : 0) ||
        (turns && high > .5))
      fail(Kind::kValue, "ColorJitter", names[i], "=(", low, ", ", high,
           turns ? "); give (low, high) within -0.5 to 0.5, or 0 to 0.5"
                 : "); give (low, high) from 0 on, or a strength");
  }
}

void ColorJitter::apply(Pending& sample, Random random) {
  const Tensor& image = sample.tensor();
  const bool is_grey = image.dim() == 3 && image.size(0) == 1;
  if (image.dim() != 3 || (image.size(0) != 3 && !is_grey) ||
      (image.dtype() != DType::kU8 && image.dtype() != DType::kF32))
    fail(Kind::kType, "ColorJitter",
         "wants (3, H, W) or (1, H, W) of uint8 or float32, not ",
         image.shape_str(), " ", name(image.dtype()));
  std::array<std::size_t, 4> order{0, 1, 2, 3};
  for (std::size_t i = order.size() - 1; i > 0; --i)
    std::swap(order[i], order[random.next_below(i + 1)]);
  constexpr std::array<Range, 4> kUnchanged{{{1, 1}, {1, 1}, {1, 1}, {0, 0}}};
  std::array<double, 4> drawn{};
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const auto [low, high] = ranges_[i];
    drawn[i] = low + (high - low) * random.next_uniform();
  }
  Colours colours(
      is_grey ? image.broadcast_to({3, image.size(1), image.size(2)}) : image);
  for (std::size_t i : order) {
    if (ranges_[i] == kUnchanged[i] || (is_grey && i > 1)) continue;
    if (i == 0) {
      blend(colours, drawn[i], [](const Pixel&) { return 0.0F; });
    } else if (i == 1) {
      const float mean = colours.mean_grey();
      blend(colours, drawn[i], [mean](const Pixel&) { return mean; });
    } else if (i == 2) {
      blend(colours, drawn[i], grey);
    } else {
      shift_hue(colours, drawn[i]);
    }
  }
  Tensor out = colours.image();
  if (is_grey) out = out.slice(0, 0, 1).clone();
  out.origin = image.origin;
  sample.set(std::move(out));
}

Value ColorJitter::to_config() {
  const auto pair = [](const Range& range) {
    const double both[] = {range.first, range.second};
    return detail::list_of(both);
  };
  return Dict{{"func", class_name()},
              {"brightness", pair(ranges_[0])},
              {"contrast", pair(ranges_[1])},
              {"saturation", pair(ranges_[2])},
              {"hue", pair(ranges_[3])}};
}

Cutout::Cutout(std::int64_t size, double value, double p)
    : size_(size), value_(value), p_(p) {
  if (size < 1)
    fail(Kind::kValue, "Cutout", "size=", size, "; give 1 or more pixels");
  if (!(p >= 0 && p <= 1))
    fail(Kind::kValue, "Cutout", "p=", p, "; give 0 to 1");
  if (!std::isfinite(value))
    fail(Kind::kValue, "Cutout", "value=", value, "; give a finite number");
}

void Cutout::apply(Pending& sample, Random random) {
  const std::int64_t height = sample.height();
  const std::int64_t width = sample.width();
  const bool whole = value_ == std::floor(value_);
  if (sample.dtype() == DType::kU8 && !(whole && value_ >= 0 && value_ <= 255))
    fail(Kind::kValue, "Cutout", "value=", value_,
         " in an image of uint8; give 0 to 255, or put ToFloat before");
  if (random.next_uniform() >= p_ || height == 0 || width == 0) return;
  // The centre is anywhere, so that a patch may reach beyond the image.
  const auto top = static_cast<std::int64_t>(
                       random.next_below(static_cast<std::uint64_t>(height))) -
                   size_ / 2;
  const auto left = static_cast<std::int64_t>(
                        random.next_below(static_cast<std::uint64_t>(width))) -
                    size_ / 2;
  Tensor out = sample.tensor().clone();
  const std::int64_t rows = out.dim() - 2;
  const Tensor patch = out.slice(rows, std::max<std::int64_t>(top, 0),
                                 std::max<std::int64_t>(top + size_, 0))
                           .slice(rows + 1, std::max<std::int64_t>(left, 0),
                                  std::max<std::int64_t>(left + size_, 0));
  patch.copy_from(
      Tensor::full({}, value_, out.dtype()).broadcast_to(patch.shape()));
  sample.set(std::move(out));
}

Value Cutout::to_config() {
  return Dict{
      {"func", class_name()}, {"size", size_}, {"value", value_}, {"p", p_}};
}

}  // namespace ptutils::data::transforms
