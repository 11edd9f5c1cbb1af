#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ptutils/data/encoded_image.h"
#include "ptutils/module/value.h"

namespace ptutils::data {

/// A part of an image, in pixels.
struct Box {
  std::int64_t top = 0;
  std::int64_t left = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

/// A value on its way through transforms. What they ask for is noted, and done
/// in one pass when the result is written into its place in the batch: a crop
/// of what was resized is the only part that is resized, an image is decoded as
/// small and as little as that allows, and its layout, scale and offset change
/// in the same pass. (MONAI calls it lazy resampling.)
///
/// An image has shape (…, C, H, W), as torch has it; of fewer dimensions (H,
/// W). Errors are of Kind::kType where the value is none that can be so
/// changed.
class PTUTILS_API Pending {
 public:
  /// A tensor, an EncodedImage, or anything else, which passes as it is.
  explicit Pending(Value value);

  bool is_image() const;
  /// A tensor, or what becomes one.
  bool is_tensor() const;
  // Of the result so far.
  Dims shape() const;
  DType dtype() const;
  std::int64_t height() const;
  std::int64_t width() const;

  /// `box` within the image: Kind::kValue elsewhere.
  void crop(const Box& box);
  /// Bilinear with antialiasing (as Pillow's BILINEAR, torchvision's default).
  void resize(std::int64_t height, std::int64_t width);
  void flip();  ///< left and right
  void permute(const Dims& dims);
  /// x * factor + offset, as f32; one of each, or one a channel.
  void affine(std::span<const float> factors, std::span<const float> offsets);

  /// Does what was noted. The memory may be another's: read it only.
  const Tensor& tensor();
  /// The result, whatever it is.
  Value value();
  /// Something else in its place.
  void set(Value value);
  /// Into `row`, of shape() and dtype(), contiguous.
  void write(const Tensor& row);
  /// What was noted can be done to others like it: it is about values of
  /// `storage` that nobody has looked at, and only their scale, offset and
  /// order.
  bool repeats(const Storage& storage) const;
  /// The same to those that lie `rows` bytes behind it, into `out` (n, …),
  /// contiguous. Where it repeats() only.
  void write_rows(std::span<const std::int64_t> rows, const Tensor& out) const;

 private:
  Pending() = default;
  bool geometry() const { return encoded_ || resized_ || flipped_; }
  bool is_upright() const;
  void want_image() const;
  void want_tensor() const;
  void settle_geometry();
  void start_resize(std::int64_t height, std::int64_t width);
  void decode();
  void put(const Tensor& row);
  void put_affine(const Tensor& row) const;
  void resample_into(const Tensor& row) const;

  Value value_;  // what is no tensor
  bool tensor_ = false;
  bool seen_ = false;                            // its values were asked for
  std::shared_ptr<const EncodedImage> encoded_;  // until it is decoded
  Tensor image_;                                 // from then on
  // Geometry that is still to be done: part_ of the source becomes
  // height_ x width_ where resized_, of which window_ is wanted, mirrored where
  // flipped_. (A decoded image that is not resized is cropped at once.)
  bool resized_ = false;
  Box part_;
  std::int64_t height_ = 0;
  std::int64_t width_ = 0;
  Box window_;
  bool flipped_ = false;
  int shrunk_ = 1;  // image_ is that much smaller than part_ says
  // Values that are still to be changed.
  std::vector<float> factors_;
  std::vector<float> offsets_;
};

}  // namespace ptutils::data
