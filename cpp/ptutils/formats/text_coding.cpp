#include "ptutils/formats/detail/text_coding.h"

#include <array>
#include <charconv>
#include <cstdint>

namespace ptutils::detail {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::int8_t, 256> make_digits() {
  std::array<std::int8_t, 256> out{};
  for (auto& digit : out) digit = -1;
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    out[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
  return out;
}
constexpr auto kDigits = make_digits();

}  // namespace

std::size_t sequence_length(std::string_view text, std::size_t i) {
  auto at = [&](std::size_t k) {
    return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u;
  };
  auto tail = [&](std::size_t k) { return (at(k) & 0xC0u) == 0x80u; };
  const unsigned a = at(i);
  const unsigned b = at(i + 1);
  if (a < 0x80) return 1;
  if (a >= 0xC2 && a <= 0xDF) return tail(i + 1) ? 2 : 0;
  if (a >= 0xE0 && a <= 0xEF) {
    if (!tail(i + 1) || !tail(i + 2)) return 0;
    if (a == 0xE0 && b < 0xA0) return 0;  // overlong
    if (a == 0xED && b > 0x9F) return 0;  // surrogate
    return 3;
  }
  if (a >= 0xF0 && a <= 0xF4) {
    if (!tail(i + 1) || !tail(i + 2) || !tail(i + 3)) return 0;
    if (a == 0xF0 && b < 0x90) return 0;  // overlong
    if (a == 0xF4 && b > 0x8F) return 0;  // above U+10FFFF
    return 4;
  }
  return 0;
}

bool valid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t n = sequence_length(text, i);
    if (n == 0) return false;
    i += n;
  }
  return true;
}

std::string base64_encode(std::span<const std::byte> bytes) {
  std::string out((bytes.size() + 2) / 3 * 4, '=');
  char* at = out.data();
  for (std::size_t i = 0; i < bytes.size(); i += 3, at += 4) {
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < n; ++k)
      group |= std::to_integer<std::uint32_t>(bytes[i + k]) << (16 - 8 * k);
    for (std::size_t k = 0; k <= n; ++k)
      at[k] = kAlphabet[group >> (18 - 6 * k) & 63];
  }
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::size_t n = 4;
    if (i + 4 == text.size())
      while (n > 2 && text[i + n - 1] == '=') --n;
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const int digit =
          k < n ? kDigits[static_cast<unsigned char>(text[i + k])] : 0;
      if (digit < 0) return std::nullopt;
      group = group << 6 | static_cast<std::uint32_t>(digit);
    }
    // Bits behind the last byte are zero, so that each value has one text.
    if (n < 4 && (group & ((1u << 8 * (4 - n)) - 1)) != 0) return std::nullopt;
    for (std::size_t k = 0; k + 1 < n; ++k)
      out += static_cast<char>(group >> (16 - 8 * k) & 255);
  }
  return out;
}

std::string double_text(double value) {
  char buffer[32];
  char* end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  std::string out(buffer, end);
  if (out.find('.') != std::string::npos) return out;
  const std::size_t exponent = out.find('e');
  out.insert(exponent == std::string::npos ? out.size() : exponent, ".0");
  return out;
}

bool is_big_integer(std::string_view digits) {
  std::string_view magnitude = digits;
  const bool negative = !digits.empty() && digits.front() == '-';
  if (negative) magnitude.remove_prefix(1);
  if (magnitude.empty() || magnitude.front() == '0') return false;
  for (char c : magnitude)
    if (c < '0' || c > '9') return false;
  const std::string_view limit =
      negative ? "9223372036854775808" : "9223372036854775807";
  if (magnitude.size() != limit.size()) return magnitude.size() > limit.size();
  return magnitude > limit;
}

}  // namespace ptutils::detail
