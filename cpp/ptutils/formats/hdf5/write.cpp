#include <memory>

#include "ptutils/common/thread_pool.h"
#include "ptutils/formats/detail/hdf5/attributes.h"
#include "ptutils/formats/detail/hdf5/new_file.h"
#include "ptutils/formats/detail/hdf5/tree.h"
#include "ptutils/formats/detail/seal.h"
#include "ptutils/formats/detail/tensor_io.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/flatten.h"

namespace ptutils::detail::hdf5 {

namespace {

constexpr std::size_t kPackedFrom = 512;            // bytes of a tensor
constexpr std::size_t kLargestChunk = 0xFFFF'FFFF;  // the format's

/// A tensor's place in the file.
struct Placed {
  const Tensor* tensor;
  std::size_t offset;
};

/// What the user chose of data sets.
struct Layout {
  explicit Layout(const WriteOptions& options, const std::string& prefix) {
    if (const Value* given = options.format.find("compress"))
      compress = given->as_bool("compress");
    const Value* given = options.format.find("chunks");
    if (!given || given->is_null()) return;
    if (!given->is_int() || given->as_int() < 1)
      throw Error(Kind::kValue,
                  str(prefix,
                      "chunks is how many rows (of the first dimension) lie "
                      "together, at least 1, not ",
                      given->repr(40)));
    rows = given->as_int();
  }

  bool in_chunks(const Tensor& tensor) const {
    return tensor.dim() > 0 && tensor.nbytes() > 0 &&
           (rows > 0 || (compress && tensor.nbytes() >= kPackedFrom));
  }

  Grid grid(const Tensor& tensor) const {
    const std::size_t item = item_size(tensor.dtype());
    return rows > 0 ? grid_of_rows(tensor.shape(), item, rows)
                    : grid_for(tensor.shape(), item);
  }

  bool compress = false;
  std::int64_t rows = 0;  // of a chunk; 0: as many as are good
};

/// Makes chunks by many threads, a few of them at a time.
class Packer {
 public:
  Packer(NewFile& file, const Layout& layout, std::string_view prefix)
      : file_(file),
        layout_(layout),
        prefix_(prefix),
        window_(2 * static_cast<std::size_t>(thread_budget())) {}

  void add(const std::string& link, const Tensor& tensor) {
    const Grid grid = layout_.grid(tensor);
    if (grid.chunk_bytes() > kLargestChunk)
      refuse(prefix_, "'", link, "': ", layout_.rows, " rows are ",
             grid.chunk_bytes(), " bytes, a chunk has at most ", kLargestChunk,
             "; give fewer, chunks=",
             std::max<std::int64_t>(
                 1, layout_.rows * static_cast<std::int64_t>(
                                       kLargestChunk / grid.chunk_bytes())));
    auto set = std::make_shared<Handle>(
        file_.add_chunked(link, tensor.dtype(), grid, layout_.compress));
    for (std::int64_t i = 0; i < grid.count(); ++i) {
      jobs_.push_back({set, &tensor, grid, grid.origin(i), {}});
      if (jobs_.size() == window_) flush();
    }
  }

  void flush() {
    parallel_for(static_cast<std::int64_t>(jobs_.size()), 1,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i)
                     pack(jobs_[static_cast<std::size_t>(i)]);
                 });
    for (const Job& job : jobs_)
      file_.write_chunk(*job.set, job.origin, job.packed);
    file_.check_written();
    jobs_.clear();
  }

 private:
  struct Job {
    std::shared_ptr<Handle> set;
    const Tensor* tensor;
    Grid grid;
    Dims origin;
    ByteBuffer packed;
  };

  void pack(Job& job) const {
    Tensor part = *job.tensor;
    const auto rank = static_cast<std::int64_t>(job.origin.size());
    for (std::int64_t d = 0; d < rank; ++d) {
      const auto i = static_cast<std::size_t>(d);
      part = part.slice(d, job.origin[i], job.origin[i] + job.grid.chunk[i]);
    }
    part = part.to_contiguous();
    const std::span bytes(part.bytes(), part.nbytes());
    if (layout_.compress && bytes.size() == job.grid.chunk_bytes()) {
      job.packed = packed(bytes, job.grid.item);
      return;
    }
    // Only the dimension that is cut has an edge, and those before it are of
    // one: the rest is behind.
    ByteBuffer whole(job.grid.chunk_bytes());
    std::copy(bytes.begin(), bytes.end(), whole.begin());
    job.packed =
        layout_.compress ? packed(whole, job.grid.item) : std::move(whole);
  }

