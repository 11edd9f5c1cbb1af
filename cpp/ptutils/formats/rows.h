#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ptutils/module/value.h"

namespace ptutils {

/// The rows (along the first dimension) of an array in a file, for any number
/// of threads at once. What is read stays in the file until it is asked for.
class PTUTILS_API Rows {
 public:
  Rows(Dims shape, DType dtype) : shape_(std::move(shape)), dtype_(dtype) {}
  virtual ~Rows();
  const Dims& shape() const { return shape_; }  ///< of the whole array
  DType dtype() const { return dtype_; }        ///< u8 where rows are texts
  std::int64_t size() const { return shape_[0]; }
  /// Row 0 <= i < size(): a tensor of shape()[1:], which may be memory of the
  /// file's map or of a cache (not to be written to), or text.
  virtual Value row(std::int64_t i) const = 0;
  /// Rows that are decoded together: neighbours in one block cost one decoding.
  virtual std::int64_t block() const { return 1; }

 private:
  Dims shape_;
  DType dtype_;
};

using NamedRows = std::vector<std::pair<std::string, std::shared_ptr<Rows>>>;

/// Decoded blocks that were used last, up to a number of bytes; shared by the
/// arrays of a reader.
class BlockCache;

/// Data sets of an HDF5 file, by their paths below `group` ("" is the root);
/// all of the group's own that have rows where `names` is empty. Chunked ones
/// are decoded a block at a time, by the thread that asks, and kept in a cache
/// of `cache_bytes`. Kind::kKey names what there is instead of a wrong name.
PTUTILS_API NamedRows hdf5_rows(const std::filesystem::path& path,
                                const std::string& group,
                                const std::vector<std::string>& names,
                                std::size_t cache_bytes);

}  // namespace ptutils
