#include "ptutils/data/detail/idx_files.h"

#include <unistd.h>

#include <atomic>
#include <mutex>
#include <optional>

#include "ptutils/common/file.h"
#include "ptutils/common/fork.h"
#include "ptutils/common/log.h"
#include "ptutils/common/names.h"
#include "ptutils/data/dataset.h"
#include "ptutils/data/detail/md5.h"
#include "ptutils/formats/detail/gzip.h"

namespace ptutils::data {
namespace detail {
namespace {

namespace fs = std::filesystem;

struct FetcherSlot {
  std::mutex mutex;
  std::shared_ptr<const Fetcher> fetcher;
};

FetcherSlot& fetcher_slot() {
  static auto* slot = [] {
    auto* made = new FetcherSlot;  // used by threads of any lifetime
    hold_over_fork(made->mutex);
    return made;
  }();
  return *slot;
}

std::shared_ptr<const Fetcher> fetcher() {
  FetcherSlot& slot = fetcher_slot();
  std::lock_guard lock(slot.mutex);
  return slot.fetcher;
}

/// Plain or .gz, whichever is there.
std::optional<fs::path> file_in(const fs::path& folder, std::string_view name) {
  for (const char* suffix : {"", ".gz"}) {
    fs::path path = folder / (std::string(name) + suffix);
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored)) return path;
  }
  return {};
}

/// A url names the source: then the package is not looked at.
std::vector<fs::path> folders(const IdxSource& source, const fs::path& root,
                              const std::string& url) {
  std::vector<fs::path> out{root, root / source.name / "raw"};
  if (url.empty() && !source.debian_folder.empty())
    out.emplace_back(source.debian_folder);
  return out;
}

[[noreturn]] void not_found(const IdxSource& source, const fs::path& root,
                            const std::string& url, const IdxFile& images,
                            const IdxFile& labels) {
  std::vector<std::string> looked;
  for (const fs::path& folder : folders(source, root, url))
    looked.push_back(folder.string());
  std::string debian;
  if (!source.debian_package.empty())
    debian = str(", or apt-get install ", source.debian_package,
                 " (Debian, Ubuntu)");
  fail(Kind::kIO, source.name, "no ", images.name, " and ", labels.name,
       " (plain or .gz) together in ", join(looked),
       "; give the folder that has them as root, or download=True", debian);
}

bool checksum_fits(const IdxFile& file, const fs::path& path) {
  MappedFile mapped(path);
  if (md5_hex(mapped.bytes()) == file.md5_gz) return true;
  if (file.md5_content.empty() || !ptutils::detail::is_gzip(mapped.bytes()))
    return false;
  const auto content = ptutils::detail::unpack_gzip(
      mapped.bytes(), str("[", path.string(), "] "));
  return md5_hex({content.storage->data(), content.size}) == file.md5_content;
}

/// A name of its own in the folder, removed unless it was renamed away.
class Temporary {
 public:
  explicit Temporary(const fs::path& target) {
    static std::atomic<std::uint64_t> counter{0};
    path_ = target.parent_path() / str(".", target.filename().string(), ".",
                                       static_cast<std::int64_t>(::getpid()),
                                       "-", counter++, ".tmp");
  }
  ~Temporary() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void fetch_one(const IdxSource& source, const IdxFile& file,
               const std::string& base, const fs::path& target) {
  auto fetch = fetcher();
  std::string url = base;
  if (!url.ends_with('/')) url += '/';
  url += str(file.name, ".gz");
  if (!fetch || !*fetch)
    fail(Kind::kState, source.name, "this process cannot download; put ", url,
         " into ", target.parent_path().string());
  Temporary temporary(target);
  log::info("fetching ", hide_uri_passwords(url), " into ", target.string());
  (*fetch)(url, temporary.path());
  std::error_code missing;
  if (!fs::is_regular_file(temporary.path(), missing))
    fail(Kind::kIO, source.name, "nothing came from ", hide_uri_passwords(url),
         "; try again, or another url");
  if (!checksum_fits(file, temporary.path()))
    fail(Kind::kFormat, source.name, "what ", hide_uri_passwords(url),
         " gave is not the published file (MD5 ", file.md5_gz,
         "); it was removed; try again, or another url");
  fs::rename(temporary.path(), target);
}

/// From the mirrors in turn; the last one's error is the user's.
void fetch(const IdxSource& source, const IdxFile& file,
           const std::vector<std::string>& bases, const fs::path& target) {
  for (std::size_t i = 0; i < bases.size(); ++i) {
    try {
      return fetch_one(source, file, bases[i], target);
    } catch (const Error& e) {
      bool last = i + 1 == bases.size();
      if (last || e.kind() == Kind::kState || e.kind() == Kind::kInterrupted)
        throw;
      log::warning(e.what());
    }
  }
}

}  // namespace

IdxPaths find_idx_files(const IdxSource& source, const std::string& root,
                        bool train, bool download, const std::string& url) {
  const IdxFile& images = source.files[train ? 0 : 2];
  const IdxFile& labels = source.files[train ? 1 : 3];
  for (const fs::path& folder : folders(source, root, url)) {
    auto first = file_in(folder, images.name);
    auto second = file_in(folder, labels.name);
    if (first && second) return {*first, *second};
  }
  if (!download) not_found(source, root, url, images, labels);
  std::vector<std::string> bases(source.mirrors.begin(), source.mirrors.end());
  if (!url.empty()) bases = {url};
  fs::path folder = fs::path(root) / source.name / "raw";
  std::error_code refused;
  fs::create_directories(folder, refused);
  if (refused)
    fail(Kind::kIO, source.name, "no folder ", folder.string(), ": ",
         refused.message(), "; give a root that can be written");
  IdxPaths out;
  for (auto [file, path] :
       {std::pair{&images, &out.images}, std::pair{&labels, &out.labels}}) {
    auto present = file_in(folder, file->name);
    *path = present ? *present : folder / str(file->name, ".gz");
    if (!present) fetch(source, *file, bases, *path);
  }
  return out;
}

}  // namespace detail

void set_fetcher(Fetcher fetcher) {
  auto made = std::make_shared<const Fetcher>(std::move(fetcher));
  detail::FetcherSlot& slot = detail::fetcher_slot();
  std::unique_lock lock(slot.mutex);
  slot.fetcher.swap(made);
  lock.unlock();  // the old one may be another language's object
  made.reset();
}

}  // namespace ptutils::data
