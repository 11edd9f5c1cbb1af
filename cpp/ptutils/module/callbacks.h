#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ptutils/module/interval.h"
#include "ptutils/module/module.h"

namespace ptutils {

/// What a handler is told. Built only when somebody listens.
struct Event {
  std::string_view trigger;
  std::int64_t index = 0;  ///< the step (steps done, this one included)
  std::int64_t epoch = 0;
  std::int64_t attempt = 0;
  Tensor loss;               ///< 0-d; of the step, where there is one
  Module* source = nullptr;  ///< who raised it (the session)
  Value arguments;           ///< a Dict: whatever else it was raised with
  Progress progress;
};
using StepInfo = Event;
using Handler = std::function<void(const Event&)>;

/// When a handler runs; empty fields do not restrict.
struct PTUTILS_API Filter {
  std::optional<Interval> every;
  std::optional<Interval> at;  ///< once, at the first moment not before it
  std::optional<Interval> before;
  std::optional<Interval> after;
  bool empty() const { return !every && !at && !before && !after; }
  /// Takes "every", "at", "before", "after" out of a callback's configuration.
  static Filter take_from(Dict& config, const std::string& where);
  void add_to(Dict& config) const;
};
/// Handlers with filters, for Callbacks::on: every(100, f).
PTUTILS_API Handler filtered(const Filter& filter, Handler handler);
PTUTILS_API Handler every(std::int64_t steps, Handler handler);

/// Something that runs at certain moments. It names its triggers; a C++
/// callback overrides both functions, a Python one has methods named as
/// triggers (the bindings answer for it).
class PTUTILS_API Callback : public Module {
 public:
  std::string class_name() const override {
    return "ptutils.callbacks.Callback";
  }
  virtual std::vector<std::string> triggers() const { return {}; }
  virtual void handle(const Event&) {}
};

/// A registry of callbacks by trigger. Trigger names are the user's to invent:
/// interned, lower case with underscores. A trigger nobody listens to costs one
/// look-up by id and one test. Handlers run in order of registration, on the
/// caller's thread; an exception leaves `call` at once.
class PTUTILS_API Callbacks {
 public:
  using TriggerId = std::int32_t;
  /// The id of a name, made when new. Ids are process-wide.
  static TriggerId intern(std::string_view trigger);
  static std::string_view trigger_name(TriggerId id);
  /// The triggers that ptutils raises, in order: start_of_session
  /// start_of_stage start_of_epoch start_of_training_step after_forward
  /// after_backward end_of_training_step start_of_validation end_of_validation
  /// end_of_epoch end_of_stage before_save after_save on_edit on_rollback
  /// on_pause on_exception end_of_session. The stage is the training: it begins
  /// and ends with each run, also with one that goes on or is paused.
  static const std::vector<std::string>& known_triggers();

  /// By instance. Kind::kValue when it has no trigger.
  void add(std::shared_ptr<Callback> callback, const Filter& filter = {});
  /// By name: exact, else case-insensitive if unique, else Kind::kNotFound with
  /// the nearest names, at once; the instance is made at the first call (so
  /// that a user's class defined meanwhile shadows a built-in one).
  void add(std::string name, Dict arguments = {}, const Filter& filter = {});
  void remove(const Callback& callback);
  /// A plain function (C++, or wrapped by the bindings).
  void on(std::string_view trigger, Handler handler);

  /// True when somebody listens: build the event only then. (Makes the
  /// instances that wait by name.)
  bool listening(TriggerId trigger);
  void call(TriggerId trigger, const Event& event);
  void call(std::string_view trigger, const Event& event) {
    call(intern(trigger), event);
  }

  /// In order of registration (makes the instances that wait by name).
  std::vector<std::shared_ptr<Callback>> list();
  /// The same as configurations, which build them again: {func, its arguments,
  /// every, at, before, after}; of one that has no configuration its func and
  /// filter. Plain functions (`on`) have no name to be built by.
  List to_config();
  /// Slots of the registered callbacks, for visitors (garbage collector).
  void visit(const std::function<void(ChildSlot&)>& f);
  /// Drops everything.
  void clear();

 private:
  struct Entry;
  struct Listener;
  // Replaced, never changed in place: a handler may add and remove.
  using Listeners = std::shared_ptr<const std::vector<Listener>>;
  void resolve();
  void listen(const std::shared_ptr<Entry>& entry, TriggerId trigger);
  void listen_to_all(const std::shared_ptr<Entry>& entry);
  void forget(const std::shared_ptr<Entry>& entry);

  std::vector<std::shared_ptr<Entry>> entries_;  // in order of registration
  std::vector<Listeners> listeners_;             // by trigger id
  std::int64_t next_order_ = 0;
  bool pending_ = false;  // some entry waits by name

 public:
  Callbacks();
  ~Callbacks();
  Callbacks(const Callbacks&) = delete;
  Callbacks& operator=(const Callbacks&) = delete;
};

}  // namespace ptutils
