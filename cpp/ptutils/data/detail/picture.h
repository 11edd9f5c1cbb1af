#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ptutils/tensor/tensor.h"

/// Picture files by libjpeg and libpng; private to data.
namespace ptutils::data::detail {

inline constexpr std::int64_t kMostPixels = std::int64_t{1} << 28;  // 0.8 GB

struct PictureSize {
  std::int64_t height = 0;
  std::int64_t width = 0;
};

bool is_jpeg(std::string_view bytes);
/// From the header; nullopt for a JPEG that cannot become RGB (CMYK), which is
/// for another decoder. Errors begin with `where` and are of Kind::kFormat.
std::optional<PictureSize> jpeg_size(std::string_view bytes,
                                     std::string_view where);
/// Rows [top, bottom) of the picture at 1 / shrink as u8 (height, width, 3);
/// the other rows are left as they are in memory.
Tensor decode_jpeg(std::string_view bytes, std::int64_t top,
                   std::int64_t bottom, int shrink, std::string_view where);

bool is_png(std::string_view bytes);
PictureSize png_size(std::string_view bytes, std::string_view where);
/// u8 (height, width, 3), 16 bits cut to 8, transparency dropped.
Tensor decode_png(std::string_view bytes, std::string_view where);

}  // namespace ptutils::data::detail
