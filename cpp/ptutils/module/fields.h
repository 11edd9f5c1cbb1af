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
  /// Raises what `set` would raise, where that is known, and changes nothing.
  virtual void check(const Value&) const {}
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

/// A member of one of the types that detail::load takes.
template <class T>
class MemberValue final : public ValueSlot {
 public:
  MemberValue(std::string_view name, T& member)
      : name_(name), member_(member) {}
  Value get() const override { return Value(member_); }
  void set(const Value& value) override { detail::load(member_, value, name_); }
  bool fixed() const override { return std::is_same_v<T, Tensor>; }
  void check(const Value& value) const override {
    if constexpr (!std::is_same_v<T, Tensor> && !std::is_same_v<T, Value>) {
      T other;
      detail::load(other, value, name_);
    }
  }

 private:
  std::string_view name_;
  T& member_;
};

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
    MemberValue<T> slot(name, member);
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
