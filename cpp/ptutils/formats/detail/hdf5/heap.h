#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "ptutils/formats/detail/hdf5/open_file.h"

namespace ptutils::detail::hdf5 {

/// The global heap of a file, which has the elements of any length, read from
/// its bytes: libhdf5 does not look where an element's reference points, and a
/// damaged one ends the process. (HDF5 File Format Specification 3.0, III.E.)
class GlobalHeap {
 public:
  /// Of an element in its data set: its length, and where it is.
  static constexpr std::size_t kReference = 16;

  /// Nothing where the file's addresses are not of 8 bytes, as nearly all are.
  static std::optional<GlobalHeap> of(const std::shared_ptr<OpenFile>& file);
  /// How many items the element has.
  static std::size_t length(std::span<const std::byte> reference);
  /// Where its items, each of `item` bytes, begin in the file. Kind::kFormat
  /// where they are not within it.
  std::size_t place(std::span<const std::byte> reference, std::size_t item,
                    const std::string& where) const;

 private:
  GlobalHeap(std::shared_ptr<OpenFile> file, std::size_t base)
      : file_(std::move(file)), base_(base) {}
  template <class T>
  T number(std::size_t at) const;

  std::shared_ptr<OpenFile> file_;
  std::size_t base_;  // where addresses count from: behind a user block
};

}  // namespace ptutils::detail::hdf5
