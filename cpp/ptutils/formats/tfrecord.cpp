#include "ptutils/formats/detail/tfrecord.h"

#include <optional>

#include "ptutils/common/hash.h"
#include "ptutils/formats/detail/codecs.h"
#include "ptutils/formats/detail/tensor_io.h"
#include "ptutils/formats/detail/tensor_set.h"
#include "ptutils/formats/detail/tensor_text.h"
#include "ptutils/formats/detail/text_coding.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/flatten.h"
#include "ptutils/formats/tf_example.h"

// A TFRecord file of ours holds tf.train.Examples: the skeleton first, then
// {name, dtype, shape, data} of each tensor.
namespace ptutils::detail {

namespace {

constexpr std::uint64_t kMaxExample = (std::uint64_t{1} << 31) - (1 << 20);

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

/// A record: its text, where in the file.
struct Framed {
  std::size_t begin = 0;
  std::string_view text;
};

std::vector<Framed> split(std::string_view file, const std::string& prefix) {
  std::vector<Framed> out;
  if (file.empty()) malformed(prefix, "truncated: it has no record");
  for (std::size_t at = 0; at < file.size();) {
    const std::string_view record = record_bytes(file.substr(at), [&] {
      return str(prefix, "record ", out.size(), ": ");
    });
    out.push_back({at + kRecordHead, record});
    at += kRecordHead + record.size() + kRecordFoot;
  }
  return out;
}

/// The values of a feature as others use them: bytes in a list, numbers in an
/// array of one dimension.
Value value_of_feature(const TfFeature& feature) {
  if (const auto* bytes = std::get_if<0>(&feature)) {
    List out;
    for (std::string_view item : *bytes)
      out.items.push_back(Bytes{std::string(item)});
    return out;
  }
  auto array = [](const auto& items) {
    Tensor out = Tensor::from(std::span(items),
                              {static_cast<std::int64_t>(items.size())});
    out.origin = Origin::kNumpy;
    return out;
  };
  if (const auto* floats = std::get_if<1>(&feature)) return array(*floats);
  return array(std::get<2>(feature));
}

std::string feature_name(std::string_view name, const std::string& where) {
  std::string out(name);
  if (!valid_utf8(out)) malformed(where, "a feature's name is not UTF-8");
  return out;
}

Value foreign(const std::vector<Framed>& records, const std::string& prefix) {
  List out;
  for (const Framed& record : records) {
    const std::string where = str(prefix, "record ", out.items.size(), ": ");
    Dict example;
    for (const auto& [name, feature] : parse_example(record.text, where))
      example.set(feature_name(name, where), value_of_feature(feature));
    out.items.push_back(std::move(example));
  }
  return out;
}

const TfFeature& feature_of(const TfExample& example, std::string_view name,
                            const std::string& where) {
  for (const auto& [known, feature] : example)
    if (known == name) return feature;
  malformed(where, "has no feature '", name, "'");
}

std::string_view one_text(const TfExample& example, std::string_view name,
                          const std::string& where) {
  const auto* list = std::get_if<0>(&feature_of(example, name, where));
  if (!list || list->size() != 1)
    malformed(where, "'", name, "' is not one value of bytes");
  return list->front();
}

std::pair<std::string, Value> read_tensor(
    const std::shared_ptr<Storage>& storage, const Framed& record,
    const std::string& where) {
  const TfExample example = parse_example(record.text, where);
  const DType dtype = parse_stored_dtype(one_text(example, "dtype", where),
                                         [&] { return where; });
  const auto* sizes = std::get_if<2>(&feature_of(example, "shape", where));
  const std::string_view data = one_text(example, "data", where);
  Dims shape;
  if (sizes) shape.assign(sizes->begin(), sizes->end());
  const std::size_t bytes = data_bytes(shape, dtype, where);
  if (bytes != data.size())
    malformed(where, "has ", data.size(), " bytes of data, its shape ", bytes);
  const auto offset =
      static_cast<std::size_t>(data.data() - text_of(*storage).data());
  Tensor tensor = tensor_at(storage, dtype, std::move(shape),
                            bytes > 0 ? offset : 0, where);
  tensor.origin = Origin::kNumpy;
  return {std::string(one_text(example, "name", where)), std::move(tensor)};
}

std::optional<std::string> skeleton_in(const std::vector<Framed>& records,
                                       const std::string& prefix) {
  if (records.empty()) return {};
  const TfExample first = parse_example(records[0].text, prefix + "record 0: ");
  if (first.size() != 1 || first[0].first != kSkeletonName) return {};
  return std::string(one_text(first, kSkeletonName, prefix));
}

/// One record whose last bytes are a tensor's.
void write_record(FileWriter& file, std::string_view text,
                  const Tensor* tail = nullptr) {
  const std::uint64_t length = text.size() + (tail ? tail->nbytes() : 0);
  const auto length_bytes = std::as_bytes(std::span(&length, 1));
  const std::uint32_t head = masked(crc32c(length_bytes));
  file.write(length_bytes);
  file.write(std::as_bytes(std::span(&head, 1)));
  file.write(text);
  std::uint32_t crc = crc32c(bytes_of(text));
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  if (tail)
    for_each_block(*tail, [&](std::span<const std::byte> block) {
      while (!block.empty()) {  // while a piece is in the cache
        const auto piece = block.first(std::min(kPiece, block.size()));
        crc = crc32c(piece, crc);
        file.write(piece);
        block = block.subspan(piece.size());
      }
    });
  crc = masked(crc);
  file.write(std::as_bytes(std::span(&crc, 1)));
}

class TfrecordCodec : public Codec {
 public:
  std::string name() const override { return "tfrecord"; }
  std::vector<std::string> suffixes() const override {
    return {".tfrecord", ".tfrecords"};
  }
  bool recognises(std::string_view head, std::size_t size) const override {
    constexpr std::size_t kFrame = kRecordHead + kRecordFoot;
    if (head.size() < kFrame) return false;
    return number_at<std::uint64_t>(head) <= size - kFrame &&
           number_at<std::uint32_t>(head.substr(8)) ==
               masked_crc(head.substr(0, 8));
  }

