#include "ptutils/formats/detail/safetensors.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <unordered_set>

#include "ptutils/formats/detail/codecs.h"
#include "ptutils/formats/detail/json_string.h"
#include "ptutils/formats/detail/not_held.h"
#include "ptutils/formats/detail/seal.h"
#include "ptutils/formats/detail/tensor_text.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/flatten.h"
#include "ptutils/formats/json_text.h"

// https://huggingface.co/docs/safetensors: u64 length of the header, a JSON
// header {name: {dtype, shape, data_offsets}}, the data without gaps.
namespace ptutils::detail {

namespace {

constexpr std::uint64_t kMaxHeader = 100'000'000;  // the reference's limit
constexpr std::size_t kDataAlignment = 64;
constexpr std::string_view kMetadata = "__metadata__";
constexpr std::string_view kOurs = "__ptutils_";  // begins names in it
constexpr std::int64_t kMaxComplexDims = 64;      // the parts take one more

// The reference's readers of old lack C64, and all lack C128: those are stored
// as pairs, and the skeleton says so.
constexpr std::pair<DType, std::string_view> kDTypes[] = {
    {DType::kBool, "BOOL"}, {DType::kU8, "U8"},     {DType::kU16, "U16"},
    {DType::kU32, "U32"},   {DType::kU64, "U64"},   {DType::kI8, "I8"},
    {DType::kI16, "I16"},   {DType::kI32, "I32"},   {DType::kI64, "I64"},
    {DType::kF16, "F16"},   {DType::kBF16, "BF16"}, {DType::kF32, "F32"},
    {DType::kF64, "F64"},   {DType::kC64, "C64"},
};

/// Empty for one that there is no tensor of (F8_E4M3 …).
std::optional<DType> parse_dtype_name(const Value& value, const Where& where) {
  if (!value.is_string())
    malformed(where(), "has the dtype ", value.repr(40), ", which is no text");
  for (const auto& [dtype, known] : kDTypes)
    if (known == value.as_string()) return dtype;
  return {};
}

[[noreturn]] void unknown_dtype(const std::string& where,
                                const std::string& dtype) {
  std::string known_names;
  for (const auto& [_, known] : kDTypes) known_names += str(" ", known);
  not_held(where, "has the dtype '", dtype.substr(0, 40), "'; known are",
           known_names);
}

/// A tensor's entry in the header, checked.
struct Entry {
  std::string name;
  DType dtype;
  Dims shape;
  std::size_t begin;
  std::size_t end;
  std::string foreign;  // the name of its dtype, where there is none here
};

const Value& field(const Dict& fields, std::string_view key,
                   const Where& where) {
  const Value* value = fields.find(key);
  if (!value) malformed(where(), "has no '", key, "'");
  return *value;
}

Dims integers(const Value& value, std::string_view what, const Where& where) {
  Dims out;
  if (!value.is_list()) malformed(where(), "has a ", what, " that is no list");
  for (const Value& item : value.as_list().items) {
    if (!item.is_int() || item.as_int() < 0)
      malformed(where(), "has ", item.repr(40), " in its ", what);
    out.push_back(item.as_int());
  }
  return out;
}

Entry parse_entry(const Key& key, const Value& value, std::size_t data_size,
                  const std::string& prefix) {
  Entry entry{};
  entry.name = to_string(key);
  const Where where = [&] {
    return str(prefix, "tensor '", entry.name, "': ");
  };
  if (!value.is_dict()) malformed(where(), "is not described by an object");
  const Dict& fields = value.as_dict();
  const Value& dtype = field(fields, "dtype", where);
  if (auto known = parse_dtype_name(dtype, where))
    entry.dtype = *known;
  else
    entry.foreign = dtype.as_string();
  entry.shape = integers(field(fields, "shape", where), "shape", where);
  const Dims offsets =
      integers(field(fields, "data_offsets", where), "data_offsets", where);
  if (offsets.size() != 2 || offsets[0] > offsets[1])
    malformed(where(), "has data_offsets that are not [begin, end]");
  entry.begin = static_cast<std::size_t>(offsets[0]);
  entry.end = static_cast<std::size_t>(offsets[1]);
  if (entry.end > data_size)
    malformed(where(), "ends at byte ", entry.end, " of the data, which has ",
              data_size, "; is the file truncated?");
  if (!entry.foreign.empty()) return entry;
  const std::size_t bytes = data_bytes(entry.shape, entry.dtype, where());
  if (entry.end - entry.begin != bytes)
    malformed(where(), "has ", entry.end - entry.begin,
              " bytes, its shape and dtype want ", bytes);
  return entry;
}

struct Header {
  std::vector<Entry> entries;
  Dict metadata;
};

/// Every byte of the data belongs to one tensor.
void check_cover(const std::vector<Entry>& entries, std::size_t data_size,
                 const std::string& prefix) {
  std::vector<const Entry*> order;
  for (const Entry& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  std::size_t at = 0;
  for (const Entry* entry : order) {
    if (entry->begin != at)
      malformed(prefix, "tensor '", entry->name, "' begins at byte ",
                entry->begin, " of the data, ",
                entry->begin < at ? "inside the one before it, which ends at "
                                  : "after a gap: the one before it ends at ",
                at);
    at = entry->end;
  }
  if (at != data_size)
    malformed(prefix, data_size - at, " bytes behind the last tensor");
}

std::uint64_t header_length(std::string_view bytes) {
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  return length;
}

/// The header's text.
std::string_view header_text(std::string_view bytes,
                             const std::string& prefix) {
  if (bytes.size() < 8)
    malformed(prefix, "truncated: ", bytes.size(), " bytes");
  const std::uint64_t length = header_length(bytes);
  if (length > kMaxHeader)
    malformed(prefix, "a header of ", length, " bytes; at most ", kMaxHeader,
              " are allowed");
  if (length > bytes.size() - 8)
    malformed(prefix, "truncated: a header of ", length, " bytes, ",
              bytes.size() - 8, " are there");
  return bytes.substr(8, length);
}

void check_metadata(const Dict& metadata, const std::string& prefix) {
  for (const auto& [key, value] : metadata)
    if (!value.is_string())
      malformed(prefix, "__metadata__ '", to_string(key), "' is no text");
    else if (looks_sealed(value.as_string()) && to_string(key) != kSkeletonName)
      malformed(prefix, "damaged: its skeleton has the name '", to_string(key),
                "'");
}

Header parse_header(std::string_view text, std::size_t data_size,
                    const std::string& prefix) {
  Value header = parse_json(text, prefix + "header: ", 4);
  if (!header.is_dict()) malformed(prefix, "the header is no object");
  Header out;
  for (auto& [key, value] : header.as_dict())
    if (to_string(key) != kMetadata)
      out.entries.push_back(parse_entry(key, value, data_size, prefix));
    else if (value.is_dict())
      out.metadata = std::move(value.as_dict());
    else
      malformed(prefix, "__metadata__ is no object");
  return out;
}

/// The same from simdjson's tape, without a Value an entry: nothing where all
/// is not as it should be, which parse_header then says.
class HeaderReader {
 public:
  explicit HeaderReader(std::size_t data_size) : data_size_(data_size) {}

  std::optional<Header> operator()(std::string_view text) {
    simdjson::dom::parser parser;
    simdjson::dom::object header;
    if (text.find('\0') != text.npos ||
        parser.parse(text.data(), text.size()).get(header))
      return {};
    Header out;
    out.entries.reserve(header.size());
    std::unordered_set<std::string_view> names(header.size());
    for (const auto [key, value] : header) {
      if (key == kMetadata) {
        if (!out.metadata.empty() || !read(value, out.metadata)) return {};
        continue;
      }
      Entry entry{std::string(key), {}, {}, {}, {}, {}};
      if (!names.insert(key).second || !read(value, entry)) return {};
      out.entries.push_back(std::move(entry));
    }
    return out;
  }

 private:
  static bool read(simdjson::dom::element element, Dict& out) {
    simdjson::dom::object object;
    if (element.get(object)) return false;
    for (const auto [key, value] : object) {
      std::string_view text;
      if (value.get(text) || out.contains(key)) return false;
      out.set(std::string(key), text);
    }
    return true;
  }

  bool read(simdjson::dom::element element, Entry& entry) const {
    simdjson::dom::object object;
    if (element.get(object)) return false;
    int dtypes = 0;
    int shapes = 0;
    int offsets = 0;
    for (const auto [key, value] : object) {
      if (key == "dtype" && read(value, entry.dtype))
        ++dtypes;
      else if (key == "shape" && read(value, entry.shape))
        ++shapes;
      else if (key == "data_offsets" && read_offsets(value, entry))
        ++offsets;
      else
        return false;
    }
    return dtypes == 1 && shapes == 1 && offsets == 1 && fits(entry);
  }

  static bool read(simdjson::dom::element element, DType& out) {
    std::string_view text;
    if (element.get(text)) return false;
    for (const auto& [dtype, known] : kDTypes)
      if (known == text) {
        out = dtype;
        return true;
      }
    return false;
  }

  static bool read(simdjson::dom::element element, Dims& out) {
    simdjson::dom::array array;
    if (element.get(array)) return false;
    out.reserve(array.size());
    for (simdjson::dom::element item : array) {
      std::int64_t size = 0;
      if (item.get(size) || size < 0) return false;
      out.push_back(size);
    }
    return true;
  }

  static bool read_offsets(simdjson::dom::element element, Entry& entry) {
    Dims offsets;
    if (!read(element, offsets) || offsets.size() != 2) return false;
    entry.begin = static_cast<std::size_t>(offsets[0]);
    entry.end = static_cast<std::size_t>(offsets[1]);
    return true;
  }

  bool fits(const Entry& entry) const {
    if (entry.begin > entry.end || entry.end > data_size_) return false;
    std::uint64_t bytes = item_size(entry.dtype);
    for (std::int64_t size : entry.shape)
      if (size == 0 || __builtin_mul_overflow(
                           bytes, static_cast<std::uint64_t>(size), &bytes))
        return false;
    return entry.shape.size() <= 8 && entry.end - entry.begin == bytes;
  }

  std::size_t data_size_;
};

Header read_header(std::string_view text, std::size_t data_size,
                   const std::string& prefix) {
  std::optional<Header> plain = HeaderReader(data_size)(text);
  Header out =
      plain ? std::move(*plain) : parse_header(text, data_size, prefix);
  check_metadata(out.metadata, prefix);
  return out;
}

/// Large items first: then each begins at a multiple of its item size.
std::vector<std::size_t> storage_order(NamedTensors tensors) {
  std::vector<std::size_t> order(tensors.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) {
                     return item_size(tensors[a].second.dtype()) >
                            item_size(tensors[b].second.dtype());
                   });
  return order;
}

void append_entry(std::string& out, const std::string& tensor_name,
                  const Tensor& tensor, std::size_t begin) {
  const bool pairs = is_complex(tensor.dtype());
  const DType stored = tensor.dtype() == DType::kC64    ? DType::kF32
                       : tensor.dtype() == DType::kC128 ? DType::kF64
                                                        : tensor.dtype();
  append_json_string(out, tensor_name);
  out += R"(:{"dtype":")";
  for (const auto& [dtype, known] : kDTypes)
    if (dtype == stored) out += known;
  out += R"(","shape":[)";
  for (std::size_t d = 0; d < tensor.shape().size(); ++d) {
    if (d > 0) out += ',';
    append(out, tensor.shape()[d]);
  }
  if (pairs) out += tensor.dim() > 0 ? ",2" : "2";
  out += R"(],"data_offsets":[)";
  append(out, begin);
  out += ',';
  append(out, begin + tensor.nbytes());
  out += "]}";
}

class SafetensorsCodec : public Codec {
 public:
  std::string name() const override { return "safetensors"; }
  std::vector<std::string> suffixes() const override {
    return {".safetensors"};
  }
  bool recognises(std::string_view head, std::size_t size) const override {
    if (head.size() < 10 || head[8] != '{') return false;
    const std::uint64_t length = header_length(head);
    return length <= kMaxHeader && length <= size - 8;
  }

