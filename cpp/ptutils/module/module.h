#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ptutils/module/fields.h"
#include "ptutils/module/value.h"

namespace ptutils {

class Callbacks;

/// Saved name -> name here; either may be a prefix, "" the root.
using Remap = std::vector<std::pair<std::string, std::string>>;

/// How much of a state load_state_dict takes. `only_…` look at a name as it was
/// saved and as it is here; at most one of them is given.
struct LoadOptions {
  /// Full dotted names ("net.conv1.weight"), prefixes of them ("net.conv1") or
  /// globs of either ("net.*.bias", "layers.[0-3]": glob_match, so that `*`
  /// crosses dots). One that fits nothing is an error.
  std::optional<std::vector<std::string>> only_names;
  /// Or: an regular expression found anywhere in the full name.
  std::optional<std::string> only_regex;
  /// Or: what says of a full name whether it is taken.
  std::function<bool(const std::string&)> only_if;
  /// The longest saved name that fits counts: {"module", ""} strips,
  /// {"", "net"} adds.
  Remap remap;
  /// Also renames as the error of a mismatch would propose.
  bool suggested = false;
  /// Tensors of equal shape take the module's dtype, unless that would lose
  /// their kind (bool < integer < float < complex).
  bool cast = false;
  /// false: names missing on either side are left alone; shapes and dtypes must
  /// agree even so.
  bool strict = true;

  bool filtered() const { return only_names || only_regex || only_if; }
  /// All of the state, exactly.
  bool whole() const {
    return !filtered() && remap.empty() && !suggested && !cast && strict;
  }
};

/// What a partial load left alone.
struct Loaded {
  std::vector<std::string> missing;  ///< here and asked for, not in the state
  std::vector<std::string> unexpected;  ///< in the part asked for, not here
};

/// What does not fit, collected over the whole tree before anything is changed.
struct PTUTILS_API Mismatch {
  std::vector<std::string> missing;     ///< here, not in the state
  std::vector<std::string> unexpected;  ///< in the state, not here
  std::vector<std::string> different;   ///< "name: shape (2, 3) f32, not …"
  std::vector<std::string> advice;      ///< what would help, a line each
  bool empty() const {
    return missing.empty() && unexpected.empty() && different.empty();
  }
  /// One Kind::kState error that lists all, with the nearest names.
  [[noreturn]] void raise(std::string_view where) const;
};

/// What a class says of its state (Python: the nested `class Meta`).
struct Meta {
  std::vector<std::string> exclude;                 ///< names never saved
  std::optional<std::vector<std::string>> include;  ///< only these are saved
  bool unserializable_is_error = false;             ///< 'skip' | 'error'
  std::int64_t version =
      1;  ///< of the state's layout; upgrades are the class's
};

/// The one base class: callable, with a state that comes and goes. C++ members
/// are enumerated by `fields`; attributes of another language (Python's
/// instance __dict__) by `dynamic_fields`, which only the bindings override.
///
/// Never hold a Module by weak_ptr or shared_from_this (objects born in Python
/// have neither). Not thread-safe; a part that runs on threads says so.
class PTUTILS_API Module {
 public:
  Module() = default;
  virtual ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// The dotted Python name of the class: "ptutils.nn.Linear".
  virtual std::string class_name() const { return "ptutils.Module"; }

  virtual void fields(Fields&) {}
  virtual void dynamic_fields(Fields&) {}
  virtual Meta meta() const { return {}; }
  /// Both, and the callbacks as children "callbacks.NAME". A child inside a
  /// list or dict attribute has a dotted name: "layers.0".
  void visit(Fields& f);

  /// The state at this moment: a Dict (kind State) of the fields' values and
  /// the children's states. copy: tensors are cloned, so that it stays what it
  /// was; otherwise they alias the module's. A child that is its own ancestor
  /// is left out. Overridable: what counts as state is the class's to say.
  virtual Value state_dict(bool copy = true);
  /// Back to exactly that state, whole; a Dict that was nested or flat
  /// ("net.0.weight"). Nothing is changed when it does not fit.
  virtual void load_state_dict(const Value& state);
  /// Any part of it. Nothing is changed when what is taken does not fit.
  Loaded load_state_dict(const Value& state, const LoadOptions& options);
  /// Compares without changing: names under `prefix` go to `out`. Part of
  /// load_state_dict; overridden by what wraps objects of another language.
  virtual void check_state(const Value& state, const std::string& prefix,
                           bool strict, Mismatch& out);
  /// Loads what `state` has and leaves the rest alone (after check_state).
  virtual void load_partial(const Value& state);

  /// Whether only loading tells if it takes a state (it has its own say, in
  /// another language): then its state is loaded before that of the others.
  virtual bool loads_itself() const { return false; }

  /// __call__. The base throws Kind::kNotImplemented, naming the class.
  virtual Value call(const Value& arguments);

  /// Keyword arguments that rebuild it, with "func" = class_name() first; a
  /// child appears as its own configuration. Kind::kState when the class cannot
  /// say (then the error names the class and what to give).
  virtual Value to_config();

  /// Direct children by attribute name, in order.
  std::vector<std::pair<std::string, ModulePtr>> named_children();
  /// This subtree by dotted name, parents first, "" for itself (not included:
  /// a bare pointer cannot be shared), each module once.
  std::vector<std::pair<std::string, ModulePtr>> named_modules();
  /// Runs f over every descendant, children before parents.
  void apply(const std::function<void(Module&)>& f);

  /// train(false) is eval(): Dropout passes through. Handed to all children.
  virtual void train(bool mode = true);
  bool training() const { return training_; }
  /// Its own mode; the children keep theirs.
  void set_training(bool mode) { training_ = mode; }

  /// Made on first use.
  Callbacks& callbacks();
  bool has_callbacks() const { return callbacks_ != nullptr; }

  /// A tree, one line a module.
  std::string repr();
  /// What repr() shows behind the class: "size=3"; empty: nothing.
  virtual std::string extra_repr() { return {}; }

  /// Above 0 while C++ threads may touch the tree (set holding the GIL, before
  /// it is released): the garbage collector then leaves it alone.
  std::atomic<int> running{0};

 private:
  bool training_ = true;
  std::shared_ptr<Callbacks> callbacks_;
};

/// A Module inside a Value (a built part of a configuration).
class PTUTILS_API ModuleHandle final : public Opaque {
 public:
  explicit ModuleHandle(ModulePtr module) : module(std::move(module)) {}
  ~ModuleHandle() override;
  std::string type_name() const override;
  ModulePtr module;
};
PTUTILS_API Value handle(ModulePtr module);
/// The module in it, or nullptr.
PTUTILS_API ModulePtr module_in(const Value& value);

}  // namespace ptutils
