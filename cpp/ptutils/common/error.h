#pragma once

#include <charconv>
#include <concepts>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "ptutils/common/export.h"

namespace ptutils {

/// What went wrong, in the terms of the Python built-in that the error also is
/// (one table in the bindings: Kind -> ptutils.XError, a subclass of it).
enum class Kind {
  kType,            ///< TypeError: a value of the wrong type
  kValue,           ///< ValueError: the right type, an impossible value
  kKey,             ///< KeyError: an unknown name
  kIndex,           ///< IndexError: out of bounds
  kNotFound,        ///< KeyError: no such document, run or class
  kIO,              ///< OSError: the file system or a server refused
  kFormat,          ///< ValueError: malformed bytes in a file or record
  kState,           ///< RuntimeError: not possible in this state
  kBusy,            ///< RuntimeError: in use by another process (lease)
  kUntrusted,       ///< PermissionError: a class that the user did not name
  kNotImplemented,  ///< NotImplementedError
  kMemory,          ///< MemoryError
  kInterrupted,     ///< KeyboardInterrupt
};

/// The one exception of the core. `what()` reads "[where] message".
class PTUTILS_API Error : public std::runtime_error {
 public:
  Error(Kind kind, const std::string& message)
      : std::runtime_error(message), kind_(kind) {}
  ~Error() override;  // anchors the vtable in libptutils.so

  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

namespace detail {
inline void append(std::string& out, std::string_view part) { out += part; }
inline void append(std::string& out, const char* part) { out += part; }
inline void append(std::string& out, char part) { out += part; }
inline void append(std::string& out, bool part) {
  out += part ? "true" : "false";
}
template <class T>
requires(std::is_arithmetic_v<T> && !std::same_as<T, bool> &&
         !std::same_as<T, char>) void append(std::string& out, T part) {
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, part).ptr;
  out.append(buffer, end);
}
}  // namespace detail

/// Concatenates strings, numbers (shortest round trip) and bools.
template <class... Parts>
std::string str(const Parts&... parts) {
  std::string out;
  (detail::append(out, parts), ...);
  return out;
}

/// Throws Error(kind, "[where] parts..."). A message says where, what was wrong
/// with which value, and what to do.
template <class... Parts>
[[noreturn]] void fail(Kind kind, std::string_view where,
                       const Parts&... parts) {
  throw Error(kind, str("[", where, "] ", parts...));
}

}  // namespace ptutils
