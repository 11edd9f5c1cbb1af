#pragma once

#include <string>
#include <string_view>

#include "ptutils/common/export.h"
#include "ptutils/formats/skeleton.h"
#include "ptutils/module/value.h"

namespace ptutils {

/// RFC 8259 JSON. Integers beyond int64 are BigInt, numbers with '.' or 'e'
/// doubles. Kind::kFormat with line and column (or the path) for a syntax
/// error, a duplicate key, 1e999, text that is not UTF-8, nesting above
/// `max_depth`. `where` (a file's name) begins the message: "[json] where: ".
PTUTILS_API Value parse_json(std::string_view text, std::string_view where = {},
                             int max_depth = kMaxDepth);

/// The text of a value that JSON has: null, bool, int, BigInt, finite double,
/// string, list, dict with string keys (of any DictKind, which is not kept).
/// Kind::kType naming the path for anything else; encode_value makes such
/// types of any value. indent 0: one line without blanks.
PTUTILS_API std::string to_json(const Value& value, int indent = 0,
                                std::string_view where = {});

}  // namespace ptutils
