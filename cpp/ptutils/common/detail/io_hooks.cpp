#include "ptutils/common/detail/io_hooks.h"

#include <unistd.h>

#include <cstdio>

namespace ptutils::detail {

IoHooks& io_hooks() {
  static IoHooks hooks{::write, ::pwrite, ::fsync, std::rename};
  return hooks;
}

}  // namespace ptutils::detail
