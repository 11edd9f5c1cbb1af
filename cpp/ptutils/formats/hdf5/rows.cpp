#include <algorithm>
#include <optional>
#include <sstream>

#include "ptutils/common/log.h"
#include "ptutils/common/names.h"
#include "ptutils/formats/detail/block_cache.h"
#include "ptutils/formats/detail/hdf5/data_set.h"
#include "ptutils/formats/detail/hdf5/links.h"
#include "ptutils/formats/detail/hdf5/tree.h"
#include "ptutils/formats/detail/not_held.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/flatten.h"

namespace ptutils::detail::hdf5 {

namespace {

constexpr char kReader[] = "HDF5Reader";

/// A row as NumPy would have it: one without dimensions is a scalar.
Value as_numpy(Tensor row) {
  row.origin = origin_of(row.dtype());
  row.numpy_scalar = row.dim() == 0 && row.origin == Origin::kNumpy;
  return row;
}

Value row_of(const Tensor& rows, std::int64_t i) {
  return as_numpy(rows.select(0, i));
}

/// Of data that lies in the file as it does in memory. Rows are copied (large
/// ones by pread): what was read is not this process's memory.
class StoredRows final : public Rows {
 public:
  StoredRows(std::unique_ptr<DataSet> set, std::size_t begin)
      : Rows(*set->shape(), set->dtype()),
        set_(std::move(set)),
        begin_(begin),
        bytes_(static_cast<std::size_t>(count_elements(shape()) / size()) *
               item_size(dtype())) {}
  Value row(std::int64_t i) const override {
    return as_numpy(
        set_->stored_row(begin_ + static_cast<std::size_t>(i) * bytes_));
  }

 private:
  std::unique_ptr<DataSet> set_;
  std::size_t begin_, bytes_;
};

/// Of data that is in memory.
class TensorRows final : public Rows {
 public:
  explicit TensorRows(Tensor tensor)
      : Rows(tensor.shape(), tensor.dtype()), tensor_(std::move(tensor)) {}
  Value row(std::int64_t i) const override { return row_of(tensor_, i); }

 private:
  Tensor tensor_;
};

/// Of chunks: those of the same rows are decoded together.
class BandRows final : public Rows {
 public:
  BandRows(std::unique_ptr<DataSet> set, DataSet::Chunks chunks,
           std::shared_ptr<BlockCache> cache)
      : Rows(*set->shape(), set->dtype()),
        set_(std::move(set)),
        chunks_(std::move(chunks)),
        cache_(std::move(cache)) {
    const auto bytes =
        static_cast<std::size_t>(count_elements(shape(), item_size(dtype())) *
                                 static_cast<std::int64_t>(item_size(dtype())));
    // What is decoded for one row alone is worth keeping only if it will still
    // be there at its next use.
    keep_ = block() > 1 || bytes <= cache_->limit();
  }
  std::int64_t block() const override { return chunks_.grid.chunk[0]; }
  Value row(std::int64_t i) const override {
    const std::int64_t band = i / block();
    auto decode = [this, band] { return set_->band(chunks_, band); };
    const Tensor rows = keep_ ? cache_->get(this, band, decode) : decode();
    return row_of(rows, i - band * block());
  }

 private:
  std::unique_ptr<DataSet> set_;
  DataSet::Chunks chunks_;
  std::shared_ptr<BlockCache> cache_;
  bool keep_ = true;
};

/// Elements of any length, by their references; these are read as rows are, and
/// kept as blocks are.
class HeapRows final : public Rows {
 public:
  HeapRows(std::unique_ptr<DataSet> set, GlobalHeap heap,
           std::optional<std::size_t> begin,
           std::optional<DataSet::Chunks> chunks,
           std::shared_ptr<BlockCache> cache)
      : Rows(*set->shape(), set->dtype()),
        set_(std::move(set)),
        heap_(std::move(heap)),
        begin_(begin),
        chunks_(std::move(chunks)),
        cache_(std::move(cache)) {}
  Value row(std::int64_t i) const override {
    const Tensor reference = reference_of(i);
    return set_->element(heap_, {reference.bytes(), reference.nbytes()});
  }

 private:
  Tensor reference_of(std::int64_t i) const {
    if (begin_)
      return set_->reference(*begin_ + static_cast<std::size_t>(i) *
                                           GlobalHeap::kReference);
    const std::int64_t rows = chunks_->grid.chunk[0];
    const std::int64_t band = i / rows;
    return cache_
        ->get(this, band, [&] { return set_->reference_band(*chunks_, band); })
        .select(0, i - band * rows);
  }

  std::unique_ptr<DataSet> set_;
  GlobalHeap heap_;
  std::optional<std::size_t> begin_;
  std::optional<DataSet::Chunks> chunks_;  // where not begin_
  std::shared_ptr<BlockCache> cache_;
};

/// Through the library, row by row: text of one length, filters that only it
/// has.
class LibraryRows final : public Rows {
 public:
  explicit LibraryRows(std::unique_ptr<DataSet> set)
      : Rows(*set->shape(), set->dtype()), set_(std::move(set)) {}
  Value row(std::int64_t i) const override {
    const Value one = set_->rows(i, 1);
    if (one.is_tensor()) return row_of(one.as_tensor(), 0);
    return one.as_list().items.at(0);
  }

