#include <png.h>

#include <csetjmp>
#include <cstring>
#include <string>

#include "ptutils/common/error.h"
#include "ptutils/data/detail/picture.h"

// libpng. Its errors leave by longjmp, to `guarded`.
namespace ptutils::data::detail {
namespace {

constexpr png_uint_32 kMostRows = png_uint_32{1} << 24;

struct PngReader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::string_view rest;
  char message[128] = "";

  explicit PngReader(std::string_view bytes) : rest(bytes) {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, fail_, warn_);
    if (png) info = png_create_info_struct(png);
    if (!info) fail(Kind::kMemory, "png", "no memory to decode");
    png_set_read_fn(png, this, read_);
    png_set_user_limits(png, kMostRows, kMostRows);
    png_set_chunk_cache_max(png, 16);
    png_set_chunk_malloc_max(png, 1 << 24);
  }
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

 private:
  [[noreturn]] static void fail_(png_structp png, png_const_charp text) {
    auto* self = static_cast<PngReader*>(png_get_error_ptr(png));
    std::strncpy(self->message, text, sizeof self->message - 1);
    png_longjmp(png, 1);
  }
  static void warn_(png_structp, png_const_charp) {}
  static void read_(png_structp png, png_bytep to, std::size_t n) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (n > self->rest.size()) png_error(png, "it ends too early");
    std::memcpy(to, self->rest.data(), n);
    self->rest.remove_prefix(n);
  }
};

[[noreturn]] void damaged_png(std::string_view where, const char* message) {
  throw Error(Kind::kFormat, str(where, "damaged PNG: ", message));
}

/// Calls it; an error of the library's ends it. Nothing that it calls may need
/// a destructor.
template <class Call>
[[gnu::noinline]] bool guarded(PngReader& r, Call call) {
  if (setjmp(png_jmpbuf(r.png))) return false;
  call();
  return true;
}

PictureSize read_header(PngReader& r) {
  png_read_info(r.png, r.info);
  const PictureSize size{png_get_image_height(r.png, r.info),
                         png_get_image_width(r.png, r.info)};
  if (size.height * size.width > kMostPixels)
    png_error(r.png, "it has more pixels than are decoded");
  return size;
}

/// To three bytes a pixel; the passes of an interlaced picture.
int want_rgb(PngReader& r) {
  png_set_expand(r.png);  // palettes, fewer than 8 bits, transparent colours
  png_set_strip_16(r.png);
  png_set_strip_alpha(r.png);
  png_set_gray_to_rgb(r.png);
  const int passes = png_set_interlace_handling(r.png);
  png_read_update_info(r.png, r.info);
  return passes;
}

}  // namespace

bool is_png(std::string_view bytes) {
  return bytes.starts_with("\x89PNG\r\n\x1a\n");
}

PictureSize png_size(std::string_view bytes, std::string_view where) {
  PngReader r(bytes);
  PictureSize size;
  if (!guarded(r, [&] { size = read_header(r); }))
    damaged_png(where, r.message);
  return size;
}

Tensor decode_png(std::string_view bytes, std::string_view where) {
  PngReader r(bytes);
  PictureSize size;
  int passes = 1;
  const bool started = guarded(r, [&] {
    size = read_header(r);
    passes = want_rgb(r);
    if (png_get_rowbytes(r.png, r.info) !=
        static_cast<std::size_t>(size.width) * 3)
      png_error(r.png, "its pixels do not become RGB");
  });
  if (!started) damaged_png(where, r.message);
  Tensor out = Tensor::empty({size.height, size.width, 3}, DType::kU8);
  auto* pixels = out.data<std::uint8_t>();
  const bool decoded = guarded(r, [&] {
    for (int pass = 0; pass < passes; ++pass)
      for (std::int64_t y = 0; y < size.height; ++y)
        png_read_row(r.png, pixels + y * size.width * 3, nullptr);
    png_read_end(r.png, nullptr);
  });
  if (!decoded) damaged_png(where, r.message);
  return out;
}

}  // namespace ptutils::data::detail
