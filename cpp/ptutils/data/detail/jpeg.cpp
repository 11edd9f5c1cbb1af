#include <cstdio>

// It wants <cstdio> before.
#include <jpeglib.h>

#include <algorithm>
#include <csetjmp>
#include <string>

#include "ptutils/common/error.h"
#include "ptutils/data/detail/picture.h"

// libjpeg-turbo. Its errors leave by longjmp, to `guarded`.
namespace ptutils::data::detail {
namespace {

/// The library's state, and where an error of it leads.
struct Decompressor {
  jpeg_error_mgr errors{};
  jpeg_decompress_struct state{};
  std::jmp_buf failed{};
  char message[JMSG_LENGTH_MAX] = "";

  Decompressor() {
    state.err = jpeg_std_error(&errors);
    errors.error_exit = [](j_common_ptr common) {
      auto* self = static_cast<Decompressor*>(common->client_data);
      common->err->format_message(common, self->message);
      std::longjmp(self->failed, 1);
    };
    // A warning is for data that is damaged or ends early, for which libjpeg
    // would make up pixels.
    errors.emit_message = [](j_common_ptr common, int level) {
      if (level < 0) common->err->error_exit(common);
    };
    state.client_data = this;
    jpeg_create_decompress(&state);
  }
  ~Decompressor() { jpeg_destroy_decompress(&state); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
};

[[noreturn]] void damaged_jpeg(std::string_view where, const char* message) {
  throw Error(Kind::kFormat, str(where, "damaged JPEG: ", message));
}

/// Calls it; an error of the library's ends it. Nothing that it calls may need
/// a destructor.
template <class Call>
[[gnu::noinline]] bool guarded(Decompressor& d, Call call) {
  if (setjmp(d.failed)) return false;
  call();
  return true;
}

void read_header(Decompressor& d, std::string_view bytes) {
  jpeg_mem_src(&d.state, reinterpret_cast<const unsigned char*>(bytes.data()),
               static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&d.state, TRUE);
}

bool becomes_rgb(const Decompressor& d) {
  return d.state.jpeg_color_space == JCS_GRAYSCALE ||
         d.state.jpeg_color_space == JCS_YCbCr ||
         d.state.jpeg_color_space == JCS_RGB;
}

/// After read_header.
void start(Decompressor& d, int shrink) {
  d.state.scale_num = 1;
  d.state.scale_denom = static_cast<unsigned>(shrink);
  d.state.out_color_space = JCS_RGB;
  jpeg_start_decompress(&d.state);
}

void read_rows(Decompressor& d, std::int64_t top, std::int64_t bottom,
               JSAMPLE* pixels) {
  const auto row = std::size_t{d.state.output_width} * 3;
  if (top > 0) jpeg_skip_scanlines(&d.state, static_cast<JDIMENSION>(top));
  while (d.state.output_scanline < bottom) {
    JSAMPROW at = pixels + d.state.output_scanline * row;
    jpeg_read_scanlines(&d.state, &at, 1);
  }
  if (d.state.output_scanline == d.state.output_height)
    jpeg_finish_decompress(&d.state);
}

}  // namespace

bool is_jpeg(std::string_view bytes) {
  return bytes.starts_with("\xff\xd8\xff");
}

std::optional<PictureSize> jpeg_size(std::string_view bytes,
                                     std::string_view where) {
  Decompressor d;
  if (!guarded(d, [&] { read_header(d, bytes); }))
    damaged_jpeg(where, d.message);
  if (std::int64_t{d.state.image_height} * d.state.image_width > kMostPixels)
    throw Error(Kind::kFormat,
                str(where, d.state.image_height, "x", d.state.image_width,
                    " pixels; at most ", kMostPixels, " are decoded"));
  if (!becomes_rgb(d)) return {};
  return PictureSize{d.state.image_height, d.state.image_width};
}

Tensor decode_jpeg(std::string_view bytes, std::int64_t top,
                   std::int64_t bottom, int shrink, std::string_view where) {
  Decompressor d;
  const bool started = guarded(d, [&] {
    read_header(d, bytes);
    start(d, shrink);
  });
  if (!started) damaged_jpeg(where, d.message);
  Tensor out = Tensor::empty({d.state.output_height, d.state.output_width, 3},
                             DType::kU8);
  const auto height = static_cast<std::int64_t>(d.state.output_height);
  const std::int64_t first = std::clamp<std::int64_t>(top / shrink, 0, height);
  const std::int64_t last =
      std::clamp<std::int64_t>((bottom + shrink - 1) / shrink, first, height);
  auto* pixels = out.data<std::uint8_t>();
  if (!guarded(d, [&] { read_rows(d, first, last, pixels); }))
    damaged_jpeg(where, d.message);
  return out;
}

}  // namespace ptutils::data::detail
