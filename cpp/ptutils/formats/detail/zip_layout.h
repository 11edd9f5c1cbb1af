#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// The records of a zip archive (PKWARE's APPNOTE.TXT 6.3); private to formats.
namespace ptutils::detail::zip {

inline constexpr std::uint32_t kLocalHeader = 0x04034b50;
inline constexpr std::uint32_t kEntry = 0x02014b50;
inline constexpr std::uint32_t kEnd = 0x06054b50;
inline constexpr std::uint32_t kEnd64 = 0x06064b50;
inline constexpr std::uint32_t kLocator64 = 0x07064b50;

inline constexpr std::size_t kLocalSize = 30;
inline constexpr std::size_t kEntrySize = 46;
inline constexpr std::size_t kEndSize = 22;
inline constexpr std::size_t kEnd64Size = 56;
inline constexpr std::size_t kLocator64Size = 20;

inline constexpr std::uint16_t kExtra64 = 0x0001;    // large sizes
inline constexpr std::uint16_t kExtraPad = 0x5450;   // "PT": alignment
inline constexpr std::uint32_t kSee64 = 0xffffffff;  // a size is in kExtra64
inline constexpr std::uint16_t kCountSee64 = 0xffff;
inline constexpr std::uint16_t kUtf8 = 0x0800;
inline constexpr std::uint16_t kEncrypted = 0x0001;
inline constexpr std::uint16_t kStored = 0;
inline constexpr std::uint16_t kDeflated = 8;
inline constexpr std::uint16_t kFirstDay = 0x0021;  // 1980-01-01

/// A little-endian number of a record that was checked to be long enough.
inline std::uint64_t number(std::string_view record, std::size_t at,
                            std::size_t width) {
  std::uint64_t out = 0;
  for (std::size_t i = width; i-- > 0;)
    out = out << 8 | static_cast<unsigned char>(record[at + i]);
  return out;
}

/// Builds a record.
class Record {
 public:
  Record& u16(std::uint64_t v) { return put(v, 2); }
  Record& u32(std::uint64_t v) { return put(v, 4); }
  Record& u64(std::uint64_t v) { return put(v, 8); }
  Record& text(std::string_view v) {
    bytes_ += v;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  Record& put(std::uint64_t v, int width) {
    for (int i = 0; i < width; ++i, v >>= 8)
      bytes_ += static_cast<char>(v & 255);
    return *this;
  }
  std::string bytes_;
};

}  // namespace ptutils::detail::zip
