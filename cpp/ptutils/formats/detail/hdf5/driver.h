#pragma once

#include <cstddef>
#include <span>

#include "ptutils/formats/detail/hdf5/library.h"

namespace ptutils::detail::hdf5 {

/// The bytes of a file, as the library sees them through our driver: it opens
/// no file by itself, takes no lock on one, and follows no name.
class ByteFile {
 public:
  virtual ~ByteFile() = default;
  virtual std::size_t size() const = 0;
  // False when they are not there, or cannot be written.
  virtual bool read(std::size_t offset, std::span<std::byte> into) = 0;
  virtual bool write(std::size_t offset, std::span<const std::byte> from) = 0;
  virtual bool extend(std::size_t size) = 0;
};

/// File access properties that lead to `bytes`, which outlive the file.
Handle access_to(ByteFile& bytes);

}  // namespace ptutils::detail::hdf5
