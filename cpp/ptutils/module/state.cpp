#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "ptutils/common/names.h"
#include "ptutils/module/state_part.h"
#include "ptutils/module/state_visit.h"

// A module's state: taken, and loaded once it is known to fit (state_check.cpp;
// a part of it: state_select.cpp).

namespace ptutils {

namespace detail {

namespace {
thread_local std::vector<const Module*> active;
}  // namespace

Active::Active(const Module* module) { active.push_back(module); }
Active::~Active() { active.pop_back(); }
bool Active::has(const Module* module) {
  return std::find(active.begin(), active.end(), module) != active.end();
}

bool is_state(const Meta& meta, std::string_view name) {
  auto has = [name](const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (meta.include && !has(*meta.include)) return false;
  return !has(meta.exclude);
}

namespace {

/// An entry of a dict, whose key may be a number; nullptr where there is none.
const Value* entry(const Dict& state, std::string_view name) {
  if (const Value* direct = state.find(name)) return direct;
  std::int64_t index = 0;
  const char* end = name.data() + name.size();
  auto [at, error] = std::from_chars(name.data(), end, index);
  const bool number = error == std::errc() && at == end;
  return number ? state.find(Key(index)) : nullptr;
}

/// Items of a list, by their numbers.
Dict numbered(const List& list) {
  Dict out;
  for (std::size_t i = 0; i < list.items.size(); ++i)
    out.set(str(i), list.items[i]);
  return out;
}

}  // namespace

void StateIndex::gather() {
  if (gathered_) return;
  gathered_ = true;
  for (const auto& [key, value] : state_) {
    const auto* text = std::get_if<std::string>(&key);
    auto dot = text ? text->find('.') : std::string::npos;
    if (dot == std::string::npos) continue;
    Value& group = groups_[text->substr(0, dot)];
    if (group.is_null()) group = Value(Dict());
    group.as_dict().set(text->substr(dot + 1), value);
  }
  for (auto& [name, group] : groups_) {  // with what stands there nested
    const Value* nested = state_.find(name);
    if (!nested || !nested->is_dict()) continue;
    Dict both = nested->as_dict();
    for (auto& [key, value] : group.as_dict())
      if (!both.find(key)) both.set(key, value);
    group = Value(std::move(both));
  }
}

const Value* StateIndex::first_step(std::string_view key) {
  gather();
  const Value* direct = entry(state_, key);
  if (direct && !direct->is_dict()) return direct;
  auto group = groups_.find(key);
  return group == groups_.end() ? direct : &group->second;
}

const Value* StateIndex::find(std::string_view name) {
  auto dot = name.find('.');
  const Value* at = first_step(name.substr(0, dot));
  if (!at || dot == std::string_view::npos) return at;
  std::string first(name.substr(0, dot));
  if (at->is_list()) {
    Value& items = groups_[first];
    if (items.is_null()) items = Value(numbered(at->as_list()));
    at = &items;
  }
  if (!at->is_dict()) return nullptr;
  auto& deeper = deeper_[std::move(first)];
  if (!deeper) deeper = std::make_unique<StateIndex>(at->as_dict());
  return deeper->find(name.substr(dot + 1));
}

}  // namespace detail

using detail::Active;
using detail::is_state;
using detail::StateIndex;

namespace {

/// Whether a value goes into the state; what cannot be saved is skipped, or is
/// an error where Meta says so.
bool saved(const Meta& meta, std::string_view name, const ValueSlot& slot) {
  if (slot.representable()) return true;
  if (meta.unserializable_is_error)
    fail(Kind::kType, name, "a ", slot.get().repr(60),
         " cannot be saved: exclude the name in the class's Meta, or begin it "
         "with an underscore");
  return false;
}

class StateWriter final : public Fields {
 public:
  StateWriter(const Meta& meta, bool copy) : meta_(meta), copy_(copy) {
    out.kind = DictKind::kState;
  }
  void child(std::string_view name, ChildSlot& slot) override {
    note(name);
    Module* module = slot.get();
    if (!module || !wanted(name) || Active::has(module)) return;
    Value state = module->state_dict(copy_);
    if (state.is_dict() && state.as_dict().empty()) return;
    put(name, std::move(state));
  }
  void value(std::string_view name, ValueSlot& slot) override {
    note(name);
    if (!wanted(name) || !saved(meta_, name, slot)) return;
    Value v = slot.get();
    put(name, copy_ ? v.clone() : std::move(v));
  }
  /// An included name that the object does not have is an error.
  void check_included(const std::string& where) const {
    if (!meta_.include) return;
    for (const std::string& name : *meta_.include)
      if (name != "callbacks" &&
          std::find(names_.begin(), names_.end(), name) == names_.end())
        fail(Kind::kKey, where + ".Meta.include", "no attribute '", name, "'",
             did_you_mean(name, names_));
  }
  Dict out;

 private:
  void note(std::string_view name) {
    if (meta_.include) names_.emplace_back(name.substr(0, name.find('.')));
  }
  bool wanted(std::string_view name) const {
    return is_state(meta_, name.substr(0, name.find('.')));
  }
  void put(std::string_view name, Value value) {
    Dict* at = &out;
    for (auto dot = name.find('.'); dot != std::string_view::npos;
         dot = name.find('.')) {
      Value& group = (*at)[name.substr(0, dot)];
      if (group.is_null()) {
        Dict made;
        made.kind = DictKind::kState;
        group = Value(std::move(made));
      }
      at = &group.as_dict(name);
      name = name.substr(dot + 1);
    }
    at->set(std::string(name), std::move(value));
  }
  const Meta& meta_;
  bool copy_;
  std::vector<std::string> names_;  // seen; kept where Meta includes some
};

class StateLoader final : public Fields {
 public:
  StateLoader(const Meta& meta, const Dict& state)
      : meta_(meta), state_(state) {}
  void child(std::string_view name, ChildSlot& slot) override {
    Module* module = slot.get();
    if (!module || Active::has(module)) return;
    if (!is_state(meta_, name.substr(0, name.find('.')))) return;
    if (const Value* found = state_.find(name)) module->load_partial(*found);
  }
  void value(std::string_view name, ValueSlot& slot) override {
    if (!is_state(meta_, name.substr(0, name.find('.')))) return;
    if (const Value* found = state_.find(name)) slot.set(*found);
  }

 private:
  const Meta& meta_;
  StateIndex state_;
};

}  // namespace

Value Module::state_dict(bool copy) {
  Active guard(this);
  Meta choices = meta();
  StateWriter writer(choices, copy);
  visit(writer);
  writer.check_included(class_name());
  return Value(std::move(writer.out));
}

void Module::load_state_dict(const Value& state) {
  Mismatch found;
  check_state(state, "", true, found);
  if (!found.empty()) detail::fail_load(*this, state, {}, std::move(found));
  load_partial(state);
}

void Module::load_partial(const Value& state) {
  Active guard(this);
  Meta choices = meta();
  StateLoader loader(choices, state.as_dict(class_name()));
  visit(loader);
}

}  // namespace ptutils
