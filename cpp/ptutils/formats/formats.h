#pragma once

#include "ptutils/common/export.h"

namespace ptutils {

/// Adds the codecs json, yaml, npy, npz and safetensors; once a process.
PTUTILS_API void register_formats();

}  // namespace ptutils
