#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "ptutils/module/value.h"

/// The files of a sharded safetensors: an index, NAME.safetensors.index.json,
/// and beside it NAME-00001-of-00002.safetensors; private to formats.
namespace ptutils::detail {

inline constexpr std::string_view kIndexSuffix = ".safetensors.index.json";
/// In each shard of ours: the name of its index.
inline constexpr std::string_view kIndexMark = "__ptutils_index__";

/// An index as it is read.
struct ShardIndex {
  Dict metadata;
  std::vector<std::pair<std::string, std::string>> files;  // of each tensor
};
/// Kind::kFormat, also for a shard in another folder.
ShardIndex parse_index(std::string_view text, const std::string& prefix);

/// The shards of one save. Those of the index in place are not touched before
/// it is replaced; those of this save are removed again when it is not.
class NewShards {
 public:
  /// `temporary` of the index tells other savers, as theirs tell us, that its
  /// unnamed shards are wanted. What killed savers left is removed.
  NewShards(const std::filesystem::path& index,
            const std::filesystem::path& temporary);
  ~NewShards();
  NewShards(const NewShards&) = delete;
  NewShards& operator=(const NewShards&) = delete;

  /// Paths that no other file has.
  std::vector<std::filesystem::path> reserve(std::size_t count);
  /// What is to be removed once the index is replaced.
  std::vector<std::filesystem::path> replaced() const;

 private:
  using Names = std::unordered_set<std::string>;
  std::optional<Names> named() const;
  bool is_shard(std::string_view name) const;
  bool is_left(const std::filesystem::path& file) const;
  void clean(const std::filesystem::path& temporary) const;

  std::filesystem::path index_;
  std::filesystem::path folder_;
  std::string stem_;
  std::vector<std::filesystem::path> made_;
};

}  // namespace ptutils::detail
