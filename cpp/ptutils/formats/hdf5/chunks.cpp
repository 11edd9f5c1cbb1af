#include "ptutils/formats/detail/hdf5/chunks.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "ptutils/common/thread_pool.h"
#include "ptutils/formats/detail/where.h"

namespace ptutils::detail::hdf5 {

namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;

/// Calls f(element offset in the chunk, in the data set, elements) for each
/// row of a chunk, as far as it is inside the shape.
template <class F>
void for_each_row(const Grid& grid, const Dims& origin, const F& f) {
  const std::size_t rank = grid.shape.size();
  Dims size(rank);
  for (std::size_t d = 0; d < rank; ++d)
    size[d] = std::min(grid.chunk[d], grid.shape[d] - origin[d]);
  const Dims inner = contiguous_strides(grid.chunk);
  const Dims outer = contiguous_strides(grid.shape);
  Dims at(rank, 0);
  while (true) {
    std::int64_t from = 0;
    std::int64_t to = 0;
    for (std::size_t d = 0; d < rank; ++d) {
      from += at[d] * inner[d];
      to += (origin[d] + at[d]) * outer[d];
    }
    f(from, to, size[rank - 1]);
    std::size_t d = rank - 1;
    while (d-- > 0) {
      if (++at[d] < size[d]) break;
      at[d] = 0;
    }
    if (d == std::size_t(-1)) return;
  }
}

/// One chunk at a time, the buffers of a thread.
class ChunkReader {
 public:
  ChunkReader(const OpenFile& file, hid_t set, const Grid& grid,
              const Pipeline& pipeline, const ByteBuffer& fill,
              std::string_view where)
      : file_(file),
        set_(set),
        grid_(grid),
        pipeline_(pipeline),
        fill_(fill),
        where_(where) {}

  /// Into `out`, which begins with row `first` of the data set. False where the
  /// chunk was never written: it is full of the fill value.
  bool read(std::int64_t i, std::byte* out, std::int64_t first = 0) {
    const Dims origin = grid_.origin(i);
    std::uint32_t skipped = 0;
    const auto item = static_cast<std::int64_t>(grid_.item);
    const std::int64_t before = first * contiguous_strides(grid_.shape)[0];
    if (!fetch(origin, skipped)) {
      for_each_row(grid_, origin, [&](auto, auto to, auto count) {
        for (std::int64_t k = 0; k < count; ++k)
          std::memcpy(out + (to - before + k) * item, fill_.data(), grid_.item);
      });
      return false;
    }
    if (whole_rows(origin)) {
      pipeline_.decode(packed_, skipped,
                       {out + (origin[0] - first) * row_bytes(), size_},
                       where_);
      return true;
    }
    chunk_.resize(size_);
    pipeline_.decode(packed_, skipped, chunk_, where_);
    for_each_row(grid_, origin, [&](auto from, auto to, auto count) {
      std::memcpy(out + (to - before) * item, chunk_.data() + from * item,
                  static_cast<std::size_t>(count * item));
    });
    return true;
  }

 private:
  /// The chunk as it lies in the file; false where there is none.
  bool fetch(const Dims& origin, std::uint32_t& skipped) {
    const std::vector<hsize_t> at(origin.begin(), origin.end());
    const Locked locked;
    hsize_t size = 0;
    const herr_t found = H5Dget_chunk_storage_size(set_, at.data(), &size);
    // HDF5 1.10 fails for a chunk that was never written, others give 0.
    if (found < 0 && last_failure_is("chunk storage is not allocated"))
      return false;
    check(found, where_, "a chunk cannot be found");
    if (size == 0) return false;
    if (size > file_.size())
      malformed(where_, "damaged: a chunk of ", size, " bytes in a file of ",
                file_.size());
    packed_.resize(size);
    check(H5Dread_chunk(set_, H5P_DEFAULT, at.data(), &skipped, packed_.data()),
          where_, "a chunk cannot be read");
    return true;
  }

  /// The chunk lies in the array as it lies in itself.
  bool whole_rows(const Dims& origin) const {
    if (origin[0] + grid_.chunk[0] > grid_.shape[0]) return false;
    return std::equal(grid_.chunk.begin() + 1, grid_.chunk.end(),
                      grid_.shape.begin() + 1);
  }
  std::int64_t row_bytes() const {
    return static_cast<std::int64_t>(size_) / grid_.chunk[0];
  }

