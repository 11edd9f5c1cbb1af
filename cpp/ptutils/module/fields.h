#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "ptutils/module/value.h"

namespace ptutils {

class Module;
using ModulePtr = std::shared_ptr<Module>;

/// A place that holds a child Module, of whatever static type.
class PTUTILS_API ChildSlot {
 public:
  virtual ~ChildSlot();
  virtual Module* get() const = 0;
  virtual ModulePtr share() const = 0;
  virtual long use_count() const = 0;
  /// Kind::kType when the module is not what the slot takes.
  virtual void set(ModulePtr module) = 0;
};

/// A place that holds a value. `get` may alias tensors of the module; `set`
/// takes a value of the kind that `get` gave (Kind::kType, kValue otherwise).
class PTUTILS_API ValueSlot {
 public:
  virtual ~ValueSlot();
  virtual Value get() const = 0;
  virtual void set(const Value& value) = 0;
  /// Shape and dtype are fixed (a parameter, a buffer): a load that brings
  /// others is a mismatch. A plain attribute is simply replaced.
  virtual bool fixed() const { return false; }
  /// Whether `get` gives something that can be saved; what cannot is left out
  /// of a state, or is an error where the class's Meta says so.
  virtual bool representable() const { return true; }
};

template <class T>
class TypedChild final : public ChildSlot {
 public:
  explicit TypedChild(std::shared_ptr<T>& slot) : slot_(slot) {}
  Module* get() const override { return slot_.get(); }
  ModulePtr share() const override { return slot_; }
  long use_count() const override { return slot_.use_count(); }
  void set(ModulePtr module) override {
    auto typed = std::dynamic_pointer_cast<T>(module);
    if (module && !typed)
      fail(Kind::kType, "Module", "a child of another type does not fit here");
    slot_ = std::move(typed);
  }

 private:
  std::shared_ptr<T>& slot_;
};

template <class Get, class Set>
class FunctionValue final : public ValueSlot {
 public:
  FunctionValue(Get get, Set set, bool fixed)
      : get_(std::move(get)), set_(std::move(set)), fixed_(fixed) {}
  Value get() const override { return get_(); }
  void set(const Value& value) override { set_(value); }
  bool fixed() const override { return fixed_; }

 private:
  Get get_;
  Set set_;
  bool fixed_;
};

namespace detail {
PTUTILS_API void load(bool& out, const Value& v, std::string_view name);
PTUTILS_API void load(std::int64_t& out, const Value& v, std::string_view name);
PTUTILS_API void load(double& out, const Value& v, std::string_view name);
PTUTILS_API void load(std::string& out, const Value& v, std::string_view name);
PTUTILS_API void load(Value& out, const Value& v, std::string_view name);
/// Copies into the tensor's memory: shape and dtype must agree.
PTUTILS_API void load(Tensor& out, const Value& v, std::string_view name);
}  // namespace detail

/// A visitor over what a Module holds, in declared order. Everything that walks
/// the tree is one: state, load, children, apply, repr, the garbage collector.
/// Slots are lazy: a visitor that only wants children never builds a Value.
///
///     void fields(Fields& f) override { f("net", net_); f("lr", lr_); }
class PTUTILS_API Fields {
 public:
  virtual ~Fields();
  virtual void child(std::string_view name, ChildSlot& slot) = 0;
  virtual void value(std::string_view name, ValueSlot& slot) = 0;

  template <class T>
  requires std::is_base_of_v<Module, T>
  void operator()(std::string_view name, std::shared_ptr<T>& slot) {
    TypedChild<T> typed(slot);
    child(name, typed);
  }
  template <class T>
  requires requires(T& t, const Value& v) { detail::load(t, v, ""); }
  void operator()(std::string_view name, T& member) {
    FunctionValue slot([&] { return Value(member); },
                       [&](const Value& v) { detail::load(member, v, name); },
                       std::is_same_v<T, Tensor>);
    value(name, slot);
  }
  /// A value with its own reader and writer.
  template <class Get, class Set>
  void operator()(std::string_view name, Get get, Set set, bool fixed = false) {
    FunctionValue<Get, Set> slot(std::move(get), std::move(set), fixed);
    value(name, slot);
  }
};

}  // namespace ptutils