 private:
  std::unique_ptr<DataSet> set_;
};

std::shared_ptr<Rows> rows_of(std::unique_ptr<DataSet> set,
                              const std::shared_ptr<BlockCache>& cache) {
  if (set->refers_to_heap()) {
    auto heap = GlobalHeap::of(set->file());
    const auto begin = set->references_at();
    auto chunks = set->reference_chunks();
    if (chunks && chunks->pipeline.empty()) set->check_unfiltered(chunks->grid);
    if (heap && (begin || chunks))
      return std::make_shared<HeapRows>(std::move(set), *std::move(heap), begin,
                                        std::move(chunks), cache);
  }
  if (set->varies()) return std::make_shared<LibraryRows>(std::move(set));
  if (count_elements(*set->shape()) == 0)
    return std::make_shared<TensorRows>(set->load());
  if (const auto begin = set->stored_at())
    return std::make_shared<StoredRows>(std::move(set), *begin);
  if (auto chunks = set->chunks()) {
    if (chunks->pipeline.empty()) set->check_unfiltered(chunks->grid);
    return std::make_shared<BandRows>(std::move(set), *std::move(chunks),
                                      cache);
  }
  // Compact data, or none that was ever written.
  constexpr std::int64_t kSmall = 1 << 16;
  if (count_elements(*set->shape(), item_size(set->dtype())) <= kSmall)
    return std::make_shared<TensorRows>(set->load());
  return std::make_shared<LibraryRows>(std::move(set));
}

class RowsReader {
 public:
  RowsReader(const std::filesystem::path& path, std::size_t cache_bytes)
      : file_(std::make_shared<OpenFile>(path, prefix(kReader, path))),
        links_(*file_),
        cache_(std::make_shared<BlockCache>(cache_bytes)) {}

  NamedRows read(const std::string& group,
                 const std::vector<std::string>& names) {
    const Object below = walk(nullptr, "", group);
    NamedRows out;
    std::string left_out;
    if (names.empty()) {
      for (const std::string& name : links_.names(below, group)) {
        if (name == kSkeletonName) continue;
        try {
          Object member = links_.open(below, name, group);
          if (auto rows = open(std::move(member), path_of(group, name)))
            out.emplace_back(name, std::move(rows));
        } catch (const NotHeld& error) {
          left_out = error.what();
          log::warning(left_out, "; it is left out: name the fields to read");
        }
      }
      if (out.empty() && !left_out.empty()) throw NotHeld(left_out);
      if (out.empty())
        throw Error(
            Kind::kKey,
            str(file_->prefix(), "no data set with rows in group '/", group,
                "'", listed(below, group), "; give the group that holds them"));
    }
    for (const std::string& name : names) {
      Object found = walk(&below, group, name);
      const std::string path = path_of(group, name);
      auto rows = open(std::move(found), path);
      if (!rows)
        malformed(file_->where("data set", path),
                  "is a group, or has no dimension to count samples along");
      out.emplace_back(name, std::move(rows));
    }
    return out;
  }

 private:
  static std::string path_of(const std::string& group,
                             const std::string& name) {
    return group.empty() ? name : str(group, "/", name);
  }

  /// The object at a/b/c below `from` (null: the root).
  Object walk(const Object* from, std::string at, const std::string& path) {
    Object found;
    if (!from) found = links_.root();
    std::istringstream parts(path);
    for (std::string part; std::getline(parts, part, '/');) {
      if (part.empty()) continue;
      const Object& group = from ? *from : found;
      if (group.kind != H5O_TYPE_GROUP || !links_.has(group, part))
        missing(group, at, part);
      Object next = links_.open(group, part, "/" + at);
      found = std::move(next);
      from = nullptr;
      at = path_of(at, part);
    }
    return found;
  }

  [[noreturn]] void missing(const Object& group, const std::string& at,
                            const std::string& name) {
    throw Error(Kind::kKey, str(file_->prefix(), "no data set '",
                                path_of(at, name), "'", listed(group, at)));
  }

  std::string listed(const Object& group, const std::string& at) {
    if (group.kind != H5O_TYPE_GROUP)
      return str("; '", at, "' is a data set, not a group");
    std::string out = at.empty() ? "; it has: " : str("; '", at, "' has: ");
    bool first = true;
    for (const std::string& name : links_.names(group, at)) {
      if (name == kSkeletonName) continue;
      out += (first ? "" : ", ") + name;
      first = false;
    }
    return first ? out + "nothing" : out;
  }

  /// Null for what has no rows.
  std::shared_ptr<Rows> open(Object object, const std::string& path) {
    if (object.kind != H5O_TYPE_DATASET) return nullptr;
    auto set = std::make_unique<DataSet>(file_, std::move(object.handle),
                                         file_->where("data set", "/" + path));
    if (!set->shape() || set->shape()->empty()) return nullptr;
    return rows_of(std::move(set), cache_);
  }

  std::shared_ptr<OpenFile> file_;
  Links links_;
  std::shared_ptr<BlockCache> cache_;
};

}  // namespace

NamedRows open_rows(const std::filesystem::path& path, const std::string& group,
                    const std::vector<std::string>& names,
                    std::size_t cache_bytes) {
  return RowsReader(path, cache_bytes).read(group, names);
}

}  // namespace ptutils::detail::hdf5
