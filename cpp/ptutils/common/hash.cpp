#include "ptutils/common/hash.h"

#include <libdeflate.h>
#include <xxhash.h>

namespace ptutils {

std::string hash_hex(std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical,
                           XXH3_128bits(bytes.data(), bytes.size()));
  std::string out;
  for (unsigned char byte : canonical.digest) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t seed) {
  // libdeflate takes a null pointer for "the initial value".
  if (bytes.empty()) return seed;
  return libdeflate_crc32(seed, bytes.data(), bytes.size());
}

}  // namespace ptutils
