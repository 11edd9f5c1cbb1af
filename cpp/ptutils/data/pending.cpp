#include "ptutils/data/pending.h"

#include <algorithm>
#include <complex>
#include <cstring>
#include <string>

#include "ptutils/tensor/image_kernels.h"
#include "ptutils/tensor/ops.h"

namespace ptutils::data {
namespace {

constexpr char kPendingWhere[] = "transforms";

Tensor three_dimensional(const Tensor& image) {
  return image.dim() == 2 ? image.unsqueeze(0) : image;
}

Tensor cropped(const Tensor& image, const Box& box) {
  return image.slice(image.dim() - 2, box.top, box.top + box.height)
      .slice(image.dim() - 1, box.left, box.left + box.width);
}

/// The rows of `in`, each from its end, into `out`, which is contiguous.
template <class Item>
void mirror(const Tensor& in, const Tensor& out) {
  const Dims& s = in.strides();
  const auto* from = reinterpret_cast<const Item*>(in.bytes());
  auto* to = reinterpret_cast<Item*>(out.bytes());
  for (std::int64_t c = 0; c < in.size(0); ++c)
    for (std::int64_t y = 0; y < in.size(1); ++y) {
      const Item* row = from + c * s[0] + y * s[1];
      for (std::int64_t x = in.size(2); x-- > 0;) *to++ = row[x * s[2]];
    }
}

void mirror_items(const Tensor& in, const Tensor& out) {
  switch (item_size(in.dtype())) {
    case 1:
      return mirror<std::uint8_t>(in, out);
    case 2:
      return mirror<std::uint16_t>(in, out);
    case 4:
      return mirror<std::uint32_t>(in, out);
    case 8:
      return mirror<std::uint64_t>(in, out);
    default:
      return mirror<std::complex<double>>(in, out);
  }
}

void copy(const Tensor& in, const Tensor& out) {
  if (in.contiguous()) {
    if (in.nbytes() > 0) std::memcpy(out.bytes(), in.bytes(), in.nbytes());
  } else {
    out.copy_from(in);
  }
}

std::string shape_text(const Dims& shape) {
  std::string out = "(";
  for (std::size_t d = 0; d < shape.size(); ++d)
    out += str(d == 0 ? "" : ", ", shape[d]);
  return out + ")";
}

/// Elements of `out` that have one factor and one offset.
std::int64_t per_channel(const Tensor& out, std::size_t values) {
  if (values == 1) return out.numel();
  return out.size(out.dim() - 1) * out.size(out.dim() - 2);
}

}  // namespace

Pending::Pending(Value value) { set(std::move(value)); }

void Pending::set(Value value) {
  *this = Pending();
  if (value.is_tensor()) {
    tensor_ = true;
    image_ = std::move(value.as_tensor());
    return;
  }
  if (value.is_opaque())
    encoded_ = std::dynamic_pointer_cast<const EncodedImage>(value.as_opaque());
  if (encoded_) {
    tensor_ = true;
    height_ = encoded_->height();
    width_ = encoded_->width();
    window_ = {0, 0, height_, width_};
  } else {
    value_ = std::move(value);
  }
}

bool Pending::is_tensor() const { return tensor_; }

bool Pending::is_image() const {
  return encoded_ || (tensor_ && (image_.dim() == 2 || image_.dim() == 3));
}

/// Colours last, and no channels first: what a crop or resize would cut is
/// rows and colours.
bool Pending::is_upright() const {
  if (encoded_ || image_.dim() < 3) return true;
  const std::int64_t last = image_.size(2);
  return image_.size(0) <= 4 || image_.size(1) <= 4 ||
         (last != 1 && last != 3 && last != 4);
}

void Pending::want_image() const {
  if (is_image() && !is_upright())
    fail(Kind::kValue, kPendingWhere, "an image of shape ", image_.shape_str(),
         " looks like (H, W, C), and (C, H, W) is wanted; put ToCHW before");
  if (is_image()) return;
  fail(Kind::kType, kPendingWhere,
       "an image (C, H, W) or (H, W) is wanted, not ",
       tensor_ ? str("shape ", image_.shape_str()) : value_.summary());
}

void Pending::want_tensor() const {
  if (!tensor_)
    fail(Kind::kType, kPendingWhere, "an array is wanted, not ",
         value_.summary());
}

Dims Pending::shape() const {
  want_tensor();
  Dims out = encoded_ ? Dims{3, 0, 0} : image_.shape();
  if (encoded_ || resized_) {
    out[out.size() - 2] = window_.height;
    out[out.size() - 1] = window_.width;
  }
  return out;
}

DType Pending::dtype() const {
  want_tensor();
  if (!factors_.empty()) return DType::kF32;
  return encoded_ ? DType::kU8 : image_.dtype();
}

std::int64_t Pending::height() const {
  want_image();
  return encoded_ || resized_ ? window_.height : image_.size(image_.dim() - 2);
}

std::int64_t Pending::width() const {
  want_image();
  return encoded_ || resized_ ? window_.width : image_.size(image_.dim() - 1);
}

void Pending::crop(const Box& given) {
  const std::int64_t rows = height();
  const std::int64_t columns = width();
  Box box = given;
  if (box.top < 0 || box.left < 0 || box.height < 0 || box.width < 0 ||
      box.top > rows - box.height || box.left > columns - box.width)
    fail(Kind::kValue, kPendingWhere, "a crop of ", box.height, "x", box.width,
         " at (", box.top, ", ", box.left, ") is not within an image of ", rows,
         "x", columns, "; resize or pad it before");
  if (flipped_) box.left = columns - box.left - box.width;
  if (!encoded_ && !resized_) {
    image_ = cropped(image_, box);
    return;
  }
  window_ = {window_.top + box.top, window_.left + box.left, box.height,
             box.width};
}

void Pending::resize(std::int64_t height, std::int64_t width) {
  want_image();
  if (height < 1 || width < 1)
    fail(Kind::kValue, kPendingWhere, "an image cannot be ", height, "x",
         width);
  if (height == this->height() && width == this->width()) return;
  if (!factors_.empty()) tensor();  // then it is the floats that are resized
  if (resized_) settle_geometry();
  if (dtype() != DType::kU8 && dtype() != DType::kF32)
    fail(Kind::kType, kPendingWhere,
         "images of uint8 or float32 are resized, not of ", name(dtype()),
         "; put Cast or ToFloat before");
  if (this->height() == 0 || this->width() == 0)
    fail(Kind::kValue, kPendingWhere,
         "an image without pixels cannot be resized");
  start_resize(height, width);
}

void Pending::start_resize(std::int64_t height, std::int64_t width) {
  part_ = encoded_ ? window_ : Box{0, 0, this->height(), this->width()};
  resized_ = true;
  height_ = height;
  width_ = width;
  window_ = {0, 0, height, width};
}

void Pending::flip() {
  want_image();
  flipped_ = !flipped_;
}

void Pending::permute(const Dims& dims) {
  want_tensor();
  if (factors_.size() > 1) {
    tensor();
  } else if (geometry()) {
    settle_geometry();
  }
  if (static_cast<std::size_t>(image_.dim()) != dims.size())
    fail(Kind::kType, kPendingWhere, "shape ", image_.shape_str(), " has not ",
         dims.size(), " dimensions");
  image_ = image_.permute(dims);
}

void Pending::affine(std::span<const float> factors,
                     std::span<const float> offsets) {
  const Dims now = shape();
  const std::size_t n = std::max(factors.size(), offsets.size());
  if (is_complex(dtype()))
    fail(Kind::kType, kPendingWhere, "complex numbers cannot become float32");
  if (n > 1 &&
      (now.size() < 3 || now[now.size() - 3] != static_cast<std::int64_t>(n)))
    fail(Kind::kValue, kPendingWhere, n, " values, one a channel, for shape ",
         shape_text(now), "; images are (C, H, W): put ToCHW before?");
  auto at = [](auto& values, std::size_t i) {
    return values.size() == 1 ? values[0] : values[i];
  };
  const std::size_t all =
      std::max(n, std::max<std::size_t>(1, factors_.size()));
  std::vector<float> factor(all);
  std::vector<float> offset(all);
  for (std::size_t i = 0; i < all; ++i) {
    const float f = at(factors, i);
    const float before = factors_.empty() ? 1 : at(factors_, i);
    const float shift = offsets_.empty() ? 0 : at(offsets_, i);
    factor[i] = before * f;
    offset[i] = shift * f + at(offsets, i);
  }
  factors_ = std::move(factor);
  offsets_ = std::move(offset);
}

/// From its file to pixels; what is cropped only is then cropped.
void Pending::decode() {
  if (!encoded_) return;
  Box wanted = window_;
  if (resized_) {
    // The rows below the triangles of those of the window.
    const double scale =
        static_cast<double>(part_.height) / static_cast<double>(height_);
    const double support = std::max(scale, 1.0) + 1;
    auto row = [&](double y) {
      return part_.top + std::clamp<std::int64_t>(static_cast<std::int64_t>(y),
                                                  0, part_.height);
    };
    shrunk_ = encoded_->shrink_for(part_.height, part_.width, height_, width_);
    const double margin = support + 2.0 * shrunk_;
    wanted.top = row(static_cast<double>(window_.top) * scale - margin);
    wanted.height =
        row(static_cast<double>(window_.top + window_.height) * scale + margin +
            1) -
        wanted.top;
  }
  image_ = encoded_->decode(wanted.top, wanted.top + wanted.height, shrunk_);
  image_.origin = Origin::kNumpy;  // as all that files hold
  encoded_ = nullptr;
  if (!resized_) image_ = cropped(image_, window_);
}

void Pending::resample_into(const Tensor& row) const {
  const Tensor in = three_dimensional(image_);
  const double shrunk = shrunk_;
  // Whole pixels around the part: what is beside it has no part in the result.
  const auto top = part_.top / shrunk_;
  const auto left = part_.left / shrunk_;
  const auto bottom =
      std::min(in.size(1), (part_.top + part_.height + shrunk_ - 1) / shrunk_);
  const auto right =
      std::min(in.size(2), (part_.left + part_.width + shrunk_ - 1) / shrunk_);
  image_kernels::Resampling how;
  how.top = static_cast<double>(part_.top) / shrunk - static_cast<double>(top);
  how.left =
      static_cast<double>(part_.left) / shrunk - static_cast<double>(left);
  how.part_height = static_cast<double>(part_.height) / shrunk;
  how.part_width = static_cast<double>(part_.width) / shrunk;
  how.height = height_;
  how.width = width_;
  how.first_row = window_.top;
  how.first_column = window_.left;
  how.mirrored = flipped_;
  image_kernels::resample(cropped(in, {top, left, bottom - top, right - left}),
                          how, factors_, offsets_, three_dimensional(row));
}

/// factor * x + offset, geometry but for the mirror being done.
void Pending::put_affine(const Tensor& row) const {
  if (image_.dtype() == DType::kU8) {
    if (is_image())
      return image_kernels::affine(three_dimensional(image_), factors_,
                                   offsets_, flipped_, three_dimensional(row));
    if (factors_.size() == 1 && image_.contiguous()) {
      const Dims flat{1, 1, image_.numel()};
      return image_kernels::affine(image_.reshape(flat), factors_, offsets_,
                                   false, row.reshape(flat));
    }
  }
  const Tensor floats = cast(image_, DType::kF32);
  if (flipped_) {
    mirror_items(three_dimensional(floats), row);
  } else {
    copy(floats, row);
  }
  const std::int64_t run = per_channel(row, factors_.size());
  auto* at = row.data<float>();
  for (std::int64_t begin = 0; begin < row.numel(); begin += run) {
    const auto c = static_cast<std::size_t>(begin / run) % factors_.size();
    const float factor = factors_[c];
    const float offset = offsets_[c];
    for (std::int64_t i = begin; i < begin + run; ++i)
      at[i] = at[i] * factor + offset;
  }
}

void Pending::put(const Tensor& row) {
  decode();
  if (resized_) {
    resample_into(row);
  } else if (!factors_.empty()) {
    put_affine(row);
  } else if (flipped_) {
    mirror_items(three_dimensional(image_), row);
  } else {
    copy(image_, row);
  }
}

void Pending::settle_geometry() {
  std::vector<float> factors;
  std::vector<float> offsets;
  factors.swap(factors_);
  offsets.swap(offsets_);
  tensor();
  factors_.swap(factors);
  offsets_.swap(offsets);
}

const Tensor& Pending::tensor() {
  want_tensor();
  decode();
  seen_ = true;
  if (!resized_ && !flipped_ && factors_.empty()) return image_;
  Tensor out = Tensor::empty(shape(), dtype());
  out.origin = image_.origin;
  put(out);
  set(std::move(out));
  return image_;
}

Value Pending::value() {
  if (!tensor_) return value_;
  return tensor();
}

void Pending::write(const Tensor& row) {
  want_tensor();
  put(row);
}

bool Pending::repeats(const Storage& storage) const {
  return tensor_ && !seen_ && !encoded_ && !resized_ && !factors_.empty() &&
         image_.dtype() == DType::kU8 && image_.storage().get() == &storage &&
         (is_image() || (factors_.size() == 1 && image_.contiguous()));
}

void Pending::write_rows(std::span<const std::int64_t> rows,
                         const Tensor& out) const {
  const Tensor first = is_image() ? three_dimensional(image_)
                                  : image_.reshape({1, 1, image_.numel()});
  Dims shape = first.shape();
  shape.insert(shape.begin(), static_cast<std::int64_t>(rows.size()));
  image_kernels::affine_rows(first, rows, factors_, offsets_,
                             is_image() && flipped_, out.reshape(shape));
}

}  // namespace ptutils::data