  std::vector<std::string> options() const override { return {"metadata"}; }

  Value read(const std::filesystem::path& path,
             const ReadOptions& options) const override {
    const std::string where = prefix("safetensors", path);
    return value_of(read_safetensors(path, where, options.lazy), where,
                    options.verify);
  }

  Dict metadata(const std::filesystem::path& path) const override {
    return safetensors_metadata(path, prefix("safetensors", path));
  }

  void write(const std::filesystem::path& path, const Value& value,
             const WriteOptions& options) const override {
    const std::string where = prefix("safetensors", path);
    const Flat flat = flatten(value, where);
    Dict metadata = metadata_option(options, where);
    // The sums are made while the data is written, and filled in then.
    PendingSums sums(flat);
    metadata.set(std::string(kSkeletonName), sealed(flat, sums.now()));
    FileWriter file(path, options.durable);
    write_safetensors(file, flat.tensors, metadata, where);
    if (sums.late()) {
      metadata.set(std::string(kSkeletonName), sealed(flat, sums.get()));
      file.patch(sizeof(std::uint64_t),
                 safetensors_header(flat.tensors, metadata));
    }
    file.commit();
  }
};

}  // namespace

TensorSet read_safetensors(const std::filesystem::path& path,
                           const std::string& prefix, bool lazy) {
  const auto storage = map_file(path);
  const std::string_view text = header_text(text_of(*storage), prefix);
  const std::size_t data_offset = sizeof(std::uint64_t) + text.size();
  const std::size_t data_size = storage->bytes() - data_offset;
  auto [entries, metadata] = read_header(text, data_size, prefix);
  TensorSet set;
  if (const Value* skeleton = metadata.find(kSkeletonName)) {
    set.has_skeleton = true;
    set.skeleton = skeleton->as_string();
  }
  check_cover(entries, data_size, prefix);
  for (Entry& entry : entries) {
    if (!entry.foreign.empty()) {
      set.members.emplace_back(
          entry.name, held_or_deferred(lazy, [&]() -> Value {
            unknown_dtype(str(prefix, "tensor '", entry.name, "': "),
                          entry.foreign);
          }));
      continue;
    }
    std::string place;  // only bools are looked at
    if (entry.dtype == DType::kBool)
      place = str(prefix, "tensor '", entry.name, "': ");
    Tensor tensor = tensor_at(storage, entry.dtype, std::move(entry.shape),
                              data_offset + entry.begin, place);
    const bool native = entry.dtype == DType::kBF16;
    tensor.origin = native ? Origin::kNative : Origin::kNumpy;
    set.members.emplace_back(std::move(entry.name), std::move(tensor));
  }
  return set;
}

