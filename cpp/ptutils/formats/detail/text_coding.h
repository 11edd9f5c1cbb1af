#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ptutils/common/export.h"

/// Text and number encodings that the text formats share.
namespace ptutils::detail {

/// Well-formed UTF-8: no overlong forms, no surrogates, at most U+10FFFF.
PTUTILS_API bool valid_utf8(std::string_view text);

/// Bytes of the character that begins at text[i], 0 when it is malformed.
std::size_t sequence_length(std::string_view text, std::size_t i);

/// RFC 4648, with padding.
std::string base64_encode(std::span<const std::byte> bytes);
/// nullopt unless it is exactly what base64_encode writes.
std::optional<std::string> base64_decode(std::string_view text);

/// Shortest text that reads back as the same finite double, always with a '.'
/// (readers of YAML 1.1 take "1e+22" for a string).
std::string double_text(double value);

/// An integer as Value wants it in BigInt: canonical and outside int64.
bool is_big_integer(std::string_view digits);

}  // namespace ptutils::detail
