#include "ptutils/formats/detail/core_schema.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <vector>

#include "ptutils/formats/detail/text_coding.h"
#include "ptutils/formats/detail/where.h"

namespace ptutils::detail {

namespace {

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c >= '0' && c <= '9';
  });
}

std::string_view without_sign(std::string_view text) {
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  return text;
}

/// Decimal text of an unsigned number in base 8 or 16. Nine decimal and seven
/// other digits at a time: text of many such numbers takes its time, too.
std::optional<std::string> to_decimal(std::string_view digits, unsigned base) {
  constexpr std::uint64_t kLimb = 1'000'000'000;
  constexpr std::size_t kPiece = 7;
  if (digits.empty() || digits.size() > 4096) return std::nullopt;
  std::vector<std::uint64_t> limbs;  // the least significant first
  while (!digits.empty()) {
    const std::string_view piece = digits.substr(0, kPiece);
    digits.remove_prefix(piece.size());
    std::uint32_t carry_in = 0;
    const char* end = piece.data() + piece.size();
    auto [at, error] =
        std::from_chars(piece.data(), end, carry_in, static_cast<int>(base));
    if (error != std::errc() || at != end) return std::nullopt;
    std::uint64_t scale = 1;
    for (std::size_t i = 0; i < piece.size(); ++i) scale *= base;
    std::uint64_t carry = carry_in;
    for (std::uint64_t& limb : limbs) {
      carry += limb * scale;
      limb = carry % kLimb;
      carry /= kLimb;
    }
    if (carry > 0 || limbs.empty()) limbs.push_back(carry);
  }
  std::string out = str(limbs.back());
  for (std::size_t i = limbs.size() - 1; i-- > 0;)
    out += str(kLimb + limbs[i]).substr(1);
  return out;
}

Value integer(bool negative, std::string_view digits) {
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  std::string text = negative ? "-" : "";
  text += digits;
  std::int64_t small = 0;
  auto result = std::from_chars(text.data(), text.data() + text.size(), small);
  if (result.ec == std::errc()) return small;
  return BigInt{std::move(text)};
}

// [0-9]+ ( \. [0-9]* )? | \. [0-9]+, then ( [eE] [-+]? [0-9]+ )?
bool looks_like_float(std::string_view text) {
  text = without_sign(text);
  if (const auto e = text.find_first_of("eE"); e != text.npos) {
    if (!all_digits(without_sign(text.substr(e + 1)))) return false;
    text = text.substr(0, e);
  }
  const auto dot = text.find('.');
  if (dot == text.npos) return all_digits(text);
  const auto whole = text.substr(0, dot);
  const auto fraction = text.substr(dot + 1);
  if (whole.empty()) return all_digits(fraction);
  return all_digits(whole) && (fraction.empty() || all_digits(fraction));
}

// Too large or too small for from_chars: the exponent of the first digit that
// is not zero tells which.
bool is_tiny(std::string_view text) {
  const auto e = text.find_first_of("eE");
  const auto mantissa = without_sign(text.substr(0, e));
  const auto dot = std::min(mantissa.find('.'), mantissa.size());
  const auto first = mantissa.find_first_of("123456789");
  if (first == mantissa.npos) return true;
  if (e == text.npos) return first > dot;
  const auto power = without_sign(text.substr(e + 1));
  long exponent = 0;
  if (std::from_chars(power.data(), power.data() + power.size(), exponent).ec !=
      std::errc())
    exponent = std::numeric_limits<long>::max() / 2;
  if (text[e + 1] == '-') exponent = -exponent;
  return exponent + static_cast<long>(dot) - static_cast<long>(first) < 0;
}

}  // namespace

bool is_core_null(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" ||
         text == "NULL";
}

std::optional<bool> core_bool(std::string_view text) {
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  return std::nullopt;
}

std::optional<Value> core_int(std::string_view text) {
  const std::string_view digits = without_sign(text);
  if (all_digits(digits)) return integer(text.front() == '-', digits);
  const unsigned base = text.starts_with("0x")   ? 16
                        : text.starts_with("0o") ? 8
                                                 : 0;
  if (base == 0) return std::nullopt;
  auto decimal = to_decimal(text.substr(2), base);
  if (!decimal) return std::nullopt;
  return integer(false, *decimal);
}

std::optional<double> core_float(std::string_view text,
                                 std::string_view prefix) {
  if (text == ".nan" || text == ".NaN" || text == ".NAN")
    return std::numeric_limits<double>::quiet_NaN();
  const std::string_view bare = without_sign(text);
  const bool negative = text.starts_with('-');
  if (bare == ".inf" || bare == ".Inf" || bare == ".INF") {
    const double inf = std::numeric_limits<double>::infinity();
    return negative ? -inf : inf;
  }
  if (!looks_like_float(text)) return std::nullopt;
  double x = 0;
  const char* end = bare.data() + bare.size();
  auto result = std::from_chars(bare.data(), end, x);
  if (result.ec == std::errc::result_out_of_range) {
    if (!is_tiny(text))
      malformed(prefix, "the number ", text.substr(0, 40),
                " is too large for a double");
    x = 0;
  }
  return negative ? -x : x;
}

Value resolve_plain(std::string_view text, std::string_view prefix) {
  if (is_core_null(text)) return nullptr;
  if (auto truth = core_bool(text)) return *truth;
  if (auto number = core_int(text)) return std::move(*number);
  if (auto number = core_float(text, prefix)) return *number;
  return text;
}

}  // namespace ptutils::detail
