#pragma once

#include "ptutils/common/export.h"

namespace ptutils {

/// Registers every built-in class, codec and database opener. Idempotent;
/// called by the Python module and by Session::from_file, open() and read().
PTUTILS_API void register_builtin();

}  // namespace ptutils
