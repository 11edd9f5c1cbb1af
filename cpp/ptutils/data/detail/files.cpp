#include "ptutils/data/detail/files.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>

#include "ptutils/common/error.h"

namespace ptutils::data::detail {
namespace {

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

}  // namespace ptutils::data::detail
