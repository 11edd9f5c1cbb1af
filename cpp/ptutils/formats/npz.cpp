#include "ptutils/formats/detail/npz.h"

#include <algorithm>

#include "ptutils/common/thread_pool.h"
#include "ptutils/formats/detail/codecs.h"
#include "ptutils/formats/detail/not_held.h"
#include "ptutils/formats/detail/npy_format.h"
#include "ptutils/formats/detail/tensor_set.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/detail/zip.h"
#include "ptutils/formats/flatten.h"

namespace ptutils::detail {

namespace {

constexpr std::string_view kSuffix = ".npy";

void check_size(const NpyHeader& header, std::uint64_t size,
                const std::string& where) {
  const std::uint64_t end = header.data_offset + header.data_bytes;
  if (end > size)
    malformed(where, "truncated: the array has ", end, " bytes, ", size,
              " are there");
  if (end < size) malformed(where, size - end, " bytes behind the array");
}

/// A bomb, gigabytes behind the header of a small array, is not inflated.
void check_large(const ZipReader& zip, const ZipMember& member,
                 const std::string& where) {
  constexpr std::uint64_t kLarge = std::uint64_t{16} << 20;
  constexpr std::size_t kHead = std::size_t{256} << 10;  // a 1.0 header's 64 KB
  if (!member.deflated || member.size < kLarge) return;
  const std::string head = zip.head(member, kHead);
  if (is_npy(head) && head[6] == 1)
    check_size(parse_npy_header(head, where), member.size, where);
}

/// A member that is an array, else (as np.load has it) its bytes.
Value read_member(const ZipReader& zip, const ZipMember& member, bool check,
                  const std::string& prefix) {
  const std::string where = str(prefix, "member '", member.name, "': ");
  check_large(zip, member, where);
  const auto content = zip.content(member, check);
  const auto bytes = content.text();
  if (!is_npy(bytes)) return Bytes{std::string(bytes)};
  const NpyHeader header = parse_npy(bytes, where);
  check_size(header, bytes.size(), where);
  return npy_tensor(content.storage, content.offset, header, where);
}

/// By many threads where there is much to inflate or to check.
std::vector<Value> read_members(const ZipReader& zip, bool check, bool lazy,
                                const std::string& prefix) {
  constexpr std::uint64_t kMuch = std::uint64_t{1} << 20;
  const auto& members = zip.members();
  std::uint64_t work = 0;
  for (const ZipMember& member : members)
    if (check || member.deflated) work += member.size;
  const auto count = static_cast<std::int64_t>(members.size());
  std::vector<Value> out(members.size());
  parallel_for(count, work < kMuch ? std::max<std::int64_t>(count, 1) : 1,
               [&](std::int64_t begin, std::int64_t end) {
                 for (auto i = static_cast<std::size_t>(begin);
                      i < static_cast<std::size_t>(end); ++i)
                   out[i] = held_or_deferred(lazy, [&] {
                     return read_member(zip, members[i], check, prefix);
                   });
               });
  return out;
}

void take_skeleton(const Value& value, TensorSet& set,
                   const std::string& prefix) {
  if (!value.is_tensor() || value.as_tensor().dtype() != DType::kU8 ||
      value.as_tensor().dim() != 1)
    malformed(prefix, "the member '", kSkeletonName, "' is no skeleton");
  const Tensor& text = value.as_tensor();
  set.has_skeleton = true;
  set.skeleton.assign(reinterpret_cast<const char*>(text.bytes()),
                      text.nbytes());
}

void write_array(ZipWriter& zip, std::string_view array_name,
                 const Tensor& tensor) {
  const std::string header = npy_header(tensor.dtype(), tensor.shape());
  zip.begin(str(array_name, kSuffix), header.size() + tensor.nbytes());
  zip.write(std::as_bytes(std::span(header)));
  for_each_block(tensor, [&](auto block) { zip.write(block); });
  zip.end();
}

/// A few at a time: their packed bytes wait for their turn in memory.
void write_deflated(ZipWriter& zip, const Flat& flat) {
  const auto window = 2 * static_cast<std::size_t>(thread_budget());
  const auto& all = flat.tensors;
  for (std::size_t first = 0; first < all.size(); first += window) {
    const std::size_t count = std::min(window, all.size() - first);
    std::vector<Deflated> packed(count);
    parallel_for(static_cast<std::int64_t>(count), 1,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (auto i = static_cast<std::size_t>(begin);
                        i < static_cast<std::size_t>(end); ++i) {
                     const auto& [name, tensor] = all[first + i];
                     std::string bytes =
                         npy_header(tensor.dtype(), tensor.shape());
                     for_each_block(tensor, [&](auto block) {
                       bytes.append(reinterpret_cast<const char*>(block.data()),
                                    block.size());
                     });
                     packed[i] = deflate(str(name, kSuffix),
                                         std::as_bytes(std::span(bytes)));
                   }
                 });
    for (const Deflated& member : packed) zip.put(member);
  }
}

bool compressed(const WriteOptions& options) {
  const Value* given = options.format.find("compress");
  return given && given->as_bool("compress");
}

class NpzCodec : public Codec {
 public:
  std::string name() const override { return "npz"; }
  std::vector<std::string> suffixes() const override { return {".npz"}; }

  // Other zip archives (.pt, .docx) begin with a member that is no .npy.
  bool recognises(std::string_view head, std::size_t) const override {
    if (head.starts_with("PK\5\6")) return true;  // no members
    if (head.size() < 30 || !head.starts_with("PK\3\4")) return false;
    const std::size_t length = static_cast<unsigned char>(head[26]) |
                               static_cast<unsigned char>(head[27]) << 8;
    return head.substr(30, length).ends_with(kSuffix);
  }

  Value read(const std::filesystem::path& path,
             const ReadOptions& options) const override {
    const std::string where = prefix("npz", path);
    const ZipReader zip(map_file(path), where);
    const bool check = options.verify || !options.lazy;
    TensorSet set;
    auto values = read_members(zip, check, options.lazy, where);
    if (check) note_checksums_compared();
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::string_view key = zip.members()[i].name;
      if (key.ends_with(kSuffix)) key.remove_suffix(kSuffix.size());
      if (key == kSkeletonName)
        take_skeleton(values[i], set, where);
      else
        set.members.emplace_back(key, std::move(values[i]));
    }
    return value_of(std::move(set), where, options.verify);
  }

  std::vector<std::string> options() const override { return {"compress"}; }

  void write(const std::filesystem::path& path, const Value& value,
             const WriteOptions& options) const override {
    write_npz(path, value, options, false);
  }
};

}  // namespace

void write_npz(const std::filesystem::path& path, const Value& value,
               const WriteOptions& options, bool zip64) {
  const bool compress = compressed(options);
  const Flat flat = flatten(value, prefix("npz", path));
  FileWriter file(path, options.durable);
  ZipWriter zip(file, zip64);
  const std::string seal = sealed(flat);
  const std::span text(seal);
  Tensor skeleton =
      Tensor::from(std::span(reinterpret_cast<const std::uint8_t*>(text.data()),
                             text.size()),
                   {static_cast<std::int64_t>(text.size())});
  write_array(zip, kSkeletonName, skeleton);
  if (compress)
    write_deflated(zip, flat);
  else
    for (const auto& [name, tensor] : flat.tensors)
      write_array(zip, name, tensor);
  zip.finish();
  file.commit();
}

std::shared_ptr<Codec> npz_codec() { return std::make_shared<NpzCodec>(); }

}  // namespace ptutils::detail
