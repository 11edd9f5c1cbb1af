#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "ptutils/module/module.h"
#include "ptutils/module/nesting.h"

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

 private:
  Nesting nesting_;
};

/// Loads a state that was checked. Children that judge their state themselves
/// come first: where one refuses, those before it are put back.
void load_checked(Module& module, const Value& state);

/// Whether the class's Meta lets the name into a state.
bool is_state(const Meta& meta, std::string_view name);

/// Names of a state that may be nested, flat ("net.0.weight") or both at once:
/// one pass over its keys, however many names are then asked for.
class StateIndex {
 public:
  explicit StateIndex(const Dict& state) : state_(state) {}
  /// The entry of that name; where entries "name.…" stand beside it, or in its
  /// place, a Dict of all. nullptr when there is none. Lives as long as this.
  const Value* find(std::string_view name);

 private:
  void gather();
  const Value* first_step(std::string_view key);

  const Dict& state_;
  bool gathered_ = false;
  std::map<std::string, Value, std::less<>> groups_;  // of keys with dots
  std::map<std::string, std::unique_ptr<StateIndex>, std::less<>> deeper_;
};

}  // namespace ptutils::detail
