#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ptutils/formats/detail/tensor_io.h"

/// Zip archives, as NumPy's .npz needs them; private to formats.
namespace ptutils::detail {

struct ZipMember {
  std::string name;
  bool deflated = false;
  std::uint32_t crc = 0;
  std::uint64_t packed = 0;  ///< bytes in the file
  std::uint64_t size = 0;
  std::uint64_t offset = 0;  ///< of the local header, then of the data
};

/// A checked directory: every member's bytes lie in the file, none overlap, no
/// name is there twice, nothing inflates by more than 1032 (deflate's limit).
/// Names are keys, never paths.
class ZipReader {
 public:
  ZipReader(std::shared_ptr<Storage> file, std::string prefix);

  const std::vector<ZipMember>& members() const { return members_; }

  struct Content {
    std::shared_ptr<Storage> storage;  ///< the file's own when stored
    std::size_t offset = 0;
    std::size_t size = 0;
    std::string_view text() const {
      return text_of(*storage).substr(offset, size);
    }
  };
  /// Inflated where it must be; the crc of a stored one is compared when asked,
  /// which reads all of it.
  Content content(const ZipMember& member, bool check = true) const;
  /// The first bytes of a deflated member that is larger.
  std::string head(const ZipMember& member, std::size_t size) const;

 private:
  struct Directory {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    std::uint64_t count = 0;
  };
  std::string_view slice(std::uint64_t offset, std::uint64_t size,
                         std::string_view what) const;
  Directory find_directory() const;
  Directory find_directory64(std::size_t end_record) const;
  ZipMember read_entry(std::string_view& rest) const;
  void read_zip64(std::string_view extra, ZipMember& member) const;
  void find_data(ZipMember& member, std::uint64_t directory) const;
  void check_apart() const;

  std::shared_ptr<Storage> file_;
  std::string prefix_;
  std::string_view bytes_;
  std::vector<ZipMember> members_;
};

/// A member's content, packed.
struct Deflated {
  std::string name;
  std::string bytes;
  std::uint64_t size = 0;  ///< unpacked
  std::uint32_t crc = 0;
};
Deflated deflate(std::string name, std::span<const std::byte> bytes);

/// Members, each with its data at a multiple of 64 bytes.
class ZipWriter {
 public:
  /// `zip64`: large-file records for every member, as for those that need them.
  explicit ZipWriter(FileWriter& file, bool zip64 = false)
      : file_(file), zip64_(zip64) {}

  /// A member of exactly `size` bytes, which write() gives piece by piece.
  void begin(const std::string& name, std::uint64_t size);
  void write(std::span<const std::byte> bytes);
  void end();
  void put(const Deflated& content);
  /// The directory.
  void finish();

 private:
  void open(ZipMember member);

  FileWriter& file_;
  bool zip64_;
  std::uint64_t written_ = 0;
  std::vector<ZipMember> members_;
};

}  // namespace ptutils::detail