  Value read(const std::filesystem::path& path,
             const ReadOptions& options) const override {
    const std::string where = prefix("tfrecord", path);
    const auto storage = map_file(path);
    const auto records = split(text_of(*storage), where);
    note_checksums_compared();
    auto skeleton = skeleton_in(records, where);
    if (!skeleton) return foreign(records, where);
    TensorSet set;
    set.has_skeleton = true;
    set.skeleton = std::move(*skeleton);
    for (std::size_t i = 1; i < records.size(); ++i)
      set.members.push_back(
          read_tensor(storage, records[i], str(where, "record ", i, ": ")));
    return value_of(std::move(set), where, options.verify);
  }

  void write(const std::filesystem::path& path, const Value& value,
             const WriteOptions& options) const override {
    const std::string where = prefix("tfrecord", path);
    const Flat flat = flatten(value, where);
    for (const auto& [tensor_name, tensor] : flat.tensors)
      if (tensor.nbytes() > kMaxExample)
        refuse(where, "'", tensor_name, "': a tensor of ", tensor.nbytes(),
               " bytes; an Example holds 2 GB; save it as .safetensors");
    FileWriter file(path, options.durable);
    const std::string seal = sealed(flat);
    write_record(file,
                 serialize_example(
                     {{kSkeletonName, std::vector<std::string_view>{seal}}}));
    for (const auto& [tensor_name, tensor] : flat.tensors) {
      const std::vector<std::int64_t> shape(tensor.shape().begin(),
                                            tensor.shape().end());
      const TfExample example = {
          {"name", std::vector<std::string_view>{tensor_name}},
          {"dtype",
           std::vector<std::string_view>{ptutils::name(tensor.dtype())}},
          {"shape", shape}};
      write_record(file, serialize_example(example, "data", tensor.nbytes()),
                   &tensor);
    }
    file.commit();
  }
};

}  // namespace

std::shared_ptr<Codec> tfrecord_codec() {
  return std::make_shared<TfrecordCodec>();
}

}  // namespace ptutils::detail
