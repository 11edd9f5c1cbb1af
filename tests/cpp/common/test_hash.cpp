#include <doctest/doctest.h>

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
