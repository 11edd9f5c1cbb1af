#pragma once

#include <string>
#include <string_view>

#include "ptutils/common/export.h"

namespace ptutils {

class Module;

namespace detail {

/// One step down a tree of modules. Kind::kValue beyond 500 (the limit of
/// values too), where the thread's stack would end at some thousands.
class PTUTILS_API Nesting {
 public:
  explicit Nesting(const Module& module);
  ~Nesting();
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;
};

/// The name of a child whose state is taken, checked or loaded on this thread.
class PTUTILS_API ChildPath {
 public:
  explicit ChildPath(std::string_view name);
  ~ChildPath();
  ChildPath(const ChildPath&) = delete;
  ChildPath& operator=(const ChildPath&) = delete;
  static std::string now();  ///< "net.opt"; empty outside of any
};

}  // namespace detail
}  // namespace ptutils
