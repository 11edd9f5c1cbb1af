#include <exception>
#include <mutex>
#include <unordered_map>

#include "ptutils/common/fork.h"
#include "ptutils/common/names.h"
#include "ptutils/formats/detail/codecs.h"
#include "ptutils/formats/detail/safetensors.h"
#include "ptutils/formats/detail/seal.h"
#include "ptutils/formats/detail/shard_files.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/json_text.h"

// Hugging Face's sharded models: an index, {"metadata": {"total_size"},
// "weight_map": {tensor: file}}, and safetensors files beside it. The skeleton
// is in the index's metadata.
namespace ptutils::detail {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kShardBytes = 5'000'000'000;  // transformers' default
constexpr std::string_view kTotal = "total_size";
// Without it transformers does not read a shard.
constexpr std::pair<const char*, const char*> kFormat{"format", "pt"};

/// The tensors of the shards that an index names.
class ShardReader {
 public:
  ShardReader(fs::path folder, const ShardIndex& index,
              const std::string& prefix)
      : folder_(std::move(folder)), index_(index), prefix_(prefix) {}

  TensorSet read() {
    check_there();
    for (const auto& [tensor, file] : index_.files)
      if (!shards_.contains(file)) open(file);
    TensorSet set;
    for (const auto& [tensor, file] : index_.files) {
      auto found = shards_.at(file).find(tensor);
      if (found == shards_.at(file).end())
        malformed(prefix_, "the shard '", file, "' has no tensor '", tensor,
                  "', which the index looks for there");
      set.members.emplace_back(tensor, std::move(found->second));
      shards_.at(file).erase(found);
    }
    for (const auto& [file, left] : shards_)
      if (!left.empty())
        malformed(prefix_, "the shard '", file, "' has a tensor '",
                  left.begin()->first, "', which the index does not name");
    return set;
  }

 private:
  using Tensors = std::unordered_map<std::string, Value>;

  void check_there() const {
    std::vector<std::string> missing;
    std::unordered_map<std::string_view, bool> seen;
    for (const auto& [tensor, file] : index_.files)
      if (seen.emplace(file, true).second && !fs::exists(folder_ / file))
        missing.push_back(file);
    if (!missing.empty())
      throw Error(Kind::kIO,
                  str(prefix_, missing.size(), " of ", seen.size(),
                      " shards are not in ", folder_.string(), ": ",
                      join(missing, ", ", 6), "; put them beside the index"));
  }

  void open(const std::string& file) {
    TensorSet set =
        read_safetensors(folder_ / file, str(prefix_, "shard '", file, "': "));
    Tensors& tensors = shards_[file];
    for (auto& [name, value] : set.members)
      if (!tensors.emplace(name, std::move(value)).second)
        malformed(prefix_, "the shard '", file, "' has the tensor '", name,
                  "' twice");
  }

  fs::path folder_;
  const ShardIndex& index_;
  const std::string& prefix_;
  std::unordered_map<std::string, Tensors> shards_;
};

Value read_shards(const fs::path& path, const std::string& text,
                  const std::string& where, bool verify) {
  const ShardIndex index = parse_index(text, where);
  const fs::path folder = path.has_parent_path() ? path.parent_path() : ".";
  TensorSet set = ShardReader(folder, index, where).read();
  if (const Value* skeleton = index.metadata.find(kSkeletonName)) {
    if (!skeleton->is_string())
      malformed(where, "'", kSkeletonName, "' is no text");
    set.has_skeleton = true;
    set.skeleton = skeleton->as_string();
  }
  return value_of(std::move(set), where, verify);
}

/// In order, each of at most `limit` bytes or of one tensor.
std::vector<NamedTensors> split_shards(const Flat& flat, std::size_t limit) {
  std::vector<NamedTensors> out;
  const NamedTensors all(flat.tensors);
  std::size_t begin = 0;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::size_t size = all[i].second.nbytes();
    if (i > begin && (size > limit || bytes > limit - size)) {
      out.push_back(all.subspan(begin, i - begin));
      begin = i;
      bytes = 0;
    }
    bytes += size;
  }
  if (begin < all.size()) out.push_back(all.subspan(begin));
  return out;
}

