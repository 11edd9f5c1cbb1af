#pragma once

#include <cstdint>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ptutils/formats/flatten.h"

/// Checksums (XXH3-64) of what files hold; private to formats.
namespace ptutils::detail {

using Checksums = std::vector<std::uint64_t>;  // of tensors, in order

/// Of dtype, shape and elements.
std::uint64_t checksum(const Tensor& tensor);

/// Sixteen hexadecimal digits.
std::string sum_text(std::uint64_t sum);
std::uint64_t sum_of(std::string_view text);

/// Whether a text begins as sealed skeletons do: one that is found under
/// another name than kSkeletonName is a file of ours with a damaged name.
bool looks_sealed(std::string_view text);

/// The sums of a sealed skeleton, whose text is compared with its own;
/// nothing for one that was never sealed. Kind::kFormat for damage.
std::optional<Checksums> read_seal(std::string_view skeleton,
                                   const Value& document,
                                   const std::string& prefix);

/// The checksums of a large value are made by another thread while its tensors
/// are written; those of a small one at once.
class PTUTILS_API PendingSums {
 public:
  explicit PendingSums(const Flat& flat);

  /// Zeros until get() where `late()`.
  const Checksums& now() const { return sums_; }
  bool late() const { return made_.valid(); }
  const Checksums& get();

 private:
  Checksums sums_;
  std::future<Checksums> made_;
};

}  // namespace ptutils::detail
