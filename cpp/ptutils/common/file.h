#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ptutils/common/export.h"

namespace ptutils {

namespace detail {
class MapNote;
}

/// Writes a file so that `path` holds, at any moment and after any crash, the
/// old content or the new, whole: a temporary file in the same directory,
/// fsync, rename, fsync of the directory. Errors name the path and the cause
/// (ENOSPC, EFBIG, EACCES, …) and say what to do; the temporary is removed.
/// Temporaries left by a killed process (".NAME.PID-*.tmp" whose pid is dead)
/// are removed when the next writer in that folder starts.
class PTUTILS_API AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path, bool durable = true);
  ~AtomicFile();  // not committed: the temporary is removed, `path` untouched
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends; handles short writes and EINTR.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view bytes);
  /// Overwrites at an offset that was already written (headers).
  void write_at(std::size_t offset, std::span<const std::byte> bytes);
  std::size_t size() const;
  // For a library that writes here and there and reads that again (HDF5).
  /// Grows to `size` bytes; what was never written is zeros.
  void extend(std::size_t size);
  /// What was written at an offset.
  void read_at(std::size_t offset, std::span<std::byte> bytes);
  /// The temporary file, for a library that writes files by their name (LMDB,
  /// torch): it replaces the content before commit(), without write().
  const std::filesystem::path& temporary() const;
  /// Makes it visible. durable=false skips only the two fsyncs.
  void commit();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// AtomicFile with one write.
PTUTILS_API void write_file(const std::filesystem::path& path,
                            std::span<const std::byte> bytes,
                            bool durable = true);

/// The whole file. Kind::kIO when it cannot be read, with what to do.
PTUTILS_API std::string read_file(const std::filesystem::path& path);

/// A file in memory, copy-on-write (MAP_PRIVATE, readable and writable: a
/// stray write makes a private page, never a crash, never a changed file).
/// An empty file gives an empty span. The map lives as long as the object.
/// Where another program shortens the file, the process ends with SIGBUS and
/// words that name the file.
class PTUTILS_API MappedFile {
 public:
  /// `to_copy`: what copy() reads is not to count as this process's memory, as
  /// touched pages of a map do, so it keeps a descriptor (64 files do; what
  /// others copy comes from their maps).
  explicit MappedFile(const std::filesystem::path& path, bool to_copy = false);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(data_), size_};
  }
  /// False beyond the end.
  bool copy(std::size_t offset, std::span<std::byte> into) const;

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  int fd_ = -1;
  std::unique_ptr<detail::MapNote> note_;
};

}  // namespace ptutils
