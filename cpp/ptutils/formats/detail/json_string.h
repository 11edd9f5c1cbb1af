#pragma once

#include <string>
#include <string_view>

namespace ptutils::detail {

/// UTF-8 text in double quotes, control characters escaped; YAML reads it too.
void append_json_string(std::string& out, std::string_view text);

}  // namespace ptutils::detail
