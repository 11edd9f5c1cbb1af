#pragma once

#include <string>
#include <vector>

#include "ptutils/formats/detail/hdf5/filters.h"
#include "ptutils/formats/detail/hdf5/open_file.h"

namespace ptutils::detail::hdf5 {

/// A data set's chunks: a grid over its shape, those at the edges reaching
/// beyond it.
struct Grid {
  Dims shape;
  Dims chunk;
  std::size_t item = 1;

  std::int64_t count() const;  ///< Kind::kFormat cannot be: sizes were checked
  /// Position of the first element of chunk `i`.
  Dims origin(std::int64_t i) const;
  std::size_t chunk_bytes() const;
};

/// Chunks of about a megabyte, along the first dimensions.
Grid grid_for(const Dims& shape, std::size_t item);
/// Chunks of `rows` along the first dimension.
Grid grid_of_rows(const Dims& shape, std::size_t item, std::int64_t rows);

/// The whole of a chunked data set whose pipeline is known, by many threads;
/// `fill` is the element that stands for what was never written.
void read_chunks(const OpenFile& file, hid_t set, const Grid& grid,
                 const Pipeline& pipeline, const ByteBuffer& fill,
                 std::string_view where, std::byte* out);

/// Chunks that pass no filter have their full size, for which the library would
/// not look: Kind::kFormat where they have not.
void check_unfiltered(hid_t set, const Grid& grid, std::string_view where);

/// Rows band * chunk[0] and on, as many as a chunk has, into `out`.
void read_band(const OpenFile& file, hid_t set, const Grid& grid,
               const Pipeline& pipeline, const ByteBuffer& fill,
               std::string_view where, std::int64_t band, std::byte* out);

}  // namespace ptutils::detail::hdf5
