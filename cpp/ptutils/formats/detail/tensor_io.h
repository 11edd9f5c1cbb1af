#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ptutils/common/file.h"
#include "ptutils/tensor/tensor.h"

/// Tensors to and from the bytes of files; private to formats.
namespace ptutils::detail {

static_assert(std::endian::native == std::endian::little,
              "files hold little-endian elements, as memory does here");

/// Bytes of a shape that a file claims; Kind::kFormat for a negative size, more
/// than 64 dimensions, or an overflow (of a shape with a 0 in it, too).
PTUTILS_API std::size_t data_bytes(const Dims& shape, DType dtype,
                                   std::string_view prefix);

/// A whole file as memory that its tensors keep alive.
PTUTILS_API std::shared_ptr<Storage> map_file(
    const std::filesystem::path& path);
std::string_view text_of(const Storage& storage);

/// A tensor on bytes that are known to be there: a view, or a copy where they
/// are not aligned. Kind::kFormat for a bool that is neither 0 nor 1.
PTUTILS_API Tensor tensor_at(const std::shared_ptr<Storage>& storage,
                             DType dtype, Dims shape, std::size_t offset,
                             std::string_view prefix);

/// The elements in row-major order, in blocks; a strided tensor is gathered
/// a few megabytes at a time.
PTUTILS_API void for_each_block(
    const Tensor& tensor,
    const std::function<void(std::span<const std::byte>)>& f);

/// AtomicFile behind a buffer, for many small pieces.
class FileWriter {
 public:
  FileWriter(const std::filesystem::path& path, bool durable);

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  void write(const Tensor& tensor);
  void zeros(std::size_t count);
  /// Overwrites what was written.
  void patch(std::size_t offset, std::string_view bytes);
  std::size_t size() const { return written_ + buffer_.size(); }
  void commit();

 private:
  void flush();

  AtomicFile file_;
  std::string buffer_;
  std::size_t written_ = 0;
};

}  // namespace ptutils::detail
