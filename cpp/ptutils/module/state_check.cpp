#include <set>

#include "ptutils/common/names.h"
#include "ptutils/module/state_visit.h"

// Whether a state fits a module: every name and shape, before anything changes.

namespace ptutils {

using detail::Active;
using detail::is_state;
using detail::StateIndex;

namespace {

bool is_callback(std::string_view name) {
  return name.starts_with("callbacks.");
}

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
      : meta_(meta),
        state_(state),
        index_(state),
        prefix_(prefix),
        strict_(strict),
        out_(out) {}

  void child(std::string_view name, ChildSlot& slot) override {
    Module* module = slot.get();
    if (!module || Active::has(module)) return;
    if (!is_state(meta_, name.substr(0, name.find('.')))) return;
    seen_.insert(std::string(name));
    const Value* found = index_.find(name);
    detail::ChildPath here(name);
    if (!found) {
      Value state = module->state_dict(false);
      bool empty = state.is_dict() && state.as_dict().empty();
      if (!empty && !is_callback(name))
        list_leaves(state, prefix_ + std::string(name), out_.missing);
      return;
    }
    module->check_state(*found, prefix_ + std::string(name) + ".", strict_,
                        out_);
  }

  void value(std::string_view name, ValueSlot& slot) override {
    if (!is_state(meta_, name.substr(0, name.find('.')))) return;
    if (!slot.representable()) return;
    seen_.insert(std::string(name));
    const Value* found = index_.find(name);
    if (!found) {
      out_.missing.push_back(prefix_ + std::string(name));
      return;
    }
    if (!slot.fixed()) return check_plain(name, slot, *found);
    Value mine = slot.get();
    const Value& theirs = *found;
    bool same = mine.type() == theirs.type();
    if (same && mine.is_tensor())
      same = mine.as_tensor().shape() == theirs.as_tensor().shape() &&
             mine.as_tensor().dtype() == theirs.as_tensor().dtype();
    if (!same)
      out_.different.push_back(str(prefix_, name, ": ", theirs.summary(),
                                   ", here ", mine.summary()));
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
  /// Any value, as far as the place takes it.
  void check_plain(std::string_view name, const ValueSlot& slot,
                   const Value& theirs) {
    try {
      slot.check(theirs);
    } catch (const Error&) {
      out_.different.push_back(str(prefix_, name, ": ", theirs.summary(),
                                   ", here ", slot.get().summary()));
    }
  }
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
    auto look_at = [&](const std::string& full, const Value& item) {
      if (seen_.contains(full) || prefix_seen(full)) return;
      if (group_seen(full)) {
        unexpected_in_group(full, item);
      } else {
        list_leaves(item, prefix_ + full, out_.unexpected);
      }
    };
    if (value.is_dict())
      for (const auto& [key, item] : value.as_dict())
        look_at(name + "." + to_string(key), item);
    if (value.is_list())
      for (std::size_t i = 0; i < value.as_list().items.size(); ++i)
        look_at(str(name, ".", i), value.as_list().items[i]);
  }

  const Meta& meta_;
  const Dict& state_;
  StateIndex index_;
  const std::string& prefix_;
  bool strict_;
  Mismatch& out_;
  std::set<std::string> seen_;
};

}  // namespace

namespace {

// The edit distances of more pairs of names take too long.
constexpr std::size_t kPairsCompared = 10'000;

void list_names(const Mismatch& found, std::string& text) {
  bool near_too =
      found.missing.size() * found.unexpected.size() <= kPairsCompared;
  for (std::size_t i = 0; i < found.missing.size(); ++i) {
    text += i ? ", " : "\n  missing in the state: ";
    text += found.missing[i];
    if (!near_too) continue;
    auto near = nearest_names(found.missing[i], found.unexpected, 1);
    if (!near.empty()) text += " (the state has " + near[0] + ")";
  }
  if (!found.unexpected.empty())
    text += "\n  unexpected in the state: " +
            join(found.unexpected, ", ", found.unexpected.size());
  for (const std::string& line : found.different)
    text += "\n  differs: " + line;
}

}  // namespace

void Mismatch::raise(std::string_view where) const {
  std::string text;
  list_names(*this, text);
  for (const std::string& line : advice) text += "\n  " + line;
  if (!unexpected.empty())
    text +=
        "\n  (an attribute that a class first sets while it runs: set it in "
        "__init__, so that it is there to be loaded)";
  fail(Kind::kState, where,
       "the state does not fit; nothing was changed:", text,
       "\n  load a part with only=…, rename with remap={old: new}, or accept "
       "other names with strict=False");
}

void Module::check_state(const Value& state, const std::string& prefix,
                         bool strict, Mismatch& out) {
  if (!state.is_dict()) {
    out.different.push_back(
        str(prefix.empty() ? "state" : prefix.substr(0, prefix.size() - 1),
            ": a ", state.type_name(), ", not a dict",
            state.is_string() ? "; State(path) reads a file" : ""));
    return;
  }
  Active guard(this);
  Meta choices = meta();
  StateChecker checker(choices, state.as_dict(), prefix, strict, out);
  visit(checker);
  checker.finish();
}

}  // namespace ptutils
