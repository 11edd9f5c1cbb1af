#include "ptutils/module/module.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include "ptutils/common/names.h"
#include "ptutils/module/callbacks.h"

namespace ptutils {

namespace {

/// Modules whose state is being taken or loaded on this thread: a child that is
/// its own ancestor is left out.
thread_local std::vector<const Module*> active;

class Active {
 public:
  explicit Active(const Module* module) { active.push_back(module); }
  ~Active() { active.pop_back(); }
  Active(const Active&) = delete;
  Active& operator=(const Active&) = delete;
  static bool has(const Module* module) {
    return std::find(active.begin(), active.end(), module) != active.end();
  }
};

bool is_state(const Meta& meta, std::string_view name) {
  auto has = [name](const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (meta.include && !has(*meta.include)) return false;
  return !has(meta.exclude);
}

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

bool is_callback(std::string_view name) {
  return name.starts_with("callbacks.");
}

std::string describe(const Value& v) {
  if (!v.is_tensor()) return std::string(v.type_name());
  const Tensor& t = v.as_tensor();
  return str("shape ", t.shape_str(), " ", name(t.dtype()));
}

/// What `state` holds for `name`: the entry, or the entries under "name." of a
/// flat or dotted state, as a Dict. Null pointer in `value` when there is none.
struct Found {
  const Value* value = nullptr;
  Value gathered;
};

void look_up(const Dict& state, std::string_view name, Found& out) {
  if (const Value* direct = state.find(name)) {
    out.value = direct;
    return;
  }
  if (name.find('.') != std::string_view::npos) {  // an item of a list or dict
    auto dot = name.find('.');
    if (const Value* group = state.find(name.substr(0, dot));
        group && group->is_dict()) {
      look_up(group->as_dict(), name.substr(dot + 1), out);
      return;
    }
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

class StateWriter final : public Fields {
 public:
  StateWriter(const Meta& meta, bool copy) : meta_(meta), copy_(copy) {
    out.kind = DictKind::kState;
  }
  void child(std::string_view name, ChildSlot& slot) override {
    Module* module = slot.get();
    if (!module || !wanted(name) || Active::has(module)) return;
    Value state = module->state_dict(copy_);
    if (state.is_dict() && state.as_dict().empty()) return;
    put(name, std::move(state));
  }
  void value(std::string_view name, ValueSlot& slot) override {
    if (!wanted(name) || !saved(meta_, name, slot)) return;
    Value v = slot.get();
    put(name, copy_ ? v.clone() : std::move(v));
  }
  Dict out;

 private:
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
};

/// Leaf names of a state, for "missing" lists.
void list_leaves(const Value& state, const std::string& prefix,
                 std::vector<std::string>& out) {
  if (!state.is_dict() || state.as_dict().empty()) {
    out.push_back(prefix);
    return;
  }
  for (const auto& [key, value] : state.as_dict())
    list_leaves(value, prefix + "." + to_string(key), out);
}

class StateChecker final : public Fields {
 public:
  StateChecker(const Meta& meta, const Dict& state, const std::string& prefix,
               bool strict, Mismatch& out)
      : meta_(meta), state_(state), prefix_(prefix), strict_(strict),
        out_(out) {}

  void child(std::string_view name, ChildSlot& slot) override {
    Module* module = slot.get();
    if (!module || Active::has(module)) return;
    if (!is_state(meta_, name.substr(0, name.find('.')))) return;
    seen_.insert(std::string(name));
    Found found;
    look_up(state_, name, found);
    if (!found.value) {
      Value state = module->state_dict(false);
      bool empty = state.is_dict() && state.as_dict().empty();
      if (!empty && !is_callback(name))
        list_leaves(state, prefix_ + std::string(name), out_.missing);
      return;
    }
    module->check_state(*found.value, prefix_ + std::string(name) + ".",
                        strict_, out_);
  }

  void value(std::string_view name, ValueSlot& slot) override {
    if (!is_state(meta_, name.substr(0, name.find('.')))) return;
    if (!slot.representable()) return;
    seen_.insert(std::string(name));
    Found found;
    look_up(state_, name, found);
    if (!found.value) {
      out_.missing.push_back(prefix_ + std::string(name));
      return;
    }
    if (!slot.fixed()) return;
    Value mine = slot.get();
    const Value& theirs = *found.value;
    bool same = mine.type() == theirs.type();
    if (same && mine.is_tensor())
      same = mine.as_tensor().shape() == theirs.as_tensor().shape() &&
             mine.as_tensor().dtype() == theirs.as_tensor().dtype();
    if (!same)
      out_.different.push_back(str(prefix_, name, ": ", describe(theirs),
                                   ", here ", describe(mine)));
  }

  /// Names of the state that no field asked for.
  void finish() {
    for (const auto& [key, value] : state_) {
      std::string name = to_string(key);
      if (seen_.contains(name) || is_callback(name) || name == "callbacks")
        continue;
      if (!is_state(meta_, name.substr(0, name.find('.')))) continue;
      if (group_seen(name)) {
        unexpected_in_group(name, value);
      } else if (!prefix_seen(name)) {
        list_leaves(value, prefix_ + name, out_.unexpected);
      }
    }
  }

 private:
  bool group_seen(const std::string& name) const {
    auto next = seen_.lower_bound(name + ".");
    return next != seen_.end() && next->starts_with(name + ".");
  }
  bool prefix_seen(const std::string& name) const {
    for (auto dot = name.find('.'); dot != std::string::npos;
         dot = name.find('.', dot + 1))
      if (seen_.contains(name.substr(0, dot))) return true;
    return false;
  }
  void unexpected_in_group(const std::string& name, const Value& value) {
    if (!value.is_dict()) return;
    for (const auto& [key, item] : value.as_dict()) {
      std::string full = name + "." + to_string(key);
      if (seen_.contains(full) || prefix_seen(full)) continue;
      if (group_seen(full)) {
        unexpected_in_group(full, item);
      } else {
        list_leaves(item, prefix_ + full, out_.unexpected);
      }
    }
  }

  const Meta& meta_;
  const Dict& state_;
  const std::string& prefix_;
  bool strict_;
  Mismatch& out_;
  std::set<std::string> seen_;
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

class ChildCollector final : public Fields {
 public:
  void child(std::string_view name, ChildSlot& slot) override {
    if (slot.get()) out.emplace_back(std::string(name), slot.share());
  }
  void value(std::string_view, ValueSlot&) override {}
  std::vector<std::pair<std::string, ModulePtr>> out;
};

void collect_modules(Module& module, const std::string& prefix,
                     std::unordered_set<const Module*>& seen,
                     std::vector<std::pair<std::string, ModulePtr>>& out) {
  for (auto& [name, child] : module.named_children()) {
    if (!seen.insert(child.get()).second) continue;
    std::string full = prefix.empty() ? name : prefix + "." + name;
    out.emplace_back(full, child);
    collect_modules(*child, full, seen, out);
  }
}

/// Flat names and leaves: through dicts with text keys only (an optimizer's
/// integer keys belong to its one leaf).
void flatten_names(const Value& value, const std::string& prefix, Dict& out) {
  bool nested = value.is_dict() && !value.as_dict().empty();
  if (nested)
    for (const auto& [key, item] : value.as_dict())
      nested = nested && std::holds_alternative<std::string>(key);
  if (!nested) {
    out.set(prefix, value);
    return;
  }
  for (const auto& [key, item] : value.as_dict())
    flatten_names(item, prefix.empty() ? to_string(key)
                                       : prefix + "." + to_string(key), out);
}

bool under(const std::string& name, const std::string& prefix) {
  return name == prefix ||
         (name.size() > prefix.size() && name.starts_with(prefix) &&
          name[prefix.size()] == '.');
}

std::string renamed(const std::string& name, const LoadOptions& options) {
  for (const auto& [from, to] : options.remap)
    if (under(name, from)) return to + name.substr(from.size());
  return name;
}

/// The part of a state that the options take, flat, under the names here.
Dict selected(const Value& state, const LoadOptions& options) {
  Dict flat;
  flatten_names(state, "", flat);
  std::set<std::string> unused;
  if (options.only_names)
    unused.insert(options.only_names->begin(), options.only_names->end());
  std::regex pattern;
  if (options.only_regex) {
    try {
      pattern.assign(*options.only_regex);
    } catch (const std::regex_error& e) {
      fail(Kind::kValue, "load_state_dict", "only='", *options.only_regex,
           "' is not a regular expression: ", e.what());
    }
  }
  Dict out;
  for (const auto& [key, value] : flat) {
    std::string saved = to_string(key), here = renamed(saved, options);
    bool take = true;
    if (options.only_names) {
      take = false;
      for (const std::string& wanted : *options.only_names)
        if (under(saved, wanted) || under(here, wanted)) {
          take = true;
          unused.erase(wanted);
        }
    }
    if (options.only_regex)
      take = take && (std::regex_search(saved, pattern) ||
                      std::regex_search(here, pattern));
    if (take) out.set(here, value);
  }
  if (!unused.empty())
    fail(Kind::kKey, "load_state_dict", "the state has no '", *unused.begin(),
         "'", did_you_mean(*unused.begin(), flat.keys()));
  return out;
}

void repr_tree(Module& module, const std::string& name, int depth,
               std::unordered_set<const Module*>& seen, std::string& out) {
  out += std::string(static_cast<std::size_t>(depth) * 2, ' ');
  if (!name.empty()) out += name + ": ";
  std::string type = module.class_name();
  out += type.substr(type.rfind('.') + 1);
  if (!seen.insert(&module).second) {
    out += " (above)\n";
    return;
  }
  out += "\n";
  for (auto& [child_name, child] : module.named_children())
    repr_tree(*child, child_name, depth + 1, seen, out);
}

}  // namespace

Module::~Module() = default;
ModuleHandle::~ModuleHandle() = default;

std::string ModuleHandle::type_name() const {
  return module ? module->class_name() : "Module";
}

Value handle(ModulePtr module) {
  return Value(std::shared_ptr<Opaque>(
      std::make_shared<ModuleHandle>(std::move(module))));
}

ModulePtr module_in(const Value& value) {
  if (!value.is_opaque()) return nullptr;
  auto found = std::dynamic_pointer_cast<ModuleHandle>(value.as_opaque());
  return found ? found->module : nullptr;
}

void Mismatch::raise(std::string_view where) const {
  std::string text;
  if (!missing.empty()) {
    text += "\n  missing in the state: ";
    for (std::size_t i = 0; i < missing.size(); ++i) {
      if (i) text += ", ";
      text += missing[i];
      auto near = nearest_names(missing[i], unexpected, 1);
      if (!near.empty()) text += " (the state has " + near[0] + ")";
    }
  }
  if (!unexpected.empty())
    text += "\n  unexpected in the state: " +
            join(unexpected, ", ", unexpected.size());
  for (const std::string& line : different) text += "\n  differs: " + line;
  fail(Kind::kState, where, "the state does not fit; nothing was changed:",
       text,
       "\n  load a part with only=…, rename with remap={old: new}, or accept "
       "other names with strict=False");
}

void Module::visit(Fields& f) {
  fields(f);
  dynamic_fields(f);
  if (!callbacks_) return;
  std::set<std::string> used;
  callbacks_->visit([&](ChildSlot& slot) {
    if (!slot.get()) return;
    std::string type = slot.get()->class_name();
    std::string base = "callbacks." + type.substr(type.rfind('.') + 1);
    std::string name = base;
    for (int n = 2; !used.insert(name).second; ++n)
      name = str(base, "_", n);
    f.child(name, slot);
  });
}

Value Module::state_dict(bool copy) {
  Active guard(this);
  Meta choices = meta();
  StateWriter writer(choices, copy);
  visit(writer);
  return Value(std::move(writer.out));
}

void Module::load_state_dict(const Value& state) {
  Mismatch found;
  check_state(state, "", true, found);
  if (!found.empty()) found.raise(class_name());
  load_partial(state);
}

void Module::load_state_dict(const Value& state, const LoadOptions& options) {
  if (options.whole() && options.strict) return load_state_dict(state);
  Value part = options.whole() ? state : Value(selected(state, options));
  Mismatch found;
  check_state(part, "", options.strict, found);
  found.missing.clear();  // a part was asked for, or any names
  if (!options.strict) found.unexpected.clear();
  if (!found.empty()) found.raise(class_name());
  load_partial(part);
}

void Module::check_state(const Value& state, const std::string& prefix,
                         bool strict, Mismatch& out) {
  if (!state.is_dict()) {
    out.different.push_back(
        str(prefix.empty() ? "state" : prefix.substr(0, prefix.size() - 1),
            ": a ", state.type_name(), ", not a dict"));
    return;
  }
  Active guard(this);
  Meta choices = meta();
  StateChecker checker(choices, state.as_dict(), prefix, strict, out);
  visit(checker);
  checker.finish();
}

void Module::load_partial(const Value& state) {
  Active guard(this);
  Meta choices = meta();
  StateLoader loader(choices, state.as_dict(class_name()));
  visit(loader);
}

Value Module::call(const Value&) {
  fail(Kind::kNotImplemented, class_name(),
       "is not callable: define __call__ in the class");
}

Value Module::to_config() {
  fail(Kind::kState, class_name(),
       "cannot say its configuration: define to_config in the class");
}

std::vector<std::pair<std::string, ModulePtr>> Module::named_children() {
  ChildCollector collector;
  visit(collector);
  return std::move(collector.out);
}

std::vector<std::pair<std::string, ModulePtr>> Module::named_modules() {
  std::unordered_set<const Module*> seen{this};
  std::vector<std::pair<std::string, ModulePtr>> out;
  collect_modules(*this, "", seen, out);
  return out;
}

void Module::apply(const std::function<void(Module&)>& f) {
  auto modules = named_modules();
  for (auto it = modules.rbegin(); it != modules.rend(); ++it) f(*it->second);
}

void Module::train(bool mode) {
  if (Active::has(this)) return;
  Active guard(this);
  training_ = mode;
  for (auto& [name, child] : named_children()) child->train(mode);
}

Callbacks& Module::callbacks() {
  if (!callbacks_) callbacks_ = std::make_shared<Callbacks>();
  return *callbacks_;
}

std::string Module::repr() {
  std::string out;
  std::unordered_set<const Module*> seen;
  repr_tree(*this, "", 0, seen, out);
  out.pop_back();
  return out;
}

}  // namespace ptutils
