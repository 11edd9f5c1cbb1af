#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "ptutils/module/value.h"

/// What skeletons say of a tensor; private to formats.
namespace ptutils::detail {

std::string_view origin_name(Origin origin);
/// Makes the prefix of a message, when there is one.
using Where = std::function<std::string()>;

Origin parse_origin(std::string_view text, const Where& where);
/// Short names only ("f32").
DType parse_stored_dtype(std::string_view text, const Where& where);

/// The same bytes as `dtype`: itself, an equally wide one, or a complex one
/// whose parts are the last dimension. Kind::kFormat otherwise.
Tensor with_dtype(const Tensor& stored, DType dtype, std::string_view where);

/// The "value" of {key: version, "value": ...}, the version checked.
const Value* checked_document(const Value& document, std::string_view key,
                              std::string_view where);

}  // namespace ptutils::detail
