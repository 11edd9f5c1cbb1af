#include "ptutils/common/detail/io_error.h"

#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

#include "ptutils/common/error.h"
#include "ptutils/common/names.h"

namespace ptutils::detail {

std::filesystem::path link_to_nothing(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_symlink(path, ignored) ||
      std::filesystem::exists(path, ignored))
    return {};
  return std::filesystem::read_symlink(path, ignored);
}

namespace {

namespace fs = std::filesystem;

// Enough to find a mistyped name; a folder of a million files takes no second.
constexpr std::size_t kMostNames = 5000;

// "; did you mean NAME?" with what is beside the missing file.
std::string missing_advice(const fs::path& path) {
  if (const fs::path target = link_to_nothing(path); !target.empty())
    return str("it is a link to ", target.string(), ", which is not there");
  std::error_code ignored;
  fs::path folder = folder_of(path);
  if (!fs::is_directory(folder, ignored)) {
    return str("there is no folder ", folder.string(), ": create it first");
  }
  std::vector<std::string> names;
  for (fs::directory_iterator it(folder, ignored), end;
       it != end && names.size() < kMostNames; it.increment(ignored)) {
    names.push_back(it->path().filename().string());
  }
  std::vector<std::string> near =
      nearest_names(path.filename().string(), names);
  if (near.empty()) return "check the path";
  return str("near it there is ", join(near));
}

std::string permission_advice(Access access, const fs::path& path) {
  if (access == Access::kRead) return "no permission to read it";
  return str("no permission to write in ", folder_of(path).string());
}

std::string advice(Access access, const fs::path& path, int error) {
  switch (error) {
    case ENOENT:
      return missing_advice(path);
    case EACCES:
    case EPERM:
      return permission_advice(access, path);
    case ENOSPC:
      return "the disk is full: free space or choose another folder";
    case EDQUOT:
      return "your quota is used up: free space or choose another folder";
    case EFBIG:
      return "larger than the file system or the limit of this process allows: "
             "raise it (ulimit -f) or choose another folder";
    case EROFS:
      return str(folder_of(path).string(),
                 " is on a read-only file system: choose another folder");
    case EMFILE:
    case ENFILE:
      return "too many open files: close some or raise the limit (ulimit -n)";
    case EISDIR:
      return "it is a folder: give the path of a file";
    case ENOTDIR:
      return "a part of the path is a file, not a folder";
    case ELOOP:
      return "its symbolic links lead in a circle";
    case ENAMETOOLONG:
      return "choose a shorter name";
    case EIO:
      return "the device failed: check the disk and its cables, and the "
             "system's log (dmesg)";
    case ESTALE:
      return "the network file system lost it: open it again";
    default:
      return "check the folder and the device";
  }
}

}  // namespace

void fail_io(std::string_view where, Access access, const fs::path& path,
             int error) {
  const char* verb = access == Access::kRead ? "cannot read " : "cannot write ";
  fail(Kind::kIO, where, verb, path.string(), ": ",
       std::generic_category().message(error), "; ",
       advice(access, path, error));
}

void check_path(std::string_view where, const fs::path& path) {
  if (path.empty()) fail(Kind::kValue, where, "the path is empty; name a file");
  if (path.native().find('\0') != std::string::npos) {
    fail(Kind::kValue, where, "the path holds a NUL character: ",
         path.string().substr(0, path.native().find('\0')), "\\0…");
  }
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

}  // namespace ptutils::detail
