#pragma once

#include "ptutils/module/value.h"

namespace ptutils {

/// What this process is: versions, machine, command line, git commit and diff
/// (up to 1 MB) of the working directory's repository; secrets blanked.
PTUTILS_API Value process_metadata();

}  // namespace ptutils
