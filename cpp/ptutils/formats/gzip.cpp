#include "ptutils/formats/detail/gzip.h"

#include <libdeflate.h>

#include <algorithm>
#include <cstring>

#include "ptutils/formats/detail/tensor_io.h"
#include "ptutils/formats/detail/where.h"

namespace ptutils::detail {
namespace {

struct FreeDecompressor {
  void operator()(libdeflate_decompressor* d) const {
    libdeflate_free_decompressor(d);
  }
};

/// What the file's last four bytes claim, within what its length allows.
std::size_t first_guess(std::span<const std::byte> bytes, std::size_t limit) {
  std::size_t claimed = 0;
  if (bytes.size() >= 18)
    for (std::size_t i = 0; i < 4; ++i)
      claimed |= std::to_integer<std::size_t>(bytes[bytes.size() - 4 + i])
                 << (8 * i);
  return std::clamp(claimed, std::min<std::size_t>(4096, limit), limit);
}

bool all_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [](std::byte b) { return b == std::byte{0}; });
}

void grow(Unpacked& out, std::size_t limit) {
  auto larger = Storage::allocate(std::min(limit, out.storage->bytes() * 2));
  std::memcpy(larger->data(), out.storage->data(), out.size);
  out.storage = std::move(larger);
}

}  // namespace

bool is_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} &&
         bytes[1] == std::byte{0x8b};
}

Unpacked unpack_gzip(std::span<const std::byte> bytes,
                     std::string_view prefix) {
  std::unique_ptr<libdeflate_decompressor, FreeDecompressor> inflate(
      libdeflate_alloc_decompressor());
  if (!inflate) fail(Kind::kMemory, "gzip", "no memory to unpack");
  std::size_t limit = bytes.size() * 1032 + 4096;
  Unpacked out{Storage::allocate(first_guess(bytes, limit)), 0};
  std::size_t at = 0;
  // Padding after the last member is part of no member (gzip ignores it too).
  while (at < bytes.size() && !(at > 0 && all_zero(bytes.subspan(at)))) {
    std::size_t used = 0, made = 0;
    auto result = libdeflate_gzip_decompress_ex(
        inflate.get(), bytes.data() + at, bytes.size() - at,
        out.storage->data() + out.size, out.storage->bytes() - out.size, &used,
        &made);
    if (result == LIBDEFLATE_INSUFFICIENT_SPACE &&
        out.storage->bytes() < limit) {
      grow(out, limit);
      continue;
    }
    if (result != LIBDEFLATE_SUCCESS)
      malformed(prefix, "its gzip data is damaged or cut off (", bytes.size(),
                " bytes); get the file again");
    at += used;
    out.size += made;
  }
  return out;
}

std::shared_ptr<Storage> map_or_unpack(const std::filesystem::path& path,
                                       std::string_view prefix) {
  auto file = map_file(path);
  if (!is_gzip({file->data(), file->bytes()})) return file;
  Unpacked all = unpack_gzip({file->data(), file->bytes()}, prefix);
  return Storage::wrap(all.storage->data(), all.size, all.storage);
}

}  // namespace ptutils::detail
