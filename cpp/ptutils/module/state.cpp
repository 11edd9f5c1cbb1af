#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "ptutils/common/names.h"
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

std::optional<std::int64_t> index_of(std::string_view name) {
  std::int64_t index = 0;
  auto [end, error] =
      std::from_chars(name.data(), name.data() + name.size(), index);
  if (error != std::errc() || end != name.data() + name.size()) return {};
  return index;
}

/// An entry of a dict, whose key may be a number; nullptr where there is none.
const Value* entry(const Dict& state, std::string_view name) {
  if (const Value* direct = state.find(name)) return direct;
  auto index = index_of(name);
  return index ? state.find(Key(*index)) : nullptr;
}

/// What stands at `name` in a group: a dict, or a list of items.
void look_up_in(const Value& group, std::string_view name, Found& out) {
  if (group.is_dict()) return look_up(group.as_dict(), name, out);
  const auto& items = group.as_list().items;
  const auto dot = name.find('.');
  auto index = index_of(name.substr(0, dot));
  if (!index || *index < 0 || *index >= std::ssize(items)) return;
  const Value& item = items[static_cast<std::size_t>(*index)];
  if (dot == std::string_view::npos)
    out.value = &item;
  else if (item.is_dict() || item.is_list())
    look_up_in(item, name.substr(dot + 1), out);
}

}  // namespace

void look_up(const Dict& state, std::string_view name, Found& out) {
  if (const Value* direct = entry(state, name)) {
    out.value = direct;
    return;
  }
  if (name.find('.') != std::string_view::npos) {  // an item of a list or dict
    auto dot = name.find('.');
    if (const Value* group = entry(state, name.substr(0, dot));
        group && (group->is_dict() || group->is_list()))
      return look_up_in(*group, name.substr(dot + 1), out);
  }
  Dict under;
  for (const auto& [key, value] : state) {
    const auto* text = std::get_if<std::string>(&key);
    if (text && text->size() > name.size() + 1 && text->starts_with(name) &&
        (*text)[name.size()] == '.')
      under.set(text->substr(name.size() + 1), value);
  }
  if (under.empty()) return;
  out.gathered = Value(std::move(under));
  out.value = &out.gathered;
}

}  // namespace detail

using detail::Active;
using detail::Found;
using detail::is_state;
using detail::look_up;

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
    Found found;
    look_up(state_, name, found);
    if (found.value) module->load_partial(*found.value);
  }
  void value(std::string_view name, ValueSlot& slot) override {
    if (!is_state(meta_, name.substr(0, name.find('.')))) return;
    Found found;
    look_up(state_, name, found);
    if (found.value) slot.set(*found.value);
  }

 private:
  const Meta& meta_;
  const Dict& state_;
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
  if (!found.empty()) found.raise(class_name());
  load_partial(state);
}

void Module::load_partial(const Value& state) {
  Active guard(this);
  Meta choices = meta();
  StateLoader loader(choices, state.as_dict(class_name()));
  visit(loader);
}

}  // namespace ptutils
