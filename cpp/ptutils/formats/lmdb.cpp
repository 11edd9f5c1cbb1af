#include "ptutils/formats/detail/lmdb.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>

#include "ptutils/common/hash.h"
#include "ptutils/common/interrupt.h"
#include "ptutils/formats/detail/codecs.h"
#include "ptutils/formats/detail/npy_format.h"
#include "ptutils/formats/detail/seal.h"
#include "ptutils/formats/detail/tensor_set.h"
#include "ptutils/formats/detail/text_coding.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/flatten.h"

// One key a tensor, whose value is an .npy file; the skeleton under
// "__ptutils__". A key has 511 bytes at most, a tensor's name 1 000: a longer
// one becomes HASH/END, which no name is (they have no '/'), and follows its
// array whole, as the block of an .npy file of ours does.
namespace ptutils::detail {

namespace {

namespace fs = std::filesystem;

constexpr int kAttempts = 20;
constexpr std::chrono::milliseconds kPause{5};

bool is_long(std::string_view tensor_name) {
  return tensor_name.size() > LmdbWriter::kMaxKey;
}

std::string lmdb_key(std::string_view tensor_name) {
  if (!is_long(tensor_name)) return std::string(tensor_name);
  std::string key = hash_hex(std::as_bytes(std::span(tensor_name))) + '/';
  std::size_t at = tensor_name.size() - (LmdbWriter::kMaxKey - key.size());
  while ((static_cast<unsigned char>(tensor_name[at]) & 0xC0) == 0x80) ++at;
  return key.append(tensor_name.substr(at));
}

Key parse_key(std::string_view bytes, const lmdb::Tree& tree,
              const std::string& where) {
  std::uint64_t number = std::numeric_limits<std::uint64_t>::max();
  if (tree.flags & lmdb::kIntegerKey) {
    if (bytes.size() == 4) number = lmdb::load<std::uint32_t>(bytes, 0);
    if (bytes.size() == 8) number = lmdb::load<std::uint64_t>(bytes, 0);
    if (number <= std::numeric_limits<std::int64_t>::max())
      return static_cast<std::int64_t>(number);
    malformed(where, "an integer key of ", bytes.size(), " bytes or of 2^63 ",
              "and more");
  }
  if (valid_utf8(bytes)) return std::string(bytes);
  std::string shown;
  for (char c : bytes.substr(0, 16))
    for (int digit : {c >> 4 & 15, c & 15}) shown += "0123456789abcdef"[digit];
  malformed(where, "the key of bytes ", shown, bytes.size() > 16 ? "…" : "",
            " is no UTF-8 text; read this database by the lmdb package, or "
            "write it again with keys of text");
}

/// What one state of a database holds.
class LmdbContents {
 public:
  /// `copy`: arrays do not share the file's memory.
  LmdbContents(std::shared_ptr<Storage> file, std::string prefix, bool copy)
      : file_(std::move(file)),
        prefix_(std::move(prefix)),
        copy_(copy),
        reader_(text_of(*file_), prefix_) {}

  /// Whether it may have changed while it was read.
  bool overtaken() const { return reader_.overtaken(); }
  /// Of the file when it was mapped: a newer head may name pages behind it.
  std::size_t bytes() const { return file_->bytes(); }

  Value value(bool verify) {
    Dict all = read_tree(reader_.main(), prefix_, true);
    const Value* skeleton = all.find(kSkeletonName);
    if (!skeleton || !skeleton->is_bytes()) return all;
    TensorSet set;
    set.has_skeleton = true;
    set.skeleton = skeleton->as_bytes().data;
    all.erase(kSkeletonName);
    for (auto& [key, value] : all)
      set.members.emplace_back(to_string(key), std::move(value));
    return value_of(std::move(set), prefix_, verify);
  }

 private:
  Dict read_tree(const lmdb::Tree& tree, const std::string& where, bool top) {
    Dict out;
    reader_.walk(tree, [&](const LmdbItem& item) {
      Key key = parse_key(item.key, tree, where);
      const std::string inner = str(where, "'", to_string(key), "': ");
      Value value;
      if (item.subtree) {
        if (!top) malformed(inner, "a database inside a named one");
        value = read_tree(*item.subtree, inner, false);
      } else if (tree.flags & lmdb::kDupSort) {
        std::vector<Value> values;
        for (std::string_view bytes : item.values)
          values.push_back(read_value(bytes, key, inner));
        value = Value::list(std::move(values));
      } else {
        if (item.values.size() != 1) malformed(inner, "more than one value");
        value = read_value(item.values[0], key, inner);
      }
      if (out.find(key)) malformed(inner, "is there twice");
      out.set(std::move(key), std::move(value));
    });
    return out;
  }

  /// An array, else its bytes. `key` becomes the name that follows the array.
  Value read_value(std::string_view bytes, Key& key, const std::string& where) {
    if (!is_npy(bytes)) return Bytes{std::string(bytes)};
    const NpyHeader header = parse_npy(bytes, where);
    std::string_view rest =
        bytes.substr(header.data_offset + header.data_bytes);
    if (header.marked && rest.starts_with(kSkeletonName)) {
      rest.remove_prefix(kSkeletonName.size());
      if (lmdb_key(rest) == to_string(key)) {
        key = std::string(rest);
        rest = {};
      }
    }
    if (!rest.empty()) malformed(where, rest.size(), " bytes behind the array");
    const auto offset =
        static_cast<std::size_t>(bytes.data() - text_of(*file_).data());
    Tensor tensor = npy_tensor(file_, offset, header, where);
    return copy_ ? tensor.clone() : tensor;
  }

