#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "ptutils/common/hash.h"

namespace {
std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
}  // namespace

TEST_CASE("hash_hex is XXH3-128 as xxh128sum prints it") {
  CHECK(ptutils::hash_hex({}) == "99aa06d3014798d86001c324468d497f");
  CHECK(ptutils::hash_hex(bytes("abc")) == "06b05ab6733a618578af5f94892f3950");
}

TEST_CASE("crc32 is the one of zip and continues from a seed") {
  CHECK(ptutils::crc32(bytes("123456789")) == 0xCBF43926U);
  CHECK(ptutils::crc32(bytes("6789"), ptutils::crc32(bytes("12345"))) ==
        0xCBF43926U);
  CHECK(ptutils::crc32({}) == 0);
  CHECK(ptutils::crc32({}, 42) == 42);
}

namespace {
/// Bit by bit.
std::uint32_t slow_crc32c(std::string_view text) {
  std::uint32_t crc = ~0U;
  for (char c : text) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit)
      crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0U);
  }
  return ~crc;
}
}  // namespace

TEST_CASE("crc32c of texts of any length, in one piece or in two") {
  CHECK(ptutils::crc32c(bytes("123456789")) == 0xE3069283U);
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += static_cast<char>(i * i + i / 7);
  for (std::size_t size : {0, 1, 7, 8, 1024, 3071, 3072, 3073, 6144, 9999}) {
    const std::string_view part = std::string_view(text).substr(0, size);
    CHECK(ptutils::crc32c(bytes(part)) == slow_crc32c(part));
    const std::size_t cut = size / 3;
    CHECK(ptutils::crc32c(bytes(part.substr(cut)),
                          ptutils::crc32c(bytes(part.substr(0, cut)))) ==
          slow_crc32c(part));
  }
}
