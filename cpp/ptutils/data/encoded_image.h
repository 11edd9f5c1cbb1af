#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ptutils/module/value.h"

namespace ptutils::data {

/// The bytes of a picture file (JPEG, PNG; others where a decoder for them was
/// set), decoded when its pixels are wanted: u8 (3, height, width), the memory
/// being (height, width, 3). Grey pictures become RGB, transparency is dropped,
/// as `PIL.Image.convert("RGB")` does.
class PTUTILS_API EncodedImage : public Opaque {
 public:
  /// `name` is for messages: the file. `scaled`: where the picture is to become
  /// smaller, JPEG may be decoded at 1/2, 1/4 or 1/8 (DCT scaling, Pillow's
  /// draft mode): faster, and not to the bit what full decoding gives.
  /// Kind::kFormat for what is no picture.
  EncodedImage(std::string bytes, const std::string& name, bool scaled = false);

  std::string type_name() const override { return "encoded image"; }
  std::int64_t height() const { return height_; }
  std::int64_t width() const { return width_; }
  std::size_t bytes() const { return bytes_.size() + other_.nbytes(); }

  /// Rows [top, bottom) are right, the others undefined: an image that is
  /// cropped need not be decoded as a whole. With `shrink` (1, 2, 4, 8), at
  /// that scale, sizes rounded up.
  Tensor decode(std::int64_t top, std::int64_t bottom, int shrink = 1) const;
  Tensor decode() const { return decode(0, height_); }
  /// The largest shrink that leaves `height` x `width` or more of a part of the
  /// picture of the size `of_height` x `of_width`; 1 unless it may be scaled.
  int shrink_for(std::int64_t of_height, std::int64_t of_width,
                 std::int64_t height, std::int64_t width) const;

 private:
  enum class Format { kJpeg, kPng, kOther };
  std::string bytes_;
  std::string name_;
  bool scaled_ = false;
  Format format_ = Format::kOther;
  std::int64_t height_ = 0;
  std::int64_t width_ = 0;
  Tensor other_;  // decoded by another decoder, at once
};

/// Decodes what is neither JPEG nor PNG (nor a kind of JPEG that libjpeg turns
/// into no RGB) to u8 (height, width, 3): the bindings install Pillow.
using ImageDecoder =
    std::function<Tensor(const std::string& bytes, const std::string& name)>;
PTUTILS_API void set_image_decoder(ImageDecoder decoder);

}  // namespace ptutils::data
