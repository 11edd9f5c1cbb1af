#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ptutils/common/error.h"
#include "ptutils/module/codec.h"

/// Members of a file that its library reads and no Value holds. Private to
/// formats.
namespace ptutils::detail {

/// Kind::kFormat.
class NotHeld : public Error {
 public:
  explicit NotHeld(const std::string& message)
      : Error(Kind::kFormat, message) {}
};

template <class... Parts>
[[noreturn]] void not_held(std::string_view prefix, const Parts&... parts) {
  throw NotHeld(str(prefix, parts...));
}

/// read(); where the file is read lazily, what it says of such a member is said
/// once that is asked for, and the others come all the same.
template <class Read>
Value held_or_deferred(bool lazy, Read&& read) {
  try {
    return read();
  } catch (const NotHeld& error) {
    if (!lazy) throw;
    return std::shared_ptr<Opaque>(std::make_shared<Deferred>(error));
  }
}

}  // namespace ptutils::detail
