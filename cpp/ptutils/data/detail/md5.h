#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "ptutils/common/export.h"

namespace ptutils::data::detail {

/// MD5 (RFC 1321) as 32 hexadecimal digits: the published checksums of old data
/// sets are MD5. Not for anything an attacker could choose.
PTUTILS_API std::string md5_hex(std::span<const std::byte> bytes);

}  // namespace ptutils::data::detail
