#include "ptutils/common/error.h"

namespace ptutils {

Error::~Error() = default;

}  // namespace ptutils
