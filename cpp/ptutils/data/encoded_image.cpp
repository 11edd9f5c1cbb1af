#include "ptutils/data/encoded_image.h"

#include <utility>

#include "ptutils/data/detail/picture.h"
#include "ptutils/data/detail/spent.h"

namespace ptutils::data {
namespace {

ImageDecoder& other_decoder() {
  static auto* decoder = new ImageDecoder;  // set once, before any picture
  return *decoder;
}

Tensor decode_other(const std::string& bytes, const std::string& name) {
  if (!other_decoder())
    fail(Kind::kFormat, "image", name,
         ": neither JPEG (grey, RGB) nor PNG, which are decoded here");
  Tensor out = other_decoder()(bytes, name);
  if (out.dtype() != DType::kU8 || out.dim() != 3 || out.size(2) != 3)
    fail(Kind::kFormat, "image", name, ": decoded to ", out.shape_str(), " ",
         ptutils::name(out.dtype()), ", not to u8 (height, width, 3)");
  return out;
}

}  // namespace

void set_image_decoder(ImageDecoder decoder) {
  other_decoder() = std::move(decoder);
}

EncodedImage::EncodedImage(std::string bytes, const std::string& name,
                           bool scaled)
    : bytes_(std::move(bytes)),
      name_(str("[image] ", name, ": ")),
      scaled_(scaled) {
  std::optional<detail::PictureSize> size;
  if (detail::is_jpeg(bytes_)) {
    size = detail::jpeg_size(bytes_, name_);
    format_ = Format::kJpeg;
  } else if (detail::is_png(bytes_)) {
    size = detail::png_size(bytes_, name_);
    format_ = Format::kPng;
  }
  if (!size) {
    format_ = Format::kOther;
    other_ = decode_other(bytes_, name);
    size = detail::PictureSize{other_.size(0), other_.size(1)};
  }
  height_ = size->height;
  width_ = size->width;
}

Tensor EncodedImage::decode(std::int64_t top, std::int64_t bottom,
                            int shrink) const {
  const detail::Timed timed(detail::spent_ticks().decoding);
  const Dims to_chw{2, 0, 1};
  switch (format_) {
    case Format::kJpeg:
      return detail::decode_jpeg(bytes_, top, bottom, shrink, name_)
          .permute(to_chw);
    case Format::kPng:
      return detail::decode_png(bytes_, name_).permute(to_chw);
    default:
      return other_.permute(to_chw);
  }
}

int EncodedImage::shrink_for(std::int64_t of_height, std::int64_t of_width,
                             std::int64_t height, std::int64_t width) const {
  if (!scaled_ || format_ != Format::kJpeg) return 1;
  int shrink = 1;
  while (shrink < 8 && of_height >= 2 * shrink * height &&
         of_width >= 2 * shrink * width)
    shrink *= 2;
  return shrink;
}

}  // namespace ptutils::data
