#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "ptutils/common/export.h"

namespace ptutils {

/// XXH3-128 (xxHash 0.8) of the bytes, as 32 hexadecimal digits.
PTUTILS_API std::string hash_hex(std::span<const std::byte> bytes);

/// XXH3-64, piece by piece.
class PTUTILS_API Hash64 {
 public:
  explicit Hash64(std::uint64_t seed = 0);
  ~Hash64();
  Hash64(const Hash64&) = delete;
  Hash64& operator=(const Hash64&) = delete;
  void update(std::span<const std::byte> bytes);
  std::uint64_t digest() const;

 private:
  void* state_;
};
/// The same in one go.
PTUTILS_API std::uint64_t hash64(std::span<const std::byte> bytes,
                                 std::uint64_t seed = 0);

/// CRC-32 (zip, gzip), continued from `seed`.
PTUTILS_API std::uint32_t crc32(std::span<const std::byte> bytes,
                                std::uint32_t seed = 0);

/// CRC-32C (Castagnoli; iSCSI, TFRecord), continued from `seed`.
PTUTILS_API std::uint32_t crc32c(std::span<const std::byte> bytes,
                                 std::uint32_t seed = 0);

}  // namespace ptutils
