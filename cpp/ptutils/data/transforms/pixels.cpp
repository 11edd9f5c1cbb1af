#include <algorithm>
#include <cmath>

#include "ptutils/data/detail/numbers.h"
#include "ptutils/data/detail/transform_config.h"
#include "ptutils/data/transforms.h"
#include "ptutils/module/registry.h"
#include "ptutils/tensor/ops.h"

// Transforms of values: layout, scale, dtype, labels.

namespace ptutils::data {

Value Transform::call(const Value& arguments) {
  const bool one = arguments.is_list() && arguments.as_list().tuple &&
                   arguments.as_list().items.size() == 1;
  Pending sample(one ? arguments.as_list().items[0] : arguments);
  apply(sample,
        draws_random() ? Random(default_random().next_u64()) : Random());
  return sample.value();
}

std::string Transform::extra_repr() { return detail::arguments_text(*this); }

namespace transforms {

void DecodeImage::apply(Pending& sample, Random) {
  constexpr char kDecode[] = "DecodeImage";
  if (sample.is_tensor() &&
      !(sample.dtype() == DType::kU8 && sample.shape().size() == 1))
    fail(Kind::kType, kDecode, "the bytes of a picture file are wanted, not ",
         name(sample.dtype()), " ", sample.tensor().shape_str());
  std::string bytes;
  if (sample.is_tensor()) {
    const Tensor given = sample.tensor().to_contiguous();
    bytes.assign(reinterpret_cast<const char*>(given.bytes()), given.nbytes());
  } else {
    const Value given = sample.value();
    if (!given.is_bytes())
      fail(Kind::kType, kDecode, "the bytes of a picture file are wanted, not ",
           given.summary());
    bytes = given.as_bytes().data;
  }
  sample.set(std::shared_ptr<Opaque>(std::make_shared<EncodedImage>(
      std::move(bytes), "a picture", dct_scaling_)));
}
Value DecodeImage::to_config() {
  Dict config{{"func", class_name()}};
  if (dct_scaling_) config.set("dct_scaling", true);
  return config;
}

void ToCHW::apply(Pending& sample, Random) {
  const auto dims = sample.shape().size();
  if (dims == 2) {
    sample.set(sample.tensor().unsqueeze(0));
  } else {
    sample.permute({2, 0, 1});
  }
}
Value ToCHW::to_config() { return Dict{{"func", class_name()}}; }

ToFloat::ToFloat(double scale) : scale_(scale) {
  if (!std::isfinite(scale))
    fail(Kind::kValue, "ToFloat", "scale=", scale, "; give a finite number");
}
void ToFloat::apply(Pending& sample, Random) {
  const auto factor = static_cast<float>(scale_);
  constexpr float kNone = 0;
  detail::as_array(sample);
  sample.affine({&factor, 1}, {&kNone, 1});
}
Value ToFloat::to_config() {
  return Dict{{"func", class_name()}, {"scale", scale_}};
}

Normalize::Normalize(std::vector<double> mean, std::vector<double> std)
    : mean_(std::move(mean)), std_(std::move(std)) {
  const std::size_t n = std::max(mean_.size(), std_.size());
  const auto fits = [n](const auto& v) {
    return v.size() == 1 || v.size() == n;
  };
  if (n == 0 || !fits(mean_) || !fits(std_))
    fail(Kind::kValue, "Normalize", mean_.size(), " means and ", std_.size(),
         " stds; give one of each, or one a channel");
  for (std::size_t i = 0; i < n; ++i) {
    const double m = mean_[mean_.size() == 1 ? 0 : i];
    const double s = std_[std_.size() == 1 ? 0 : i];
    if (!(s > 0 || s < 0))
      fail(Kind::kValue, "Normalize", "std ", s, " cannot be divided by");
    factors_.push_back(static_cast<float>(1 / s));
    offsets_.push_back(static_cast<float>(-m / s));
  }
}
void Normalize::apply(Pending& sample, Random) {
  detail::as_array(sample);
  sample.affine(factors_, offsets_);
}
Value Normalize::to_config() {
  return Dict{{"func", class_name()},
              {"mean", detail::list_of(mean_)},
              {"std", detail::list_of(std_)}};
}

void Cast::apply(Pending& sample, Random) {
  detail::as_array(sample);
  if (sample.dtype() == dtype_) return;
  const Origin origin = sample.tensor().origin;
  Tensor out = cast(sample.tensor(), dtype_);
  out.origin = origin;
  sample.set(std::move(out));
}
Value Cast::to_config() {
  return Dict{{"func", class_name()}, {"dtype", std::string(name(dtype_))}};
}

OneHot::OneHot(std::int64_t classes) : classes_(classes) {
  if (classes < 1)
    fail(Kind::kValue, "OneHot", "num_classes=", classes, "; give 1 or more");
}
void OneHot::apply(Pending& sample, Random) {
  detail::as_array(sample);
  const Tensor labels = cast(sample.tensor(), DType::kI64).to_contiguous();
  const Tensor given = cast(sample.tensor(), DType::kF64).to_contiguous();
  Dims shape = labels.shape();
  shape.push_back(classes_);
  Tensor out = Tensor::zeros(std::move(shape));
  const auto* label = labels.data<std::int64_t>();
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    const double wanted = given.data<double>()[i];
    if (label[i] < 0 || label[i] >= classes_ ||
        static_cast<double>(label[i]) != wanted)
      fail(Kind::kIndex, "OneHot", "label ", wanted, " is not one of 0 … ",
           classes_ - 1);
    out.data<float>()[i * classes_ + label[i]] = 1;
  }
  out.origin = sample.tensor().origin;
  sample.set(std::move(out));
}
Value OneHot::to_config() {
  return Dict{{"func", class_name()}, {"num_classes", classes_}};
}

}  // namespace transforms
}  // namespace ptutils::data
