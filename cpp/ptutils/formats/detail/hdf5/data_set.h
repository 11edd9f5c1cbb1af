#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "ptutils/formats/detail/hdf5/chunks.h"
#include "ptutils/formats/detail/hdf5/heap.h"
#include "ptutils/formats/detail/hdf5/types.h"
#include "ptutils/module/value.h"

namespace ptutils::detail::hdf5 {

/// A data set that is read.
class DataSet {
 public:
  /// `where` begins messages: "[hdf5] FILE: data set '/a/b': ". Kind::kFormat
  /// for what is no tensor and no text.
  DataSet(std::shared_ptr<OpenFile> file, Handle set, std::string where);

  /// Text, a tensor on the map, one that is read, or with `lazy` a Deferred;
  /// null for h5py.Empty.
  Value value(bool lazy) const;

  /// How it is cut and packed, where `Pipeline` knows that; with the element
  /// that stands for what was never written.
  struct Chunks {
    Grid grid;
    Pipeline pipeline;
    ByteBuffer fill;
  };
  std::optional<Chunks> chunks() const;
  /// Null for h5py.Empty.
  const std::optional<Dims>& shape() const { return shape_; }
  /// Elements of any length: text, arrays.
  bool varies() const {
    return type_.kind == ElementType::Kind::kText ||
           type_.kind == ElementType::Kind::kArrays;
  }
  DType dtype() const { return type_.dtype; }
  const std::string& where() const { return where_; }
  /// Where the data begins, where it lies in the file as it does in memory.
  std::optional<std::size_t> stored_at() const;
  /// The whole of that, on the file's map.
  std::optional<Tensor> mapped() const;
  /// A row of it, read; it begins at `offset`.
  Tensor stored_row(std::size_t offset) const;
  /// The whole, read.
  Tensor load() const;
  /// Rows band * chunk[0] and on, as many as a chunk has and there are.
  Tensor band(const Chunks& chunks, std::int64_t band) const;
  void check_unfiltered(const Grid& grid) const {
    hdf5::check_unfiltered(set_.get(), grid, where_);
  }
  /// Elements of any length are in the file's global heap. Where the references
  /// to them lie in the file, or how they are cut; neither: ask the library.
  bool refers_to_heap() const;
  std::optional<std::size_t> references_at() const;
  std::optional<Chunks> reference_chunks() const;
  /// Those of a band: u8 (rows, GlobalHeap::kReference).
  Tensor reference_band(const Chunks& chunks, std::int64_t band) const;
  /// One, as bytes; it begins at `offset`.
  Tensor reference(std::size_t offset) const;
  /// The element that a reference stands for: text, or an array.
  Value element(const GlobalHeap& heap,
                std::span<const std::byte> reference) const;
  const std::shared_ptr<OpenFile>& file() const { return file_; }
  /// Through the library: a tensor (count, …), or a list of texts or arrays.
  Value rows(std::int64_t first, std::int64_t count) const;

 private:
  void check_sources();
  std::optional<std::size_t> offset_of(std::size_t bytes) const;
  std::optional<Chunks> cut(std::size_t item) const;
  void copy(std::size_t offset, std::span<std::byte> into) const;
  void read_through_library(Tensor& out) const;
  bool read_grid(Tensor& out) const;
  Tensor read_in(Tensor tensor) const;
  void convert(Tensor& out, hid_t from, hid_t to) const;
  Value deferred() const;
  Tensor finished(Tensor tensor) const;

  std::shared_ptr<OpenFile> file_;
  Handle set_;
  std::string where_;
  Handle properties_;
  H5D_layout_t layout_ = H5D_CONTIGUOUS;
  ElementType type_;
  std::optional<Dims> shape_;
  std::size_t bytes_ = 0;
};

}  // namespace ptutils::detail::hdf5
