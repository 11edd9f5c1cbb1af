#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ptutils/module/value.h"

/// Values in the text formats; private to formats.
namespace ptutils::detail {

enum class TextFormat { kJson, kYaml };

/// Nothing when the format reads exactly the value back, else
/// {"__ptutils__": 2, "sum": ..., "value": ...} (skeleton.h) with tensors in
/// place:
/// {"$tensor": {"name", "dtype", "shape", "origin", "scalar"?, "data"}}, and
/// {"$tensor": {"name"}} where the same tensor stands again.
std::optional<Value> to_document(const Value& value, TextFormat format,
                                 std::string_view where);
/// The inverse; a document without that key is the value. `verify` compares
/// the checksum of the value's compact JSON.
Value from_document(Value document, std::string_view where,
                    bool verify = false);

}  // namespace ptutils::detail