  NewFile& file_;
  const Layout& layout_;
  std::string prefix_;
  std::size_t window_;
  std::vector<Job> jobs_;
};

bool plain_part(std::string_view name) {
  return !name.empty() &&
         name.find_first_of(std::string_view("./\\\0", 4)) == name.npos;
}

/// The "__attributes__" of dicts as attributes of groups and data sets.
void add_attributes(NewFile& file, const Value& value, const std::string& link,
                    const std::string& prefix) {
  if (!value.is_dict()) return;
  for (const auto& [key, inner] : value.as_dict()) {
    const auto* name = std::get_if<std::string>(&key);
    if (!name || !inner.is_dict() || !plain_part(*name)) continue;
    const std::string below = link.empty() ? *name : str(link, "/", *name);
    if (*name != kAttributesName) {
      add_attributes(file, inner, below, prefix);
      continue;
    }
    for (const auto& [of, attributes] : inner.as_dict()) {
      const std::string whose = to_string(of);
      const bool own = whose == kOwnAttributes;
      if (!attributes.is_dict() || !(own || plain_part(whose))) continue;
      const std::string at = own            ? link
                             : link.empty() ? whose
                                            : str(link, "/", whose);
      const Handle object = file.object(at);
      if (object) write_attributes(object.get(), attributes.as_dict(), prefix);
    }
  }
}

class Writer {
 public:
  Writer(const std::filesystem::path& path, const Value& value,
         const WriteOptions& options)
      : prefix_(detail::prefix("hdf5", path)),
        flat_(flatten(value, prefix_)),
        layout_(options, prefix_) {
    for (const auto& [name, tensor] : flat_.tensors)
      if (tensor.dim() > H5S_MAX_RANK)
        refuse(prefix_, "'", name, "': a tensor of ", tensor.dim(),
               " dimensions, the format allows ", H5S_MAX_RANK,
               "; save it as .npz");
  }

  void write(AtomicFile& file, const Value& value) {
    PendingSums sums(flat_);
    const std::size_t skeleton = lay_out(file, value, sums.now());
    for (const Placed& placed : placed_) {
      std::size_t at = placed.offset;
      for_each_block(*placed.tensor, [&](auto block) {
        file.write_at(at, block);
        at += block.size();
      });
    }
    const std::string text = sealed(flat_, sums.get());
    file.write_at(skeleton, std::as_bytes(std::span(text)));
  }

 private:
  /// Everything but the elements; where the skeleton goes.
  std::size_t lay_out(AtomicFile& file, const Value& value,
                      const Checksums& sums) {
    NewFile made(file, prefix_);
    try {
      const auto length = static_cast<std::int64_t>(sealed(flat_, sums).size());
      const std::size_t skeleton =
          made.add(std::string(kSkeletonName), DType::kU8, {length});
      add_tensors(made);
      add_attributes(made, value, "", prefix_);
      made.finish();
      return skeleton;
    } catch (const Error&) {
      made.check_written();  // the first cause
      throw;
    }
  }

  void add_tensors(NewFile& file) {
    std::unordered_set<std::string> names;
    for (const auto& [name, _] : flat_.tensors) names.insert(name);
    Packer packer(file, layout_, prefix_);
    for (const auto& [name, tensor] : flat_.tensors) {
      const std::string link = NewFile::link_of(name, names);
      if (layout_.in_chunks(tensor)) {
        packer.add(link, tensor);
        continue;
      }
      const std::size_t offset = file.add(link, tensor.dtype(), tensor.shape());
      if (tensor.nbytes() > 0) placed_.push_back({&tensor, offset});
      file.check_written();
    }
    packer.flush();
  }

  std::string prefix_;
  Flat flat_;
  Layout layout_;
  std::vector<Placed> placed_;
};

}  // namespace

void write_file(const std::filesystem::path& path, const Value& value,
                const WriteOptions& options) {
  Writer writer(path, value, options);
  AtomicFile file(path, options.durable);
  writer.write(file, value);
  file.commit();
}

}  // namespace ptutils::detail::hdf5
