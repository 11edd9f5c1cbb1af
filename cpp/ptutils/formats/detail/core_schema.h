#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ptutils/module/value.h"

/// The scalars of YAML 1.2's core schema (chapter 10.3.2); private to formats.
namespace ptutils::detail {

bool is_core_null(std::string_view text);
std::optional<bool> core_bool(std::string_view text);
/// Decimal, 0o octal, 0x hexadecimal; BigInt beyond int64.
std::optional<Value> core_int(std::string_view text);
/// Kind::kFormat, beginning with `prefix`, for 1e999.
std::optional<double> core_float(std::string_view text,
                                 std::string_view prefix);

/// The type that a plain (unquoted) scalar has; a string when no other.
Value resolve_plain(std::string_view text, std::string_view prefix);

}  // namespace ptutils::detail
