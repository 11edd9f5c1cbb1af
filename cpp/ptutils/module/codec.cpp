#include "ptutils/module/codec.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "ptutils/common/detail/io_error.h"
#include "ptutils/common/names.h"
#include "ptutils/module/background_save.h"
#include "ptutils/module/configuration.h"
#include "ptutils/module/isolate.h"

namespace ptutils {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kHead = 4096;
constexpr std::size_t kFolderLimit = 10000;  // names looked at for a hint

/// Never destroyed: a codec of another language must not be dropped after its
/// interpreter has ended.
std::vector<std::shared_ptr<Codec>>& list() {
  static auto& codecs = *new std::vector<std::shared_ptr<Codec>>();
  return codecs;
}

std::string lower(std::string text) {
  for (char& c : text)
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// The codec with the longest suffix that the name ends in; of equal ones the
/// newest, so that a user's replaces ours.
const Codec* by_suffix(const fs::path& path) {
  std::string name = lower(path.filename().string());
  const Codec* best = nullptr;
  std::size_t longest = 0;
  for (const auto& codec : list())
    for (const std::string& suffix : codec->suffixes())
      if (name.size() > suffix.size() && suffix.size() >= longest &&
          name.ends_with(lower(suffix))) {
        best = codec.get();
        longest = suffix.size();
      }
  return best;
}

std::vector<std::string> known_suffixes() {
  std::vector<std::string> out;
  for (const auto& codec : list())
    for (const std::string& suffix : codec->suffixes())
      if (std::find(out.begin(), out.end(), suffix) == out.end())
        out.push_back(suffix);
  return out;
}

[[noreturn]] void fail_suffix(std::string_view where, const fs::path& path,
                              std::string_view what) {
  std::string suffix = path.extension().string();
  auto known = known_suffixes();
  auto near = nearest_names(suffix, known, 1);
  fail(Kind::kValue, where, path.string(), ": ", what,
       suffix.empty() ? "no suffix" : "unknown suffix '" + suffix + "'",
       near.empty() ? "" : "; did you mean " + near[0] + "?",
       "; known: ", join(known, ", ", known.size()));
}

[[noreturn]] void fail_missing(const fs::path& path) {
  if (const fs::path target = detail::link_to_nothing(path); !target.empty())
    fail(Kind::kIO, "read", path.string(), " does not exist: it is a link to ",
         target.string(), ", and there is no such file");
  fs::path folder = path.parent_path().empty() ? "." : path.parent_path();
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    fail(Kind::kIO, "read", path.string(), " does not exist: there is no ",
         "folder ", folder.string());
  std::vector<std::string> names;
  for (fs::directory_iterator it(folder, ignored), end;
       !ignored && it != end && names.size() < kFolderLimit;
       it.increment(ignored))
    names.push_back(it->path().filename().string());
  std::sort(names.begin(), names.end());
  auto near = nearest_names(path.filename().string(), names);
  if (!near.empty())
    fail(Kind::kIO, "read", path.string(), " does not exist; did you mean ",
         join(near, " or "), "?");
  std::string where =
      path.parent_path().empty() ? "this folder" : folder.string();
  fail(Kind::kIO, "read", path.string(), " does not exist; ", where,
       names.empty() ? " is empty" : " has: " + join(names, ", ", 6));
}

std::string read_head(const fs::path& path) {
  std::error_code unknown;
  if (fs::is_other(path, unknown))
    fail(Kind::kIO, "read", path.string(),
         " is a device, pipe or socket; copy its content into a file");
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string head(kHead, '\0');
  if (file) file.read(head.data(), kHead);
  if (file.bad() || !file.is_open()) {
    int code = errno;
    fail(Kind::kIO, "read", path.string(), ": ", std::strerror(code),
         code == EACCES ? "; give yourself the right to read it" : "");
  }
  head.resize(static_cast<std::size_t>(file.gcount()));
  return head;
}

}  // namespace

Codec::~Codec() = default;

Dict Codec::metadata(const fs::path& path) const {
  fail(Kind::kType, "metadata", path.string(), ": ", name(),
       " files have no text beside their value");
}

void add_codec(std::shared_ptr<Codec> codec) {
  if (!codec) fail(Kind::kValue, "add_codec", "a codec, not null");
  list().push_back(std::move(codec));
}
const std::vector<std::shared_ptr<Codec>>& codecs() { return list(); }

const Codec& codec_for_writing(const fs::path& path,
                               const WriteOptions& options) {
  const Codec* codec = by_suffix(path);
  if (!codec) fail_suffix("save", path, "");
  check_keys(options.format, codec->options(),
             str("save ", path.string(), " (", codec->name(), ")"));
  return *codec;
}

const Codec& codec_for_reading(const fs::path& path) {
  std::error_code error;
  fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) fail_missing(path);
  const Codec* named = by_suffix(path);
  if (fs::is_directory(status)) {  // LMDB's older kind
    if (named) return *named;
    if (fs::exists(path / "data.mdb", error))
      return codec_for_reading(path / "data.mdb");
    fail(Kind::kIO, "read", path.string(), " is a folder; name a file in it");
  }
  std::string head = read_head(path);
  auto size = static_cast<std::size_t>(fs::file_size(path, error));
  if (error) size = head.size();
  // A zip is an .npz as much as a .pt: the name decides between them.
  if (named && named->recognises(head, size)) return *named;
  for (auto it = list().rbegin(); it != list().rend(); ++it)
    if ((*it)->recognises(head, size)) return **it;
  if (named) return *named;
  fail_suffix("read", path, "its content is of no known format, and it has ");
}

Tensor Deferred::get() {
  std::lock_guard lock(mutex_);
  if (!read_) {
    read_ = load_();
    load_ = nullptr;  // and the file that it held
  }
  return *read_;
}

Dict read_metadata(const fs::path& path) {
  return codec_for_reading(path).metadata(path);
}

Value read(const fs::path& path, const ReadOptions& options) {
  const Codec& codec = codec_for_reading(path);
  if (options.isolate) return detail::read_isolated(codec, path, options);
  return codec.read(path, options);
}

void detail::save_now(const fs::path& path, const Value& value,
                      const WriteOptions& options) {
  codec_for_writing(path, options).write(path, value, options);
}

void save(const fs::path& path, const Value& value,
          const WriteOptions& options) {
  detail::wait_for_saves_to(path);
  detail::save_now(path, value, options);
}

}  // namespace ptutils
