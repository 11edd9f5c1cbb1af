#include <exception>
#include <map>

#include "ptutils/formats/detail/hdf5/attributes.h"
#include "ptutils/formats/detail/hdf5/data_set.h"
#include "ptutils/formats/detail/hdf5/links.h"
#include "ptutils/formats/detail/hdf5/tree.h"
#include "ptutils/formats/detail/not_held.h"
#include "ptutils/formats/detail/tensor_set.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/flatten.h"

namespace ptutils::detail::hdf5 {

namespace {

constexpr std::size_t kMaxGroups = 500;  // inside each other, as kMaxDepth
// Links take bytes of the file; more are met only where groups are in several
// others, which may double their number at every level.
constexpr std::size_t kBytesOfLink = 8;
constexpr std::size_t kAlwaysVisited = 10'000;

/// Walks the groups of a file.
class Reader {
 public:
  Reader(std::shared_ptr<OpenFile> file, const ReadOptions& options)
      : file_(std::move(file)), links_(*file_), options_(options) {}

  Value read() {
    const Object root = links_.root();
    const std::string skeleton(kSkeletonName);
    if (!links_.has(root, skeleton)) return group(root, "/");
    take_skeleton(links_.open(root, skeleton, "/"));
    gather(root, "/", "");
    return value_of(std::move(set_), file_->prefix(), options_.verify);
  }

 private:
  /// A group on the way from the root, no deeper than it may be, and once.
  class Entered {
   public:
    Entered(Reader& reader, const Object& group, const std::string& path)
        : way_(reader.way_) {
      for (haddr_t above : way_)
        if (above == group.address)
          malformed(reader.file_->where("group", path),
                    "is a link to a group that it is in, so that it has no "
                    "end; delete the link with h5py (del file[...])");
      if (way_.size() > kMaxGroups)
        malformed(reader.file_->where("group", path),
                  "groups inside groups, deeper than ", kMaxGroups);
      way_.push_back(group.address);
    }
    ~Entered() { way_.pop_back(); }
    Entered(const Entered&) = delete;
    Entered& operator=(const Entered&) = delete;

   private:
    std::vector<haddr_t>& way_;
  };

  /// A group of another program's file.
  Value group(const Object& object, const std::string& path) {
    const Entered entered(*this, object, path);
    Dict out;
    Dict attributes;
    Dict own = read_attributes(*file_, object.handle.get(), path);
    if (!own.empty())
      attributes.set(std::string(kOwnAttributes), std::move(own));
    for (const std::string& name : names(object, path)) {
      const std::string full = below(path, name);
      Object member = links_.open(object, name, path);
      if (member.kind == H5O_TYPE_GROUP) {
        out.set(name, group(member, full));
      } else if (member.kind == H5O_TYPE_DATASET) {
        Dict its = read_attributes(*file_, member.handle.get(), full);
        if (!its.empty()) attributes.set(name, std::move(its));
        out.set(name, data_set(std::move(member), full));
      }  // a named type has no data
    }
    if (attributes.empty()) return out;
    if (out.contains(kAttributesName))
      malformed(file_->where("group", path), "has attributes, and a member '",
                kAttributesName,
                "', which is what they are read as; rename it "
                "with h5py");
    out.set(std::string(kAttributesName), std::move(attributes));
    return out;
  }

  /// The tensors of a file of ours, by their flat names.
  void gather(const Object& object, const std::string& path,
              const std::string& flat) {
    const Entered entered(*this, object, path);
    for (const std::string& name : names(object, path)) {
      if (flat.empty() && name == kSkeletonName) continue;
      const std::string full = below(path, name);
      Object member = links_.open(object, name, path);
      const std::string flat_name =
          flat.empty() ? flat_of_link(name) : str(flat, ".", name);
      if (member.kind == H5O_TYPE_GROUP)
        gather(member, full, flat_name);
      else if (member.kind == H5O_TYPE_DATASET)
        set_.members.emplace_back(flat_name, data_set(std::move(member), full));
    }
  }

  std::vector<std::string> names(const Object& group, const std::string& path) {
    auto out = links_.names(group, path);
    count_ += out.size();
    const std::size_t limit = kAlwaysVisited + file_->size() / kBytesOfLink;
    if (count_ > limit)
      malformed(file_->where("group", path), "the file leads to more than ",
                limit, " groups and data sets, the same ones over and over");
    return out;
  }

  /// What several links lead to is one tensor.
  Value data_set(Object object, const std::string& path) {
    auto [known, fresh] = data_sets_.try_emplace(object.address);
    if (fresh)
      known->second = held_or_deferred(options_.lazy, [&] {
        return DataSet(file_, std::move(object.handle),
                       file_->where("data set", path))
            .value(options_.lazy);
      });
    return known->second;
  }

  void take_skeleton(Object object) {
    const std::string where = file_->where("data set", kSkeletonName);
    Value text;
    if (object.kind == H5O_TYPE_DATASET)
      text = DataSet(file_, std::move(object.handle), where).value(false);
    if (!text.is_tensor() || text.as_tensor().dtype() != DType::kU8 ||
        text.as_tensor().dim() != 1)
      malformed(where, "is no skeleton");
    const Tensor& bytes = text.as_tensor();
    set_.has_skeleton = true;
    set_.skeleton.assign(reinterpret_cast<const char*>(bytes.bytes()),
                         bytes.nbytes());
  }

  static std::string below(const std::string& path, const std::string& name) {
    return path == "/" ? "/" + name : str(path, "/", name);
  }

  std::shared_ptr<OpenFile> file_;
  Links links_;
  ReadOptions options_;
  TensorSet set_;
  std::vector<haddr_t> way_;  // the groups from the root to here
  std::map<haddr_t, Value> data_sets_;
  std::size_t count_ = 0;
};

}  // namespace

Value read_file(const std::filesystem::path& path, const ReadOptions& options) {
  auto file = std::make_shared<OpenFile>(path, prefix("hdf5", path));
  return Reader(std::move(file), options).read();
}

}  // namespace ptutils::detail::hdf5