std::size_t shard_limit(const WriteOptions& options, const std::string& where) {
  const Value* given = options.format.find("shard_bytes");
  if (!given) return kShardBytes;
  if (!given->is_int() || given->as_int() < 1)
    throw Error(given->is_int() ? Kind::kValue : Kind::kType,
                str(where, "shard_bytes is a number of bytes, like ",
                    kShardBytes, ", not ", given->repr(40)));
  return static_cast<std::size_t>(given->as_int());
}

std::string index_text(const std::vector<NamedTensors>& parts,
                       const std::vector<fs::path>& paths, Dict metadata,
                       const std::string& skeleton) {
  std::size_t total = 0;
  Dict files;
  for (std::size_t i = 0; i < parts.size(); ++i)
    for (const auto& [name, tensor] : parts[i]) {
      total += tensor.nbytes();
      files.set(name, paths[i].filename().string());
    }
  metadata.set(std::string(kTotal), total);
  metadata.set(std::string(kSkeletonName), skeleton);
  Dict document;
  document.set("metadata", std::move(metadata));
  document.set("weight_map", std::move(files));
  return to_json(std::move(document), 2) + '\n';
}

/// One of a process at a time: they share the names of shards.
std::mutex& one_save() {
  static std::mutex& mutex = *new std::mutex;
  [[maybe_unused]] static const bool held = (hold_over_fork(mutex), true);
  return mutex;
}

class SafetensorsIndexCodec : public Codec {
 public:
  std::string name() const override { return "safetensors-index"; }
  std::vector<std::string> suffixes() const override {
    return {std::string(kIndexSuffix)};
  }
  bool recognises(std::string_view, std::size_t) const override {
    return false;
  }
  std::vector<std::string> options() const override {
    return {"metadata", "shard_bytes"};
  }

  /// Again where a save put another index in its place meanwhile: its shards
  /// may have the names of those before.
  Value read(const fs::path& path, const ReadOptions& options) const override {
    const std::string where = prefix(name(), path);
    std::string text = read_file(path);
    while (true) {
      Value value;
      std::exception_ptr failure;
      try {
        value = read_shards(path, text, where, options.verify);
      } catch (const Error&) {
        failure = std::current_exception();
      }
      std::string now = read_file(path);
      if (now == text) {
        if (failure) std::rethrow_exception(failure);
        return value;
      }
      text = std::move(now);
    }
  }

  Dict metadata(const fs::path& path) const override {
    const ShardIndex index = parse_index(read_file(path), prefix(name(), path));
    Dict out;
    for (const auto& [key, value] : index.metadata)
      if (to_string(key) != kSkeletonName)
        out.set(key, value.is_string() ? value : Value(to_json(value, 0)));
    return out;
  }

  void write(const fs::path& path, const Value& value,
             const WriteOptions& options) const override {
    const std::string where = prefix(name(), path);
    const Flat flat = flatten(value, where);
    const auto parts = split_shards(flat, shard_limit(options, where));
    const Dict metadata = metadata_option(options, where);
    if (metadata.contains(kTotal))
      refuse(where, "metadata '", kTotal, "' is ours");
    Dict marked = metadata;
    marked.set(std::string(kIndexMark), path.filename().string());
    if (!marked.contains(kFormat.first))
      marked.set(kFormat.first, kFormat.second);
    std::lock_guard lock(one_save());
    AtomicFile index(path, options.durable);
    NewShards shards(path, index.temporary());
    PendingSums sums(flat);
    const auto paths = shards.reserve(parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i) {
      FileWriter file(paths[i], options.durable);
      write_safetensors(file, parts[i], marked, where);
      file.commit();
    }
    const auto replaced = shards.replaced();
    index.write(index_text(parts, paths, metadata, sealed(flat, sums.get())));
    index.commit();
    std::error_code ignored;  // the next save tries again
    for (const fs::path& old : replaced) fs::remove(old, ignored);
  }
};

}  // namespace

std::shared_ptr<Codec> safetensors_index_codec() {
  return std::make_shared<SafetensorsIndexCodec>();
}

}  // namespace ptutils::detail
