#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "ptutils/common/export.h"

/// Where the four files of MNIST and its kin are, and where they come from.
namespace ptutils::data::detail {

struct IdxFile {
  std::string_view name;         ///< "train-images-idx3-ubyte"
  std::string_view md5_gz;       ///< of the published .gz
  std::string_view md5_content;  ///< unpacked, for mirrors that packed it again
};

struct IdxSource {
  std::string_view name;  ///< "MNIST"
  std::vector<std::string_view> mirrors;
  std::array<IdxFile, 4> files;    ///< train images, labels, t10k …
  std::string_view debian_folder;  ///< "" when Debian has no package
  std::string_view debian_package;
};
PTUTILS_API const IdxSource& idx_source(std::string_view name);

struct IdxPaths {
  std::filesystem::path images, labels;
};

/// Finds both files of a split in one folder, or fetches them into
/// root/NAME/raw. Kind::kIO says where it looked and what to do.
PTUTILS_API IdxPaths find_idx_files(const IdxSource& source,
                                    const std::string& root, bool train,
                                    bool download, const std::string& url);

}  // namespace ptutils::data::detail
