#include "ptutils/formats/detail/codecs.h"
#include "ptutils/formats/detail/npy_format.h"
#include "ptutils/formats/detail/tensor_io.h"
#include "ptutils/formats/detail/tensor_set.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/flatten.h"

namespace ptutils::detail {

namespace {

/// One array. What NumPy's header lacks (origin, bf16, checksum) follows the
/// data, where np.load does not look: "__ptutils__" and the skeleton.
class NpyCodec : public Codec {
 public:
  std::string name() const override { return "npy"; }
  std::vector<std::string> suffixes() const override { return {".npy"}; }
  bool recognises(std::string_view head, std::size_t) const override {
    return is_npy(head);
  }

  Value read(const std::filesystem::path& path,
             const ReadOptions& options) const override {
    const std::string where = prefix("npy", path);
    const auto storage = map_file(path);
    const std::string_view bytes = text_of(*storage);
    const NpyHeader header = parse_npy(bytes, where);
    TensorSet set;
    set.members.emplace_back("value", npy_tensor(storage, 0, header, where));
    std::string_view block =
        bytes.substr(header.data_offset + header.data_bytes);
    if (!header.marked) {
      if (options.verify && block.find(kSkeletonName) != block.npos)
        malformed(where, "damaged: a '", kSkeletonName,
                  "' block that the header does not announce");
      return set.members[0].second;
    }
    if (!block.starts_with(kSkeletonName))
      malformed(where, "truncated: no '", kSkeletonName,
                "' block after the data, which the header announces");
    block.remove_prefix(kSkeletonName.size());
    set.has_skeleton = true;
    set.skeleton = block;
    Value value = value_of(std::move(set), where, options.verify);
    if (!value.is_tensor()) malformed(where, "the block is not of a tensor");
    return value;
  }

  void write(const std::filesystem::path& path, const Value& value,
             const WriteOptions& options) const override {
    const std::string where = prefix("npy", path);
    if (!value.is_tensor())
      refuse(where, "a .npy file holds one array, not a ", value.type_name(),
             "; save it as .npz");
    const Tensor& tensor = value.as_tensor();
    const Flat flat = flatten(value, where);
    FileWriter file(path, options.durable);
    file.write(npy_header(tensor.dtype(), tensor.shape(), true));
    file.write(tensor);
    file.write(kSkeletonName);
    file.write(sealed(flat));
    file.commit();
  }
};

}  // namespace

std::shared_ptr<Codec> npy_codec() { return std::make_shared<NpyCodec>(); }

}  // namespace ptutils::detail
