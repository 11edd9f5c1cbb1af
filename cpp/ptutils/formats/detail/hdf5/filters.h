#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ptutils/formats/detail/hdf5/library.h"

/// What chunks go through, without the library's lock.
namespace ptutils::detail::hdf5 {

using ByteBuffer = std::vector<std::byte>;

struct Filter {
  H5Z_filter_t id;
  std::vector<unsigned> parameters;
  std::string name;
};

class Pipeline {
 public:
  Pipeline() = default;
  /// Those of a data set's creation properties. Kind::kFormat for one that
  /// neither this nor the library has.
  Pipeline(hid_t properties, std::string_view where);

  bool empty() const { return filters_.empty(); }
  /// Whether decode knows them all: shuffle, deflate, lzf, fletcher32.
  bool known() const;
  /// A chunk as it lies in the file into `out`, which has its size; bits of
  /// `skipped` are those of filters that were not applied.
  void decode(std::span<const std::byte> chunk, std::uint32_t skipped,
              std::span<std::byte> out, std::string_view where) const;

 private:
  std::size_t size_before(std::size_t i, std::uint32_t skipped,
                          std::size_t size) const;
  static void undo(const Filter& filter, std::span<const std::byte> in,
                   std::span<std::byte> out, std::string_view where);

  std::vector<Filter> filters_;
};

/// Shuffled and deflated, as H5Pset_shuffle and H5Pset_deflate would.
ByteBuffer packed(std::span<const std::byte> chunk, std::size_t item);

}  // namespace ptutils::detail::hdf5
