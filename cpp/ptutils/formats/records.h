#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ptutils/formats/tf_example.h"
#include "ptutils/tensor/tensor.h"

namespace ptutils {

/// The records of a file, for any number of threads at once: bytes that stay in
/// the file's map until they are asked for. 8 bytes of memory a record.
class PTUTILS_API Records {
 public:
  struct Record {
    std::string_view key;    ///< of LMDB; else empty
    std::string_view bytes;  ///< in the file's map, as the key
  };
  virtual ~Records();
  std::int64_t size() const {
    return static_cast<std::int64_t>(positions_.size());
  }
  /// Record 0 <= i < size(), checked: Kind::kFormat names it. The views live as
  /// long as this does.
  virtual Record at(std::int64_t i) const = 0;
  /// "x.tfrecord: record 3 (at byte 120)".
  virtual std::string label(std::int64_t i) const = 0;
  /// How messages about record i begin: "[tfrecord] LABEL: ".
  std::string where(std::int64_t i) const;
  /// For after what at() gave was used: Kind::kState where another program may
  /// have written over it meanwhile.
  virtual void check_unchanged() const {}
  /// Bytes of record i as an array of that shape (one dimension may be -1): a
  /// view where they are aligned and nobody writes the file. Kind::kFormat
  /// where there are more or fewer.
  Tensor array(std::int64_t i, std::string_view bytes, DType dtype,
               const Dims& shape) const;

 protected:
  Records(std::string format, const std::filesystem::path& path)
      : format_(std::move(format)), path_(path.string()) {}
  std::string_view text() const;
  std::size_t position(std::int64_t i) const {
    return positions_[static_cast<std::size_t>(i)];
  }
  std::string format_;
  std::string path_;
  std::shared_ptr<Storage> memory_;
  std::vector<std::uint64_t> positions_;
  bool others_write_ = false;
};

/// The records of a TFRecord file, plain or gzip (unpacked into memory). Where
/// each begins is found in one pass over their lengths, and kept in NAME.index
/// beside a plain file, or, where that cannot be written, in $PTUTILS_CACHE
/// (~/.cache/ptutils); an index that does not fit the file is made again. A
/// record's checksum is compared when it is read. Of a file that is cut, or
/// damaged in a length, the last record is the one that at() refuses.
PTUTILS_API std::shared_ptr<Records> tfrecord_records(
    const std::filesystem::path& path);

/// An Example as a record of such a file, with its length and checksums.
PTUTILS_API std::string tfrecord_of(const TfExample& example);

/// The values of an LMDB database (a file, or a folder with data.mdb), in the
/// order of their keys. Kind::kFormat for one of named databases or of several
/// values a key.
PTUTILS_API std::shared_ptr<Records> lmdb_records(
    const std::filesystem::path& path);

/// The lines of a text file, plain or gzip, that are not blank.
PTUTILS_API std::shared_ptr<Records> line_records(
    const std::filesystem::path& path);

/// Whether ptutils::save wrote the TFRecord file or LMDB database: its records
/// are the tensors of one value.
PTUTILS_API bool holds_a_value(const std::filesystem::path& path);

}  // namespace ptutils
