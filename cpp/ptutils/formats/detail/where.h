#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "ptutils/common/error.h"

/// How the messages of this folder begin; private to it.
namespace ptutils::detail {

/// "[json] runs/a.json: ". A `where` that is such a prefix already (it begins
/// with "[") stays; without one it is "[json] ".
inline std::string prefix(std::string_view codec, std::string_view where) {
  if (where.empty()) return str("[", codec, "] ");
  if (where.front() == '[') return std::string(where);
  return str("[", codec, "] ", where, ": ");
}

inline std::string prefix(std::string_view codec,
                          const std::filesystem::path& file) {
  return str("[", codec, "] ", file.string(), ": ");
}

/// Kind::kFormat: bytes that are not what they should be.
template <class... Parts>
[[noreturn]] void malformed(std::string_view prefix, const Parts&... parts) {
  throw Error(Kind::kFormat, str(prefix, parts...));
}

/// Kind::kType: a value that a codec cannot hold exactly.
template <class... Parts>
[[noreturn]] void refuse(std::string_view prefix, const Parts&... parts) {
  throw Error(Kind::kType, str(prefix, parts...));
}

}  // namespace ptutils::detail