Dict safetensors_metadata(const std::filesystem::path& path,
                          const std::string& prefix, bool ours) {
  const auto storage = map_file(path);
  const std::string_view text = header_text(text_of(*storage), prefix);
  const std::size_t data_size =
      storage->bytes() - sizeof(std::uint64_t) - text.size();
  Dict out;
  for (const auto& [key, value] : read_header(text, data_size, prefix).metadata)
    if (ours || !to_string(key).starts_with(kOurs)) out.set(key, value);
  return out;
}

Dict metadata_option(const WriteOptions& options, const std::string& prefix) {
  const Value* given = options.format.find("metadata");
  if (!given) return {};
  if (!given->is_dict())
    refuse(prefix, "metadata is a dict of text, not a ", given->type_name());
  for (const auto& [key, value] : given->as_dict()) {
    const std::string* name = std::get_if<std::string>(&key);
    if (!name || !value.is_string())
      refuse(prefix, "metadata '", to_string(key), "' is a ", value.type_name(),
             "; names and values are text: str(...)");
    if (name->starts_with(kOurs))
      refuse(prefix, "metadata '", *name, "': names that begin with ", kOurs,
             " are ours");
  }
  return given->as_dict();
}

std::string safetensors_header(NamedTensors tensors, const Dict& metadata) {
  std::vector<std::size_t> begins(tensors.size());
  std::size_t at = 0;
  for (std::size_t i : storage_order(tensors)) {
    begins[i] = at;
    at += tensors[i].second.nbytes();
  }
  std::string out = R"({"__metadata__":{)";
  for (const auto& [key, value] : metadata) {
    if (out.back() != '{') out += ',';
    append_json_string(out, to_string(key));
    out += ':';
    append_json_string(out, value.as_string());
  }
  out += '}';
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    out += ',';
    append_entry(out, tensors[i].first, tensors[i].second, begins[i]);
  }
  out += '}';
  out.append(
      (kDataAlignment - (8 + out.size()) % kDataAlignment) % kDataAlignment,
      ' ');
  return out;
}

void write_safetensors(FileWriter& file, NamedTensors tensors,
                       const Dict& metadata, const std::string& prefix) {
  for (const auto& [name, tensor] : tensors)
    if (is_complex(tensor.dtype()) && tensor.dim() >= kMaxComplexDims)
      refuse(prefix, "'", name, "': a complex tensor of ", tensor.dim(),
             " dimensions; save it as .npz");
  const std::string header = safetensors_header(tensors, metadata);
  if (header.size() > kMaxHeader)
    refuse(prefix, "the names and values take a header of ", header.size(),
           " bytes, the format allows ", kMaxHeader, "; save it as .npz");
  const std::uint64_t length = header.size();
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (std::size_t i : storage_order(tensors)) file.write(tensors[i].second);
}

std::shared_ptr<Codec> safetensors_codec() {
  return std::make_shared<SafetensorsCodec>();
}

}  // namespace ptutils::detail
