#include "ptutils/formats/detail/hdf5/data_set.h"

#include <algorithm>

#include "ptutils/formats/detail/hdf5/texts.h"
#include "ptutils/formats/detail/not_held.h"
#include "ptutils/formats/detail/tensor_io.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/module/codec.h"

namespace ptutils::detail::hdf5 {

namespace {

void check_bools(const Tensor& tensor, std::string_view where) {
  if (tensor.dtype() != DType::kBool) return;
  const std::span bytes(tensor.bytes(), tensor.nbytes());
  const auto bad = std::find_if(bytes.begin(), bytes.end(),
                                [](std::byte b) { return b > std::byte{1}; });
  if (bad != bytes.end())
    malformed(where, "a bool is neither 0 nor 1 but ",
              std::to_integer<int>(*bad));
}

ByteBuffer fill_of(hid_t properties, const ElementType& type,
                   std::string_view where) {
  ByteBuffer fill(item_size(type.dtype));
  H5D_fill_value_t defined = H5D_FILL_VALUE_UNDEFINED;
  check(H5Pfill_value_defined(properties, &defined), where,
        "its fill value cannot be read");
  if (defined == H5D_FILL_VALUE_USER_DEFINED)
    check(H5Pget_fill_value(properties, type.stored.get(), fill.data()), where,
          "its fill value cannot be read");
  return fill;
}

/// The grid of a chunked data set.
Grid grid_of(hid_t properties, const Dims& shape, std::size_t item,
             std::string_view where) {
  std::vector<hsize_t> sizes(shape.size());
  const int rank = check(
      H5Pget_chunk(properties, static_cast<int>(sizes.size()), sizes.data()),
      where, "its chunks cannot be read");
  Grid grid{shape, Dims(sizes.begin(), sizes.end()), item};
  const bool positive = std::all_of(grid.chunk.begin(), grid.chunk.end(),
                                    [](auto size) { return size > 0; });
  if (static_cast<std::size_t>(rank) != shape.size() || !positive)
    malformed(where, "damaged: its chunks have not its dimensions");
  data_bytes(grid.chunk, DType::kC128, where);  // no overflow
  return grid;
}

}  // namespace

DataSet::DataSet(std::shared_ptr<OpenFile> file, Handle set, std::string where)
    : file_(std::move(file)), set_(std::move(set)), where_(std::move(where)) {
  const Locked locked;
  properties_ = open(H5Dget_create_plist(set_.get()), where_,
                     "its properties cannot be read");
  check_sources();
  const Handle type =
      open(H5Dget_type(set_.get()), where_, "its type cannot be read");
  const Handle space =
      open(H5Dget_space(set_.get()), where_, "its shape cannot be read");
  type_ = element_type(type.get(), where_);
  shape_ = shape_of(space.get(), where_);
  if (type_.kind == ElementType::Kind::kOther)
    not_held(where_, "holds ", type_.description,
             ", for which there is no tensor; save it as numbers or text, or "
             "read it with h5py");
  if (shape_ && type_.kind == ElementType::Kind::kTensor)
    bytes_ = data_bytes(*shape_, type_.dtype, where_);
}

/// Its data is in this file, and can be read.
void DataSet::check_sources() {
  layout_ = H5Pget_layout(properties_.get());
  check(static_cast<int>(layout_), where_, "its layout cannot be read");
  if (layout_ == H5D_VIRTUAL || H5Pget_external_count(properties_.get()) != 0)
    not_held(where_,
             "has its data in other files, which are not followed; "
             "copy it into one with h5repack or h5py");
}

Value DataSet::value(bool lazy) const {
  if (!shape_) return {};
  if (varies()) return texts_of_set(*file_, set_.get(), type_, *shape_, where_);
  if (bytes_ == 0) return finished(Tensor::empty(*shape_, type_.dtype));
  if (auto tensor = mapped()) return finished(*std::move(tensor));
  if (lazy) return deferred();
  return load();
}

Tensor DataSet::finished(Tensor tensor) const {
  tensor.origin = origin_of(tensor.dtype());
  return tensor;
}

std::optional<std::size_t> DataSet::stored_at() const {
  if (layout_ != H5D_CONTIGUOUS || !type_.direct) return {};
  return offset_of(bytes_);
}

/// Of contiguous data of that size; nothing where it was never written.
std::optional<std::size_t> DataSet::offset_of(std::size_t bytes) const {
  haddr_t offset = HADDR_UNDEF;
  {
    const Locked locked;
    // Before HDF5 1.10.9 the offset of what was never written is one before
    // the end of the user block.
    if (H5Dget_storage_size(set_.get()) > 0) offset = H5Dget_offset(set_.get());
  }
  if (offset == HADDR_UNDEF) return {};  // never written
  if (offset > file_->size() || bytes > file_->size() - offset)
    malformed(where_, "ends at byte ", offset + bytes, " of a file of ",
              file_->size(), "; is it truncated?");
  return offset;
}

std::optional<Tensor> DataSet::mapped() const {
  const auto offset = stored_at();
  if (!offset) return {};
  return tensor_at(file_->bytes(), type_.dtype, *shape_, *offset, where_);
}

Tensor DataSet::stored_row(std::size_t offset) const {
  Tensor out =
      Tensor::empty(Dims(shape_->begin() + 1, shape_->end()), type_.dtype);
  copy(offset, {out.bytes(), out.nbytes()});
  check_bools(out, where_);
  return finished(std::move(out));
}

void DataSet::copy(std::size_t offset, std::span<std::byte> into) const {
  if (!file_->copy(offset, into))
    malformed(where_, "ends before byte ", offset + into.size(),
              "; the file has become shorter while it was read");
}

Tensor DataSet::load() const {
  file_->claim(bytes_, where_);
  Tensor out = Tensor::empty(*shape_, type_.dtype);
  if (!read_grid(out)) {
    read_through_library(out);
    check_bools(out, where_);
    return finished(std::move(out));
  }
  return read_in(std::move(out));
}

/// Elements as the file has them to those of ours.
Tensor DataSet::read_in(Tensor tensor) const {
  if (!type_.direct) convert(tensor, type_.stored.get(), type_.memory.get());
  check_bools(tensor, where_);
  return finished(std::move(tensor));
}

std::optional<DataSet::Chunks> DataSet::chunks() const {
  if (layout_ != H5D_CHUNKED || varies()) return {};
  const Locked locked;
  const std::size_t item = item_size(type_.dtype);
  auto out = cut(item);
  if (!out || H5Tget_size(type_.stored.get()) != item)
    return {};  // members with gaps
  out->fill = fill_of(properties_.get(), type_, where_);
  return out;
}

/// Its chunks, of items of that size; nothing where the library alone has a
/// filter of theirs.
std::optional<DataSet::Chunks> DataSet::cut(std::size_t item) const {
  Chunks out;
  out.pipeline = Pipeline(properties_.get(), where_);
  out.grid = grid_of(properties_.get(), *shape_, item, where_);
  if (!out.pipeline.known()) return {};
  return out;
}

/// False where it takes the library.
bool DataSet::read_grid(Tensor& out) const {
  const auto how = chunks();
  if (!how) return false;
  file_->claim(how->grid.chunk_bytes(), where_);  // that is held for a while
  read_chunks(*file_, set_.get(), how->grid, how->pipeline, how->fill, where_,
              out.bytes());
  return true;
}

Tensor DataSet::band(const Chunks& chunks, std::int64_t band) const {
  const Grid& grid = chunks.grid;
  Dims shape = *shape_;
  shape[0] = std::min(grid.chunk[0], shape[0] - band * grid.chunk[0]);
  Tensor out = Tensor::empty(std::move(shape), type_.dtype);
  read_band(*file_, set_.get(), grid, chunks.pipeline, chunks.fill, where_,
            band, out.bytes());
  return read_in(std::move(out));
}

bool DataSet::refers_to_heap() const {
  if (!shape_ || shape_->size() != 1) return false;
  const Locked locked;
  if (type_.kind == ElementType::Kind::kText)
    return H5Tis_variable_str(type_.stored.get()) > 0;
  if (type_.kind != ElementType::Kind::kArrays) return false;
  const Handle items(H5Tget_super(type_.stored.get()));
  return H5Tget_size(items.get()) == item_size(type_.dtype);
}

std::optional<std::size_t> DataSet::references_at() const {
  if (layout_ != H5D_CONTIGUOUS) return {};
  return offset_of(static_cast<std::size_t>((*shape_)[0]) *
                   GlobalHeap::kReference);
}

std::optional<DataSet::Chunks> DataSet::reference_chunks() const {
  if (layout_ != H5D_CHUNKED) return {};
  const Locked locked;
  auto out = cut(GlobalHeap::kReference);
  if (!out) return {};
  out->fill = ByteBuffer(GlobalHeap::kReference);  // of length 0
  std::fill(out->fill.begin(), out->fill.end(), std::byte{0});
  return out;
}

Tensor DataSet::reference_band(const Chunks& chunks, std::int64_t band) const {
  const Grid& grid = chunks.grid;
  const std::int64_t rows =
      std::min(grid.chunk[0], (*shape_)[0] - band * grid.chunk[0]);
  Tensor out = Tensor::empty(
      {rows, static_cast<std::int64_t>(GlobalHeap::kReference)}, DType::kU8);
  read_band(*file_, set_.get(), grid, chunks.pipeline, chunks.fill, where_,
            band, out.bytes());
  return out;
}

Tensor DataSet::reference(std::size_t offset) const {
  Tensor out = Tensor::empty(
      {static_cast<std::int64_t>(GlobalHeap::kReference)}, DType::kU8);
  copy(offset, {out.bytes(), out.nbytes()});
  return out;
}

Value DataSet::element(const GlobalHeap& heap,
                       std::span<const std::byte> reference) const {
  const std::size_t length = GlobalHeap::length(reference);
  const bool is_text = type_.kind == ElementType::Kind::kText;
  const std::size_t item = is_text ? 1 : item_size(type_.dtype);
  // Within the file, before memory is taken for it.
  const std::size_t at = length > 0 ? heap.place(reference, item, where_) : 0;
  if (is_text) {
    std::string content(length, '\0');
    copy(at, std::as_writable_bytes(std::span(content)));
    return text_of(std::string_view(content).substr(0, content.find('\0')));
  }
  Tensor out = Tensor::empty({static_cast<std::int64_t>(length)}, type_.dtype);
  copy(at, {out.bytes(), out.nbytes()});
  if (!type_.direct && length > 0) {
    const Locked locked;
    const Handle from(H5Tget_super(type_.stored.get()));
    const Handle to(H5Tget_super(type_.memory.get()));
    convert(out, from.get(), to.get());
  }
  check_bools(out, where_);
  return finished(std::move(out));
}

Value DataSet::rows(std::int64_t first, std::int64_t count) const {
  Dims shape = *shape_;
  shape[0] = count;
  const Locked locked;
  const Handle space =
      open(H5Dget_space(set_.get()), where_, "its shape cannot be read");
  std::vector<hsize_t> start(shape.size(), 0);
  const std::vector<hsize_t> size(shape.begin(), shape.end());
  start[0] = static_cast<hsize_t>(first);
  check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr,
                            size.data(), nullptr),
        where_, "its rows cannot be chosen");
  const Handle memory = open(
      H5Screate_simple(static_cast<int>(size.size()), size.data(), nullptr),
      where_, "its rows cannot be chosen");
  if (varies())
    return texts_of_rows(*file_, set_.get(), memory.get(), space.get(), type_,
                         shape, where_);
  Tensor out = Tensor::empty(std::move(shape), type_.dtype);
  check(H5Dread(set_.get(), type_.memory.get(), memory.get(), space.get(),
                H5P_DEFAULT, out.bytes()),
        where_, "it cannot be read");
  check_bools(out, where_);
  return finished(std::move(out));
}

/// From the file's type, which may be of the other order of bytes.
void DataSet::convert(Tensor& out, hid_t from, hid_t to) const {
  const Locked locked;
  check(H5Tconvert(from, to, static_cast<std::size_t>(out.numel()), out.bytes(),
                   nullptr, H5P_DEFAULT),
        where_, "its elements cannot be converted");
}

void DataSet::read_through_library(Tensor& out) const {
  const Locked locked;
  check(H5Dread(set_.get(), type_.memory.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                out.bytes()),
        where_, "it cannot be read");
}

/// Opened again by its address: an open data set takes kilobytes.
Value DataSet::deferred() const {
  H5O_info_t info{};
  {
    const Locked locked;
    check(H5Oget_info2(set_.get(), &info, H5O_INFO_BASIC), where_,
          "it cannot be found");
  }
  auto load = [file = file_, where = where_, address = info.addr] {
    Handle set;
    {
      const Locked locked;
      set = open(H5Oopen_by_addr(file->id(), address), where,
                 "it cannot be opened");
    }
    return DataSet(file, std::move(set), where).load();
  };
  return std::shared_ptr<Opaque>(
      std::make_shared<Deferred>(*shape_, type_.dtype, std::move(load)));
}

}  // namespace ptutils::detail::hdf5
