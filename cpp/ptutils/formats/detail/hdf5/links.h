#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ptutils/formats/detail/hdf5/open_file.h"

namespace ptutils::detail::hdf5 {

/// An open group, data set or named type.
struct Object {
  Handle handle;
  H5O_type_t kind = H5O_TYPE_UNKNOWN;
  haddr_t address = HADDR_UNDEF;
};

/// Follows hard and soft links, and none that leave the file.
class Links {
 public:
  explicit Links(OpenFile& file);

  Object root() const;
  bool has(const Object& group, const std::string& name) const;
  /// As they were made where the file knows that, else sorted.
  std::vector<std::string> names(const Object& group,
                                 std::string_view path) const;
  Object open(const Object& group, const std::string& name,
              std::string_view path) const;

 private:
  [[noreturn]] void fail_open(const Object& group, const std::string& name,
                              std::string_view where) const;

  OpenFile& file_;
  Handle access_;
};

/// Flat names are links of groups, 'a.b' being 'b' in 'a', but for "." itself,
/// which no link may be named.
std::string link_of_flat(std::string_view name);
std::string flat_of_link(std::string_view link);

}  // namespace ptutils::detail::hdf5
