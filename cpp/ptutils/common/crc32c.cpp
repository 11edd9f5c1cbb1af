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
// The instruction takes three cycles and begins one each: three parts of a text
// at once. A part's CRC goes behind `kPart` zero bytes by four table look-ups
// (Adler, crc32c.c, 2013), since a CRC is linear.
constexpr std::size_t kPart = 1024;
constexpr std::size_t kLine = 64;  // of a cache

using Zeros = std::array<std::array<std::uint32_t, 256>, 4>;

constexpr Zeros make_zeros() {
  std::array<std::uint32_t, 32> bits{};
  for (std::size_t bit = 0; bit < 32; ++bit) {
    std::uint32_t crc = std::uint32_t{1} << bit;
    for (std::size_t i = 0; i < kPart; ++i)
      crc = crc >> 8 ^ kTables[0][crc & 255];
    bits[bit] = crc;
  }
  Zeros out{};
  for (std::size_t byte = 0; byte < 4; ++byte)
    for (std::size_t value = 0; value < 256; ++value)
      for (std::size_t bit = 0; bit < 8; ++bit)
        if (value >> bit & 1) out[byte][value] ^= bits[8 * byte + bit];
  return out;
}

std::uint32_t behind_zeros(std::uint32_t crc) {
  static const Zeros zeros = make_zeros();
  return zeros[0][crc & 255] ^ zeros[1][crc >> 8 & 255] ^
         zeros[2][crc >> 16 & 255] ^ zeros[3][crc >> 24];
}

__attribute__((target("sse4.2"))) std::uint32_t by_instruction(
    std::uint32_t crc, std::span<const std::byte> bytes) {
  std::uint64_t wide = crc;
  for (; bytes.size() >= 3 * kPart; bytes = bytes.subspan(3 * kPart)) {
    std::uint64_t second = 0, third = 0;
    const std::byte* at = bytes.data();
    for (std::size_t i = 0; i < kPart; i += 8, at += 8) {
      if (i % kLine == 0 && bytes.size() >= 6 * kPart)
        for (std::size_t part = 3; part < 6; ++part)
          __builtin_prefetch(at + part * kPart);
      wide = __builtin_ia32_crc32di(wide, word_at(at));
      second = __builtin_ia32_crc32di(second, word_at(at + kPart));
      third = __builtin_ia32_crc32di(third, word_at(at + 2 * kPart));
    }
    wide = behind_zeros(static_cast<std::uint32_t>(wide)) ^ second;
    wide = behind_zeros(static_cast<std::uint32_t>(wide)) ^ third;
  }
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