  std::shared_ptr<Storage> file_;
  std::string prefix_;
  bool copy_;
  LmdbReader reader_;
};

/// The entries of a file, by key, and what is written for each.
class LmdbPlan {
 public:
  LmdbPlan(const Flat& flat, const std::string& where) : flat_(flat) {
    for (std::size_t i = 0; i < flat.tensors.size(); ++i) order_.push_back(i);
    order_.push_back(kSkeleton);
    std::vector<std::string> keys(flat.tensors.size());
    for (std::size_t i = 0; i < keys.size(); ++i)
      keys[i] = lmdb_key(flat.tensors[i].first);
    auto key = [&](std::size_t i) -> std::string_view {
      return i == kSkeleton ? kSkeletonName : keys[i];
    };
    std::sort(order_.begin(), order_.end(),
              [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
    const std::size_t seal = sealed(flat, Checksums(keys.size())).size();
    for (std::size_t i : order_) {
      const std::uint64_t size = i == kSkeleton ? seal : size_of(i);
      if (size > LmdbWriter::kMaxValue)
        refuse(where, "'", key(i), "': ", size, " bytes; a value of LMDB has ",
               "less than 4 GB: save it as .safetensors or .npz");
      entries_.push_back({std::string(key(i)), size});
    }
  }

  void write(FileWriter& file) const {
    PendingSums sums(flat_);
    std::size_t seal_at = 0;
    LmdbWriter(entries_).write(file, [&](std::size_t entry) {
      const std::size_t i = order_[entry];
      if (i != kSkeleton) return put(file, i);
      seal_at = file.size();
      file.write(sealed(flat_, sums.now()));
    });
    if (sums.late()) file.patch(seal_at, sealed(flat_, sums.get()));
  }

 private:
  static constexpr auto kSkeleton = std::numeric_limits<std::size_t>::max();

  std::string header(std::size_t i) const {
    const auto& [tensor_name, tensor] = flat_.tensors[i];
    return npy_header(tensor.dtype(), tensor.shape(), is_long(tensor_name));
  }

  std::uint64_t size_of(std::size_t i) const {
    const auto& [tensor_name, tensor] = flat_.tensors[i];
    const std::size_t block =
        is_long(tensor_name) ? kSkeletonName.size() + tensor_name.size() : 0;
    return header(i).size() + tensor.nbytes() + block;
  }

  void put(FileWriter& file, std::size_t i) const {
    const auto& [tensor_name, tensor] = flat_.tensors[i];
    file.write(header(i));
    file.write(tensor);
    if (!is_long(tensor_name)) return;
    file.write(kSkeletonName);
    file.write(tensor_name);
  }

  const Flat& flat_;
  std::vector<std::size_t> order_;
  std::vector<LmdbWriter::Entry> entries_;
};

class LmdbCodec : public Codec {
 public:
  std::string name() const override { return "lmdb"; }
  std::vector<std::string> suffixes() const override { return {".lmdb"}; }

  // Of version 1.0, too, to say so.
  bool recognises(std::string_view head, std::size_t) const override {
    for (std::size_t at : {std::size_t{16}, std::size_t{24}})
      if (head.size() > at + sizeof(std::uint64_t) &&
          lmdb::load<std::uint32_t>(head, at) == lmdb::kMagic)
        return true;
    return false;
  }

  /// A database with a lock beside it is, or will be, written by others in
  /// place: it is copied, again when a writer was faster.
  Value read(const fs::path& path, const ReadOptions& options) const override {
    const std::string where = prefix("lmdb", path);
    const fs::path file = lmdb_data_file(path);
    bool copy = fs::exists(lmdb_lock_file(file));
    for (int i = 0; i < kAttempts; ++i, copy = true) {
      if (i > 0) std::this_thread::sleep_for(kPause);
      check_interrupt();
      LmdbContents contents(map_file(file), where, copy);
      try {
        Value value = contents.value(options.verify);
        if (!contents.overtaken()) return value;
      } catch (const Error&) {
        if (!contents.overtaken() && fs::file_size(file) == contents.bytes())
          throw;
      }
    }
    throw Error(
        Kind::kIO,
        where +
            "is written faster than it can be read; "
            "stop the program that writes it, or read a copy (mdb_copy)");
  }

  void write(const fs::path& path, const Value& value,
             const WriteOptions& options) const override {
    const std::string where = prefix("lmdb", path);
    const Flat flat = flatten(value, where);
    const LmdbPlan plan(flat, where);
    FileWriter file(path, options.durable);
    plan.write(file);
    file.commit();
    // It belongs to the database that was there; who still has that open has
    // both files open, and must not share a lock with readers of the new one.
    std::error_code none;
    fs::remove(lmdb_lock_file(path), none);
  }
};

}  // namespace

fs::path lmdb_data_file(const fs::path& path) {
  if (!fs::is_directory(path)) return path;
  if (fs::exists(path / "data.mdb")) return path / "data.mdb";
  fail(Kind::kIO, "lmdb", path.string(), " is a folder without data.mdb");
}

fs::path lmdb_lock_file(const fs::path& file) {
  if (file.filename() == "data.mdb") return file.parent_path() / "lock.mdb";
  return file.native() + "-lock";
}

std::shared_ptr<Codec> lmdb_codec() { return std::make_shared<LmdbCodec>(); }

}  // namespace ptutils::detail
