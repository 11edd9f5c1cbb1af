#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "ptutils/common/file.h"
#include "ptutils/formats/detail/hdf5/driver.h"
#include "ptutils/tensor/tensor.h"

namespace ptutils::detail::hdf5 {

/// A file that is read: mapped, and open in the library, which reads the same
/// map. What is deferred holds it.
class OpenFile {
 public:
  OpenFile(const std::filesystem::path& path, std::string prefix);

  hid_t id() const { return file_.get(); }
  const std::shared_ptr<Storage>& bytes() const { return bytes_; }
  std::size_t size() const { return bytes_->bytes(); }
  const std::string& prefix() const { return prefix_; }
  /// "[hdf5] FILE: data set '/a/b': "
  std::string where(std::string_view kind, std::string_view path) const;

  /// Bytes of the file as it is now; false where it has become shorter.
  bool copy(std::size_t offset, std::span<std::byte> into) {
    return map_.read(offset, into);
  }

  /// Counts memory that is not the map's. Kind::kFormat when the file claims
  /// far more than it can hold: a few bytes may stand for any number of fill
  /// values, and texts may all be the same one.
  void claim(std::size_t bytes, std::string_view where);

 private:
  struct Map : ByteFile {
    explicit Map(const MappedFile& file) : file(file) {}
    std::size_t size() const override { return file.bytes().size(); }
    bool read(std::size_t offset, std::span<std::byte> into) override {
      return file.copy(offset, into);
    }
    bool write(std::size_t, std::span<const std::byte>) override {
      return false;
    }
    bool extend(std::size_t) override { return false; }
    const MappedFile& file;
  };
  OpenFile(std::shared_ptr<MappedFile> file, const std::filesystem::path& path,
           std::string prefix);

  std::string prefix_;
  std::shared_ptr<Storage> bytes_;
  Map map_;
  std::atomic<std::uint64_t> claimed_{0};
  Handle file_;  // closed first
};

}  // namespace ptutils::detail::hdf5
