#pragma once

#include "ptutils/module/codec.h"

namespace ptutils::detail {

/// codec.read(path, options) in a process of its own: a crash there, a hang or
/// an appetite for memory is Kind::kFormat here, naming the file.
Value read_isolated(const Codec& codec, const std::filesystem::path& path,
                    ReadOptions options);

}  // namespace ptutils::detail
