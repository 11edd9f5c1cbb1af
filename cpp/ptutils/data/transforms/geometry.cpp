#include <algorithm>
#include <cmath>

#include "ptutils/data/detail/transform_config.h"
#include "ptutils/data/transforms.h"

// Transforms of places: size, part, mirror.

namespace ptutils::data {

namespace detail {

void as_array(Pending& sample) {
  if (sample.is_tensor()) return;
  const Value value = sample.value();
  if (value.is_bool()) {
    sample.set(Tensor::scalar_of(value.as_bool()));
  } else if (value.is_int()) {
    sample.set(Tensor::scalar_of(value.as_int()));
  } else if (value.is_double()) {
    sample.set(Tensor::scalar_of(value.as_double()));
  }
}

Value list_of(std::span<const double> numbers) {
  List out;
  for (double number : numbers) out.items.emplace_back(number);
  return out;
}

}  // namespace detail

namespace transforms {
namespace {

void check(const Size& size, const char* where) {
  if (size.height < 1 || size.width.value_or(1) < 1)
    fail(Kind::kValue, where, "size ", size.height,
         size.width ? str("x", *size.width) : "", "; give 1 or more pixels");
}

/// One number as it was given, or [height, width].
Value config_of(const Size& size) {
  if (!size.width) return size.height;
  List out;
  out.items = {Value(size.height), Value(*size.width)};
  return out;
}

std::int64_t width_of(const Size& size) {
  return size.width.value_or(size.height);
}

/// Places at which a part may begin.
std::int64_t place(Random& random, std::int64_t spare) {
  return spare == 0 ? 0
                    : static_cast<std::int64_t>(random.next_below(
                          static_cast<std::uint64_t>(spare) + 1));
}

/// Zeros around: an image of height x width, this one at (top, left) in it.
void pad(Pending& sample, std::int64_t top, std::int64_t left,
         std::int64_t height, std::int64_t width) {
  const Tensor& image = sample.tensor();
  Dims shape = image.shape();
  const std::int64_t rows = image.dim() - 2;
  const std::int64_t columns = image.dim() - 1;
  shape[shape.size() - 2] = height;
  shape[shape.size() - 1] = width;
  Tensor out = Tensor::zeros(std::move(shape), image.dtype());
  out.origin = image.origin;
  out.slice(rows, top, top + image.size(rows))
      .slice(columns, left, left + image.size(columns))
      .copy_from(image);
  sample.set(std::move(out));
}

}  // namespace

Resize::Resize(Size size) : size_(size) { check(size_, "Resize"); }
void Resize::apply(Pending& sample, Random) {
  if (size_.width) return sample.resize(size_.height, *size_.width);
  const std::int64_t height = sample.height();
  const std::int64_t width = sample.width();
  const std::int64_t shorter = std::min(height, width);
  if (shorter == 0)
    fail(Kind::kValue, "Resize", "an image without pixels cannot be resized");
  const std::int64_t longer = size_.height * std::max(height, width) / shorter;
  if (height <= width) {
    sample.resize(size_.height, longer);
  } else {
    sample.resize(longer, size_.height);
  }
}
Value Resize::to_config() {
  return Dict{{"func", class_name()}, {"size", config_of(size_)}};
}

CenterCrop::CenterCrop(Size size) : size_(size) { check(size_, "CenterCrop"); }
void CenterCrop::apply(Pending& sample, Random) {
  const std::int64_t short_rows =
      std::max<std::int64_t>(size_.height - sample.height(), 0);
  const std::int64_t short_columns =
      std::max<std::int64_t>(width_of(size_) - sample.width(), 0);
  if (short_rows > 0 || short_columns > 0)
    pad(sample, short_rows / 2, short_columns / 2, sample.height() + short_rows,
        sample.width() + short_columns);
  const std::int64_t spare_rows = sample.height() - size_.height;
  const std::int64_t spare_columns = sample.width() - width_of(size_);
  // As torchvision rounds: half to even.
  const auto half = [](std::int64_t n) {
    return static_cast<std::int64_t>(
        std::nearbyint(static_cast<double>(n) / 2));
  };
  sample.crop(
      {half(spare_rows), half(spare_columns), size_.height, width_of(size_)});
}
Value CenterCrop::to_config() {
  return Dict{{"func", class_name()}, {"size", config_of(size_)}};
}

std::optional<RandomCrop::Padding> RandomCrop::Padding::of(
    const std::vector<std::int64_t>& sides) {
  switch (sides.size()) {
    case 1:
      return Padding{sides[0], sides[0], sides[0], sides[0]};
    case 2:
      return Padding{sides[0], sides[1], sides[0], sides[1]};
    case 4:
      return Padding{sides[0], sides[1], sides[2], sides[3]};
    default:
      return {};
  }
}

RandomCrop::RandomCrop(Size size, Padding padding)
    : size_(size), padding_(padding) {
  check(size_, "RandomCrop");
  const auto& [left, top, right, bottom] = padding_;
  const std::int64_t least = std::min({left, top, right, bottom});
  if (least < 0)
    fail(Kind::kValue, "RandomCrop", "padding=", least, "; give 0 or more");
}
void RandomCrop::apply(Pending& sample, Random random) {
  const auto& [left_side, top_side, right_side, bottom_side] = padding_;
  if (left_side + top_side + right_side + bottom_side > 0)
    pad(sample, top_side, left_side, sample.height() + top_side + bottom_side,
        sample.width() + left_side + right_side);
  const std::int64_t spare_rows = sample.height() - size_.height;
  const std::int64_t spare_columns = sample.width() - width_of(size_);
  if (spare_rows < 0 || spare_columns < 0)
    fail(Kind::kValue, "RandomCrop", "size ", size_.height, "x",
         width_of(size_), " of an image of ", sample.height(), "x",
         sample.width(), "; resize or pad it before");
  const std::int64_t top = place(random, spare_rows);
  const std::int64_t left = place(random, spare_columns);
  sample.crop({top, left, size_.height, width_of(size_)});
}
Value RandomCrop::to_config() {
  const auto& [left, top, right, bottom] = padding_;
  Value padding = left;
  if (top != left || right != left || bottom != left)
    padding = Value::list({left, top, right, bottom});
  return Dict{{"func", class_name()},
              {"size", config_of(size_)},
              {"padding", std::move(padding)}};
}

RandomResizedCrop::RandomResizedCrop(Size size, Range scale, Range ratio)
    : size_(size), scale_(scale), ratio_(ratio) {
  check(size_, "RandomResizedCrop");
  const auto rising = [](const Range& r) {
    return r.first > 0 && r.second >= r.first;
  };
  if (!rising(scale_) || !rising(ratio_))
    fail(Kind::kValue, "RandomResizedCrop", "scale=(", scale_.first, ", ",
         scale_.second, "), ratio=(", ratio_.first, ", ", ratio_.second,
         "); give the smaller number first, above 0");
}
void RandomResizedCrop::apply(Pending& sample, Random random) {
  const std::int64_t height = sample.height();
  const std::int64_t width = sample.width();
  const auto area = static_cast<double>(height * width);
  const auto between = [&random](double low, double high) {
    return low + (high - low) * random.next_uniform();
  };
  Box box;
  for (int i = 0; i < 10; ++i) {
    const double wanted = area * between(scale_.first, scale_.second);
    const double ratio =
        std::exp(between(std::log(ratio_.first), std::log(ratio_.second)));
    box.width = std::llround(std::sqrt(wanted * ratio));
    box.height = std::llround(std::sqrt(wanted / ratio));
    if (box.width < 1 || box.width > width || box.height < 1 ||
        box.height > height)
      continue;
    box.top = place(random, height - box.height);
    box.left = place(random, width - box.width);
    sample.crop(box);
    return sample.resize(size_.height, width_of(size_));
  }
  const double whole = static_cast<double>(width) / static_cast<double>(height);
  box.height = height;
  box.width = width;
  if (whole < ratio_.first) {
    box.height = std::llround(static_cast<double>(width) / ratio_.first);
  } else if (whole > ratio_.second) {
    box.width = std::llround(static_cast<double>(height) * ratio_.second);
  }
  box.top = (height - box.height) / 2;
  box.left = (width - box.width) / 2;
  sample.crop(box);
  sample.resize(size_.height, width_of(size_));
}
Value RandomResizedCrop::to_config() {
  const auto pair = [](const Range& r) {
    const double both[] = {r.first, r.second};
    return detail::list_of(both);
  };
  return Dict{{"func", class_name()},
              {"size", config_of(size_)},
              {"scale", pair(scale_)},
              {"ratio", pair(ratio_)}};
}

RandomHorizontalFlip::RandomHorizontalFlip(double p) : p_(p) {
  if (!(p >= 0 && p <= 1))
    fail(Kind::kValue, "RandomHorizontalFlip", "p=", p, "; give 0 to 1");
}
void RandomHorizontalFlip::apply(Pending& sample, Random random) {
  if (random.next_uniform() < p_) sample.flip();
}
Value RandomHorizontalFlip::to_config() {
  return Dict{{"func", class_name()}, {"p", p_}};
}

}  // namespace transforms
}  // namespace ptutils::data
