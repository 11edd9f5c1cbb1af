#pragma once

#include "ptutils/common/export.h"

namespace ptutils {

/// Adds the codecs json, yaml, npy, npz, safetensors (single and sharded),
/// lmdb, tfrecord and csv; once a process.
PTUTILS_API void register_formats();

}  // namespace ptutils
