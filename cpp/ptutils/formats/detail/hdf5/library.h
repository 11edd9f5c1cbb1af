#pragma once

#include <hdf5.h>

#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ptutils/common/error.h"

/// libhdf5, for one thread at a time; private to formats/hdf5.
namespace ptutils::detail::hdf5 {

/// Holds the library's mutex (over forks, too) and keeps its error stack from
/// being printed. A thread may hold several. Never held over a parallel_for,
/// nor while a Value of Python's is destroyed.
class Locked {
 public:
  Locked();
  ~Locked();
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
};

/// An identifier of the library's, closed with this.
class Handle {
 public:
  Handle() = default;
  explicit Handle(hid_t id) : id_(id) {}
  Handle(Handle&& other) noexcept
      : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Handle() { close(); }

  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }
  /// Another closes it.
  hid_t release() { return std::exchange(id_, H5I_INVALID_HID); }
  /// False when the library could not.
  bool close();

 private:
  hid_t id_ = H5I_INVALID_HID;
};

/// Kind::kFormat: `what`, and what the library said of its last call on this
/// thread, which failed.
[[noreturn]] void fail_call(std::string_view prefix, std::string_view what);

/// Whether that is what failed in the library's last call on this thread.
bool last_failure_is(std::string_view innermost);

template <class Status>
Status check(Status status, std::string_view prefix, std::string_view what) {
  if (status < 0) fail_call(prefix, what);
  return status;
}

inline Handle open(hid_t id, std::string_view prefix, std::string_view what) {
  return Handle(check(id, prefix, what));
}

/// The names that an iteration of the library's meets; its callback may not
/// throw.
class Names {
 public:
  template <class Info>
  static herr_t note(hid_t, const char* name, const Info*, void* names) {
    auto& self = *static_cast<Names*>(names);
    try {
      self.names_.emplace_back(name);
    } catch (...) {
      self.error_ = std::current_exception();
      return -1;
    }
    return 0;
  }
  /// After it gave `status`.
  std::vector<std::string> take(herr_t status, std::string_view prefix,
                                std::string_view what);

 private:
  std::vector<std::string> names_;
  std::exception_ptr error_;
};

/// "1.10.8"
std::string library_version();

}  // namespace ptutils::detail::hdf5
