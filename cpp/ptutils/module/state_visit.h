#pragma once

#include <string>
#include <string_view>

#include "ptutils/module/module.h"

// What taking, checking and loading a state share.

namespace ptutils::detail {

/// A module whose state is being taken or loaded on this thread: a child that
/// is its own ancestor is left out.
class Active {
 public:
  explicit Active(const Module* module);
  ~Active();
  Active(const Active&) = delete;
  Active& operator=(const Active&) = delete;
  static bool has(const Module* module);
};

/// Whether the class's Meta lets the name into a state.
bool is_state(const Meta& meta, std::string_view name);

/// What `state` holds for `name`: the entry, or the entries under "name." of a
/// flat or dotted state, as a Dict. Null pointer in `value` when there is none.
struct Found {
  const Value* value = nullptr;
  Value gathered;
};
void look_up(const Dict& state, std::string_view name, Found& out);

}  // namespace ptutils::detail
