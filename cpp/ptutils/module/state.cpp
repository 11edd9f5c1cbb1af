#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "ptutils/common/log.h"
#include "ptutils/common/names.h"
#include "ptutils/module/state_part.h"
#include "ptutils/module/state_visit.h"

// A module's state: taken, and loaded once it is known to fit (state_check.cpp;
// a part of it: state_select.cpp).

namespace ptutils {

namespace detail {

namespace {
thread_local std::vector<const Module*> active;
thread_local std::vector<std::string> path;
thread_local bool natives_only = false;
}  // namespace

ChildPath::ChildPath(std::string_view name) { path.emplace_back(name); }
ChildPath::~ChildPath() { path.pop_back(); }
std::string ChildPath::now() { return join(path, ".", path.size()); }

Active::Active(const Module* module) : nesting_(*module) {
  active.push_back(module);
}
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
using detail::ChildPath;
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
    ChildPath here(name);
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
    for (auto dot = name.find('.'), from = std::size_t{0};
         dot != std::string_view::npos;
         from = dot + 1, dot = name.find('.', from)) {
      std::string prefix(name.substr(0, dot));
      Value& group = (*at)[name.substr(from, dot - from)];
      if (group.is_null()) {
        Dict made;
        made.kind = DictKind::kState;
        group = Value(std::move(made));
        groups_.insert(prefix);
      } else if (!groups_.contains(prefix)) {
        twice(prefix);
      }
      at = &group.as_dict(name);
    }
    std::string last(name.substr(name.rfind('.') + 1));
    if (at->find(last)) twice(name);
    at->set(std::move(last), std::move(value));
  }
  [[noreturn]] static void twice(std::string_view name) {
    fail(Kind::kValue, name,
         "two attributes, one of them with dots in its name, are this one name "
         "of the state: rename one");
  }
  const Meta& meta_;
  bool copy_;
  std::vector<std::string> names_;  // seen; kept where Meta includes some
  std::set<std::string> groups_;    // dotted, that names with dots made
};

class StateLoader final : public Fields {
 public:
  StateLoader(const Meta& meta, const Dict& state)
      : meta_(meta), state_(state) {}
  void child(std::string_view name, ChildSlot& slot) override {
    Module* module = slot.get();
    if (!module || Active::has(module)) return;
    if (!is_state(meta_, name.substr(0, name.find('.')))) return;
    if (detail::natives_only && module->loads_itself()) return;
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

/// What children that load themselves had, in case that a later one refuses.
class Undo {
 public:
  void load(ModulePtr module, const Value& state) {
    kept_.emplace_back(module, module->state_dict(true));
    loading_ = true;
    module->load_partial(state);
    loading_ = false;
  }
  void run() noexcept {
    for (; !kept_.empty(); kept_.pop_back(), loading_ = false) try {
        auto& [module, state] = kept_.back();
        module->load_partial(state);
      } catch (const std::exception& error) {
        if (loading_) continue;  // it takes nothing: that is the error
        log::warning("load_state_dict: a child could not be put back: ",
                     error.what());
      }
  }

 private:
  std::vector<std::pair<ModulePtr, Value>> kept_;
  bool loading_ = false;  // the last of them
};

/// Loads the children that load themselves, at any depth, and nothing else.
class SelfLoader final : public Fields {
 public:
  SelfLoader(const Meta& meta, const Dict& state, Undo& undo)
      : meta_(meta), state_(state), undo_(undo) {}
  void child(std::string_view name, ChildSlot& slot) override {
    Module* module = slot.get();
    if (!module || Active::has(module)) return;
    if (!is_state(meta_, name.substr(0, name.find('.')))) return;
    const Value* found = state_.find(name);
    if (!found) return;
    ChildPath here(name);
    if (module->loads_itself()) {
      undo_.load(slot.share(), *found);
    } else if (found->is_dict()) {
      walk(*module, found->as_dict(), undo_);
    }
  }
  void value(std::string_view, ValueSlot&) override {}

  static void walk(Module& module, const Dict& state, Undo& undo) {
    Active guard(&module);
    Meta choices = module.meta();
    SelfLoader loader(choices, state, undo);
    module.visit(loader);
  }

 private:
  const Meta& meta_;
  StateIndex state_;
  Undo& undo_;
};

class NativesOnly {
 public:
  NativesOnly() : before_(std::exchange(detail::natives_only, true)) {}
  ~NativesOnly() { detail::natives_only = before_; }
  NativesOnly(const NativesOnly&) = delete;
  NativesOnly& operator=(const NativesOnly&) = delete;

 private:
  bool before_;
};

}  // namespace

void detail::load_checked(Module& module, const Value& state) {
  Undo undo;
  try {
    if (state.is_dict()) SelfLoader::walk(module, state.as_dict(), undo);
    NativesOnly rest;
    module.load_partial(state);
  } catch (...) {
    undo.run();
    throw;
  }
}

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
  detail::load_checked(*this, state);
}

void Module::load_partial(const Value& state) {
  Active guard(this);
  Meta choices = meta();
  StateLoader loader(choices, state.as_dict(class_name()));
  visit(loader);
}

}  // namespace ptutils
