#pragma once

#include <exception>
#include <string>
#include <unordered_set>
#include <utility>

#include "ptutils/common/file.h"
#include "ptutils/formats/detail/hdf5/chunks.h"
#include "ptutils/formats/detail/hdf5/driver.h"
#include "ptutils/tensor/tensor.h"

namespace ptutils::detail::hdf5 {

/// A file that is written: the library lays it out and says where data goes.
/// An error of the file system ends no call of the library, which could not
/// close the file any more: finish() throws it.
class NewFile {
 public:
  NewFile(AtomicFile& file, std::string prefix);
  ~NewFile();

  /// The link of a tensor: "model/net/weight". Where 'a' is a tensor, too,
  /// 'a.b' is one link with that name, as are names with empty parts.
  static std::string link_of(const std::string& name,
                             const std::unordered_set<std::string>& names);

  /// Room for a tensor's elements at the offset that comes back (0 for none).
  std::size_t add(const std::string& link, DType dtype, const Dims& shape);
  /// A data set in chunks, for write_chunk; `compress`: shuffled and deflated.
  Handle add_chunked(const std::string& link, DType dtype, const Grid& grid,
                     bool compress);
  void write_chunk(const Handle& set, const Dims& origin,
                   const ByteBuffer& chunk);
  /// A group or data set, the group made where there is none; nothing where
  /// `link` runs through a data set.
  Handle object(const std::string& link);
  /// Throws what went wrong.
  void check_written();
  /// Closes it.
  void finish();

 private:
  struct Target : ByteFile {
    explicit Target(AtomicFile& file) : file(file) {}
    std::size_t size() const override { return file.size(); }
    bool read(std::size_t offset, std::span<std::byte> into) override;
    bool write(std::size_t offset, std::span<const std::byte> from) override;
    bool extend(std::size_t size) override;
    AtomicFile& file;
    std::exception_ptr error;
  };

  Handle create(const std::string& link, DType dtype, const Dims& shape,
                const Handle& properties);
  bool make_groups(const std::string& link);

  std::string prefix_;
  Target target_;
  std::unordered_set<std::string> groups_;
  std::unordered_set<std::string> sets_;
  Handle link_properties_;
  Handle group_properties_;
  Handle file_;
};

}  // namespace ptutils::detail::hdf5
