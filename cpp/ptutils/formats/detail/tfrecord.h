#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "ptutils/common/hash.h"
#include "ptutils/formats/detail/where.h"

/// The framing of TFRecord: u64 length, masked crc32c of it, the record, masked
/// crc32c of that (tensorflow/core/lib/io/record_writer.h); private to formats.
namespace ptutils::detail {

inline constexpr std::size_t kRecordHead = 12;
inline constexpr std::size_t kRecordFoot = 4;

inline std::uint32_t masked(std::uint32_t crc) {
  return (crc >> 15 | crc << 17) + 0xa282ead8;
}

inline std::uint32_t masked_crc(std::string_view text) {
  return masked(crc32c(std::as_bytes(std::span(text))));
}

template <class T>
T number_at(std::string_view text) {
  T out = 0;
  std::memcpy(&out, text.data(), sizeof out);
  return out;
}

/// Of the record that `rest` begins with; `where()` gives the prefix of an
/// error (Kind::kFormat), and costs nothing while there is none.
template <class Where>
std::uint64_t record_length(std::string_view rest, const Where& where) {
  constexpr std::size_t kFrame = kRecordHead + kRecordFoot;
  if (rest.size() < kFrame) malformed(where(), "truncated");
  const auto length = number_at<std::uint64_t>(rest);
  if (number_at<std::uint32_t>(rest.substr(8)) != masked_crc(rest.substr(0, 8)))
    malformed(where(), "its length is damaged: the CRC-32C differs");
  if (length > rest.size() - kFrame)
    malformed(where(), "truncated: ", length, " bytes, ", rest.size() - kFrame,
              " are there");
  return length;
}

/// The record itself, compared with its checksum.
template <class Where>
std::string_view record_bytes(std::string_view rest, const Where& where) {
  const std::uint64_t length = record_length(rest, where);
  const std::string_view record = rest.substr(kRecordHead, length);
  if (number_at<std::uint32_t>(rest.substr(kRecordHead + length)) !=
      masked_crc(record))
    malformed(where(), "damaged: the CRC-32C differs");
  return record;
}

}  // namespace ptutils::detail
