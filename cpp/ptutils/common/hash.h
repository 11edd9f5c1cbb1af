#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "ptutils/common/export.h"

namespace ptutils {

/// XXH3-128 (xxHash 0.8) of the bytes, as 32 hexadecimal digits.
PTUTILS_API std::string hash_hex(std::span<const std::byte> bytes);

/// CRC-32 (zip, gzip), continued from `seed`.
PTUTILS_API std::uint32_t crc32(std::span<const std::byte> bytes,
                                std::uint32_t seed = 0);

}  // namespace ptutils
