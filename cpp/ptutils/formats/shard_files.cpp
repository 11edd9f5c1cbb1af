#include "ptutils/formats/detail/shard_files.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "ptutils/common/detail/temporary.h"
#include "ptutils/common/file.h"
#include "ptutils/formats/detail/safetensors.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/json_text.h"

namespace ptutils::detail {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kShardSuffix = ".safetensors";
constexpr std::string_view kTemporarySuffix = ".tmp";

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> out;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error))
    out.push_back(it->path().filename().string());
  return out;
}

std::string padded(std::size_t number) {
  const std::string text = str(number);
  return std::string(text.size() < 5 ? 5 - text.size() : 0, '0') + text;
}

bool take_digits(std::string_view& text) {
  const std::size_t end = text.find_first_not_of("0123456789");
  const std::size_t count = end == text.npos ? text.size() : end;
  text.remove_prefix(count);
  return count > 0;
}

bool take_text(std::string_view& text, std::string_view begin) {
  if (!text.starts_with(begin)) return false;
  text.remove_prefix(begin.size());
  return true;
}

/// False where there is such a file; other failures are told by who writes.
bool create_new(const fs::path& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
      std::fopen(path.c_str(), "wbx"), std::fclose);
  return file || errno != EEXIST;
}

void remove_quietly(const fs::path& path) {
  std::error_code ignored;
  fs::remove(path, ignored);
}

}  // namespace

ShardIndex parse_index(std::string_view text, const std::string& prefix) {
  Value document = parse_json(text, prefix, 8);
  if (!document.is_dict()) malformed(prefix, "the index is no object");
  ShardIndex out;
  Dict& fields = document.as_dict();
  const Value* files = fields.find("weight_map");
  if (!files || !files->is_dict())
    malformed(prefix, "the index has no object 'weight_map'");
  for (const auto& [key, file] : files->as_dict()) {
    if (!file.is_string())
      malformed(prefix, "the file of '", to_string(key), "' is no text");
    const std::string& name = file.as_string();
    if (name.empty() || name == "." || name == ".." ||
        name.find_first_of(std::string_view("/\\\0", 3)) != name.npos)
      malformed(prefix, "the file ", file.repr(60), " of '", to_string(key),
                "' is no name in the folder of the index");
    out.files.emplace_back(to_string(key), name);
  }
  if (Value* metadata = fields.find("metadata")) {
    if (!metadata->is_dict()) malformed(prefix, "'metadata' is no object");
    out.metadata = std::move(metadata->as_dict());
  }
  return out;
}

NewShards::NewShards(const fs::path& index, const fs::path& temporary)
    : index_(index),
      folder_(index.has_parent_path() ? index.parent_path() : "."),
      stem_(index.filename().string()) {
  stem_.resize(stem_.size() - kIndexSuffix.size());
  clean(temporary);
}

NewShards::~NewShards() {
  if (made_.empty()) return;
  const auto in_place = named();
  if (!in_place || in_place->contains(made_[0].filename().string())) return;
  for (const fs::path& path : made_) remove_quietly(path);
}

/// Those of the index in place; nothing when it cannot be read.
std::optional<NewShards::Names> NewShards::named() const {
  std::error_code error;
  if (!fs::exists(index_, error)) {
    if (error) return {};
    return Names{};
  }
  try {
    Names out;
    for (const auto& [_, name] : parse_index(read_file(index_), {}).files)
      out.insert(name);
    return out;
  } catch (const Error&) {
    return {};
  }
}

/// NAME-00001-of-00002.safetensors, NAME-v2-00001-of-00002.safetensors
bool NewShards::is_shard(std::string_view name) const {
  if (!take_text(name, stem_) || !take_text(name, "-")) return false;
  if (take_text(name, "v") && !(take_digits(name) && take_text(name, "-")))
    return false;
  return take_digits(name) && take_text(name, "-of-") && take_digits(name) &&
         name == kShardSuffix;
}

/// Whether a save of ours wrote it, or has only reserved its name.
bool NewShards::is_left(const fs::path& file) const {
  std::error_code error;
  if (fs::file_size(file, error) == 0 && !error) return true;
  try {
    const Dict metadata = safetensors_metadata(file, {}, true);
    const Value* mark = metadata.find(kIndexMark);
    return mark && mark->as_string() == index_.filename().string();
  } catch (const Error&) {
    return false;
  }
}

void NewShards::clean(const fs::path& temporary) const {
  const auto in_place = named();
  if (!in_place) return;
  const std::string beginning = str(".", index_.filename().string(), ".");
  const auto names = names_in(folder_);
  for (const std::string& name : names)
    if (name.starts_with(beginning) && name.ends_with(kTemporarySuffix) &&
        name != temporary.filename().string())
      return;
  for (const std::string& name : names) {
    if (is_shard(name) && !in_place->contains(name) &&
        is_left(folder_ / name)) {
      remove_quietly(folder_ / name);
      continue;
    }
    // ".NAME.PID-COUNTER.tmp"
    if (!name.starts_with('.') || !name.ends_with(kTemporarySuffix)) continue;
    std::string_view target = std::string_view(name).substr(
        1, name.size() - 1 - kTemporarySuffix.size());
    target = target.substr(0, target.rfind('.'));
    if (is_shard(target)) remove_stale(folder_ / target);
  }
}

std::vector<fs::path> NewShards::reserve(std::size_t count) {
  if (count == 0) return {};
  for (int version = 1;; ++version) {
    const std::string generation = version > 1 ? str("-v", version) : "";
    std::vector<fs::path> paths;
    for (std::size_t i = 1; i <= count; ++i)
      paths.push_back(folder_ / str(stem_, generation, "-", padded(i), "-of-",
                                    padded(count), kShardSuffix));
    std::error_code error;
    if (std::any_of(paths.begin(), paths.end(), [&](const fs::path& path) {
          return fs::symlink_status(path, error).type() !=
                 fs::file_type::not_found;
        }))
      continue;
    if (create_new(paths[0])) return made_ = paths;
  }
}

std::vector<fs::path> NewShards::replaced() const {
  std::vector<fs::path> out;
  if (const auto in_place = named())
    for (const std::string& name : *in_place)
      if (is_shard(name)) out.push_back(folder_ / name);
  return out;
}

}  // namespace ptutils::detail
