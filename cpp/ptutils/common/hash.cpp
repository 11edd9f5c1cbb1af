#include "ptutils/common/hash.h"

#include <libdeflate.h>
#include <xxhash.h>

#include "ptutils/common/error.h"

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

Hash64::Hash64(std::uint64_t seed) : state_(XXH3_createState()) {
  if (!state_) fail(Kind::kMemory, "Hash64", "no memory for a hash");
  XXH3_64bits_reset_withSeed(static_cast<XXH3_state_t*>(state_), seed);
}
Hash64::~Hash64() { XXH3_freeState(static_cast<XXH3_state_t*>(state_)); }

void Hash64::update(std::span<const std::byte> bytes) {
  XXH3_64bits_update(static_cast<XXH3_state_t*>(state_), bytes.data(),
                     bytes.size());
}

std::uint64_t Hash64::digest() const {
  return XXH3_64bits_digest(static_cast<XXH3_state_t*>(state_));
}

std::uint64_t hash64(std::span<const std::byte> bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t seed) {
  // libdeflate takes a null pointer for "the initial value".
  if (bytes.empty()) return seed;
  return libdeflate_crc32(seed, bytes.data(), bytes.size());
}

}  // namespace ptutils
