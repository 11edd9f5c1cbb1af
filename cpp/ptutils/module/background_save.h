#pragma once

#include <cstddef>
#include <filesystem>

#include "ptutils/module/codec.h"

namespace ptutils {

/// Bytes of copies that may wait to be written: a save waits while there are
/// more. One that is larger waits until nothing else does.
inline constexpr std::size_t kMaxPendingBytes = std::size_t{1} << 30;

/// save(), on a thread of its own: copies the tensors, and returns. Saves are
/// done in order, also at the end of the process. Throws what save() throws
/// about the path and the options at once, and the error of an earlier save
/// that failed. Kind::kType for what cannot be copied (an object of another
/// language). Thread-safe.
PTUTILS_API void save_in_background(const std::filesystem::path& path,
                                    const Value& value,
                                    const WriteOptions& options = {});
/// Waits until every save asked for so far is written; throws the first error
/// among them, and says how many more failed.
PTUTILS_API void sync_saves();

namespace detail {
/// A save that does not wait comes after those to the same path that wait.
PTUTILS_API void wait_for_saves_to(const std::filesystem::path& path);
/// save() without that.
void save_now(const std::filesystem::path& path, const Value& value,
              const WriteOptions& options);
}  // namespace detail

}  // namespace ptutils
