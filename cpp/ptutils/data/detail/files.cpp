#include "ptutils/data/detail/files.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "ptutils/common/error.h"

namespace ptutils::data::detail {
namespace {

[[noreturn]] void unreadable(const std::string& path) {
  fail(Kind::kIO, "Dataset", path, ": ", std::strerror(errno),
       "; is the path right?");
}

/// A reader's index (x.tfrecord.index) is no data beside what it belongs to.
bool is_index(std::string_view path, const ::glob_t& found) {
  constexpr std::string_view kSuffix = ".index";
  if (!path.ends_with(kSuffix)) return false;
  path.remove_suffix(kSuffix.size());
  return std::find(found.gl_pathv, found.gl_pathv + found.gl_pathc, path) !=
         found.gl_pathv + found.gl_pathc;
}

void add_matches(const std::string& pattern, std::vector<std::string>& out) {
  ::glob_t found{};
  const int status = ::glob(pattern.c_str(), 0, nullptr, &found);
  for (std::size_t i = 0; status == 0 && i < found.gl_pathc; ++i)
    if (!is_index(found.gl_pathv[i], found))
      out.emplace_back(found.gl_pathv[i]);
  ::globfree(&found);
  if (status != 0) fail(Kind::kIO, "Dataset", "no file matches ", pattern);
}

struct Descriptor {
  int fd;
  ~Descriptor() { ::close(fd); }
};

}  // namespace

std::vector<std::string> sources(const std::vector<std::string>& given) {
  if (given.empty()) fail(Kind::kValue, "Dataset", "no data_source was given");
  std::vector<std::string> out;
  for (const std::string& path : given) {
    if (std::filesystem::exists(path)) {
      out.push_back(path);
      continue;
    }
    if (path.find_first_of("*?[") == std::string::npos)
      fail(Kind::kIO, "Dataset", path, ": no such file or folder",
           std::filesystem::path(path).is_absolute()
               ? ""
               : str(" (in ", std::filesystem::current_path().string(), ")"));
    add_matches(path, out);
  }
  return out;
}

std::string file_bytes(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) unreadable(path);
  const Descriptor file{fd};
  struct stat info {};
  if (::fstat(fd, &info) != 0) unreadable(path);
  std::string out(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t have = 0;
  while (have < out.size()) {
    const ::ssize_t n = ::read(fd, out.data() + have, out.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) unreadable(path);
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  out.resize(have);
  return out;
}

}  // namespace ptutils::data::detail
