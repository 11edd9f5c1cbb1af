#pragma once

#include <string>
#include <string_view>

#include "ptutils/common/export.h"
#include "ptutils/module/value.h"

namespace ptutils {

/// One YAML 1.2 document, scalars by the core schema: 1e-4 is a double, 010 is
/// ten, 0o10 eight, `no`, `on`, 12:30:00 and dates are text. Keys are text or
/// integers. Anchors, aliases and merge keys (<<) work, within a bound of what
/// they expand to; tags other than those of the core schema (!!python/...) are
/// refused. Kind::kFormat with line and column, also for a duplicate key.
/// `where` (a file's name) begins the message: "[yaml] where: ".
PTUTILS_API Value parse_yaml(std::string_view text,
                             std::string_view where = {});

/// A value given on a command line (-o a.b=VALUE): a YAML list, dict or quoted
/// text when it begins with [ { " or ', else a plain scalar as it stands
/// (1e-3, true, null, text with: anything).
PTUTILS_API Value parse_scalar(std::string_view text);

/// Block style, which parse_yaml reads back as it was: null, bool, int, BigInt,
/// double (of NaNs the plain one), string, list, dict with string and integer
/// keys (of any DictKind, which is not kept). Kind::kType naming the path for
/// anything else. Ambiguous text is quoted for readers of YAML 1.1, too.
PTUTILS_API std::string to_yaml(const Value& value,
                                std::string_view where = {});

}  // namespace ptutils