  const OpenFile& file_;
  hid_t set_;
  const Grid& grid_;
  const Pipeline& pipeline_;
  const ByteBuffer& fill_;
  std::string_view where_;
  std::size_t size_ = grid_.chunk_bytes();
  ByteBuffer packed_;  // as it lies in the file
  ByteBuffer chunk_;
};

std::uint64_t count_written(hid_t set, std::string_view where) {
  const Locked locked;
  const Handle space = open(H5Dget_space(set), where, "it has no shape");
  hsize_t written = 0;
  check(H5Dget_num_chunks(set, space.get(), &written), where,
        "its chunks cannot be counted");
  return written;
}

/// A grid of which next to nothing was written: looking for every chunk would
/// take minutes.
void check_count(std::uint64_t written, const Grid& grid,
                 std::string_view where) {
  constexpr std::int64_t kFew = 1'000'000;
  const std::int64_t count = grid.count();
  if (count > kFew && static_cast<std::uint64_t>(count - kFew) / 2 > written)
    malformed(where, "has ", count, " chunks, of which ", written,
              " were written; read a part of it with h5py");
}

}  // namespace

std::int64_t Grid::count() const {
  std::int64_t out = 1;
  for (std::size_t d = 0; d < shape.size(); ++d)
    out *= (shape[d] + chunk[d] - 1) / chunk[d];
  return out;
}

Dims Grid::origin(std::int64_t i) const {
  Dims out(shape.size());
  for (std::size_t d = shape.size(); d-- > 0;) {
    const std::int64_t along = (shape[d] + chunk[d] - 1) / chunk[d];
    out[d] = i % along * chunk[d];
    i /= along;
  }
  return out;
}

std::size_t Grid::chunk_bytes() const {
  return static_cast<std::size_t>(count_elements(chunk, item)) * item;
}

Grid grid_for(const Dims& shape, std::size_t item) {
  Grid grid{shape, Dims(shape.size(), 1), item};
  std::size_t bytes = item;
  for (std::size_t d = shape.size(); d-- > 0;) {
    const auto fits = static_cast<std::int64_t>(
        std::max<std::size_t>(1, kChunkBytes / bytes));
    grid.chunk[d] = std::min(shape[d], fits);
    bytes *= static_cast<std::size_t>(grid.chunk[d]);
    if (grid.chunk[d] < shape[d]) break;
  }
  return grid;
}

Grid grid_of_rows(const Dims& shape, std::size_t item, std::int64_t rows) {
  Grid grid{shape, shape, item};
  grid.chunk[0] = std::min(shape[0], rows);
  return grid;
}

void check_unfiltered(hid_t set, const Grid& grid, std::string_view where) {
  const Locked locked;
  const std::uint64_t written = count_written(set, where);
  const hsize_t bytes = H5Dget_storage_size(set);
  if (bytes != written * grid.chunk_bytes())
    malformed(where, "damaged: ", bytes, " bytes in ", written, " chunks of ",
              grid.chunk_bytes(), " each");
}

void read_band(const OpenFile& file, hid_t set, const Grid& grid,
               const Pipeline& pipeline, const ByteBuffer& fill,
               std::string_view where, std::int64_t band, std::byte* out) {
  const std::int64_t bands =
      (grid.shape[0] + grid.chunk[0] - 1) / grid.chunk[0];
  const std::int64_t each = grid.count() / bands;
  ChunkReader reader(file, set, grid, pipeline, fill, where);
  for (std::int64_t i = band * each; i < (band + 1) * each; ++i)
    reader.read(i, out, band * grid.chunk[0]);
}

void read_chunks(const OpenFile& file, hid_t set, const Grid& grid,
                 const Pipeline& pipeline, const ByteBuffer& fill,
                 std::string_view where, std::byte* out) {
  const std::uint64_t written = count_written(set, where);
  check_count(written, grid, where);
  if (pipeline.empty()) check_unfiltered(set, grid, where);
  std::atomic<std::uint64_t> found = 0;
  parallel_for(grid.count(), 1, [&](std::int64_t begin, std::int64_t end) {
    ChunkReader reader(file, set, grid, pipeline, fill, where);
    for (std::int64_t i = begin; i < end; ++i)
      if (reader.read(i, out)) ++found;
  });
  // One of which the index has the place wrong is not found where it belongs.
  if (found != written)
    malformed(where, "damaged: ", written, " chunks, of which ", found.load(),
              " lie in their places");
}

}  // namespace ptutils::detail::hdf5
