#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ptutils/common/export.h"
#include "ptutils/formats/skeleton.h"
#include "ptutils/module/value.h"

/// The one flattening rule: any Value is a JSON text and named tensors, so that
/// each file format and each database stores just these.
namespace ptutils {

/// 1: {"version", "value"}; 2: {"version", "sum", "sums", "value"}; 3: the same
/// with "$tensors".
inline constexpr int kSkeletonVersion = 3;
/// The skeleton's name in every format.
inline constexpr std::string_view kSkeletonName = "__ptutils__";

struct Flat {
  /// {"version": 3, "value": ...} as compact JSON (skeleton.h).
  std::string skeleton;
  /// Unique names, in the order of the value. Tensors may be strided. Names
  /// are UTF-8 without '/', '\' and control characters, at most 1 000 bytes.
  std::vector<std::pair<std::string, Tensor>> tensors;
};

/// Kind::kType, naming the path inside the value, for what cannot be stored.
/// `where` (a file) begins the message. `pack` as for encode_value.
PTUTILS_API Flat flatten(const Value& value, std::string_view where = {},
                         bool pack = true);

/// kOne beside a thread that writes the same tensors: more would take its core.
enum class Threads { kMany, kOne };
/// XXH3-64 of each tensor (dtype, shape and elements), in order.
PTUTILS_API std::vector<std::uint64_t> checksums(
    const Flat& flat, Threads threads = Threads::kMany);
/// The skeleton with checksums, of the tensors and of itself: what files hold.
/// Its length depends on the number of sums alone, so that a writer may put it
/// before the data and fill it in behind them.
PTUTILS_API std::string sealed(const Flat& flat,
                               const std::vector<std::uint64_t>& sums);
PTUTILS_API std::string sealed(const Flat& flat);

/// How often this thread compared a file's checksums, the format's or ours.
PTUTILS_API std::uint64_t checksums_compared();
/// A codec that compared them itself says so.
PTUTILS_API void note_checksums_compared();

/// The inverse of flatten and of sealed. `lookup` gives a tensor (or a
/// Deferred) by name, contiguous; where a container lacks the dtype it may give
/// one of equal bytes (bf16 as u16, c64 as f32 with a last dimension of 2). It
/// is asked once a name; a tensor that was in two places is shared again.
/// `verify` compares the checksums, where there are any (of a Deferred: when it
/// is read). Kind::kFormat for damage, for a skeleton that flatten did not
/// write, and for a newer version, saying so.
PTUTILS_API Value
unflatten(std::string_view skeleton,
          const std::function<Value(const std::string& name)>& lookup,
          std::string_view where = {}, bool verify = false);

}  // namespace ptutils
