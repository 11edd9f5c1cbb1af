#include <array>
#include <cstring>

#include "ptutils/common/hash.h"

namespace ptutils {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // reflected

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr Tables make_tables() {
  Tables out{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit)
      crc = crc >> 1 ^ (crc & 1 ? kPolynomial : 0);
    out[0][i] = crc;
  }
  for (std::uint32_t i = 0; i < 256; ++i)
    for (std::size_t t = 1; t < 8; ++t)
      out[t][i] = out[t - 1][i] >> 8 ^ out[0][out[t - 1][i] & 255];
  return out;
}
constexpr Tables kTables = make_tables();

std::uint64_t word_at(const std::byte* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// Eight bytes a step by eight tables (Kounavis and Berry, 2005).
std::uint32_t by_tables(std::uint32_t crc, std::span<const std::byte> bytes) {
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    std::uint64_t word = word_at(bytes.data()) ^ crc;
    crc = 0;
    for (std::size_t t = 8; t-- > 0; word >>= 8) crc ^= kTables[t][word & 255];
  }
  for (std::byte b : bytes)
    crc =
        crc >> 8 ^ kTables[0][(crc ^ std::to_integer<std::uint32_t>(b)) & 255];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(
    std::uint32_t crc, std::span<const std::byte> bytes) {
  std::uint64_t wide = crc;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8))
    wide = __builtin_ia32_crc32di(wide, word_at(bytes.data()));
  crc = static_cast<std::uint32_t>(wide);
  for (std::byte b : bytes)
    crc = __builtin_ia32_crc32qi(crc, std::to_integer<unsigned char>(b));
  return crc;
}
#endif

}  // namespace

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t seed) {
#if defined(__x86_64__)
  static const bool fast = __builtin_cpu_supports("sse4.2");
  if (fast) return ~by_instruction(~seed, bytes);
#endif
  return ~by_tables(~seed, bytes);
}

}  // namespace ptutils
