#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace ptutils::detail {

/// That these bytes are a map of that file. A process that touches a page which
/// another program has cut off its file gets SIGBUS: for the first note a
/// handler is installed that says which file, and then leaves the signal to
/// what handled it before.
class MapNote {
 public:
  /// The 1024 oldest maps are noted.
  MapNote(const std::byte* begin, std::size_t size, std::string path);
  ~MapNote();
  MapNote(const MapNote&) = delete;
  MapNote& operator=(const MapNote&) = delete;

 private:
  const std::string path_;
  int place_ = -1;
};

}  // namespace ptutils::detail
