#include "ptutils/module/callbacks.h"

#include <algorithm>
#include <utility>

#include "ptutils/module/configuration.h"
#include "ptutils/module/registry.h"

namespace ptutils {
namespace {

bool reached(const Interval& moment, const Progress& at) {
  switch (moment.unit) {
    case Interval::Unit::kSteps:
      return static_cast<double>(at.step) >= moment.amount;
    case Interval::Unit::kSeconds:
      return at.seconds >= moment.amount;
    case Interval::Unit::kEpochs:
      break;
  }
  auto epochs = static_cast<double>(at.epoch);
  if (at.steps_per_epoch > 0)
    epochs += static_cast<double>(at.step_in_epoch) /
              static_cast<double>(at.steps_per_epoch);
  return epochs >= moment.amount;
}

/// A filter with what it remembers, for one trigger.
class Gate {
 public:
  explicit Gate(const Filter& filter) : filter_(filter) {
    if (filter.every) due_.emplace(*filter.every);
  }
  bool passes(const Progress& at) {
    if (!begun_ && due_) due_->start(at);
    begun_ = true;
    // Asked at every moment, so that Due knows the last one.
    bool due = !due_ || (*due_)(at);
    if (filter_.before && reached(*filter_.before, at)) return false;
    if (filter_.after && !reached(*filter_.after, at)) return false;
    if (!due) return false;
    if (!filter_.at) return true;
    if (done_ || !reached(*filter_.at, at)) return false;
    return done_ = true;
  }

 private:
  Filter filter_;
  std::optional<Due> due_;
  bool begun_ = false;
  bool done_ = false;
};

BuildContext context_of_callbacks() {
  BuildContext context;
  context.path = "callbacks";
  context.slot = "callbacks";
  return context;
}

std::shared_ptr<Callback> make(const std::string& name, const Dict& arguments) {
  Dict config = arguments;
  config.set("func", name);
  Value config_value = arguments.empty() ? Value(name) : Value(config);
  ModulePtr module = configure_module(config_value, context_of_callbacks());
  auto callback = std::dynamic_pointer_cast<Callback>(module);
  if (!callback)
    fail(Kind::kType, "callbacks", "'", name, "' is a ", module->class_name(),
         ", which is no callback; derive it from ptutils.callbacks.Callback");
  return callback;
}

void require_triggers(const Callback& callback) {
  if (callback.triggers().empty())
    fail(Kind::kValue, "callbacks", "a ", callback.class_name(),
         " has no trigger and would never run; name its methods as triggers, "
         "such as end_of_training_step");
}

Value config_of(Callback& callback) {
  try {
    return callback.to_config();
  } catch (const Error& error) {
    if (error.kind() != Kind::kState) throw;
    return Dict{{"func", callback.class_name()}};
  }
}

/// A filter's fields by their names in a configuration.
template <class F, class Visit>
void each_field(F& filter, Visit visit) {
  visit("every", filter.every);
  visit("at", filter.at);
  visit("before", filter.before);
  visit("after", filter.after);
}

}  // namespace

Filter Filter::take_from(Dict& config, const std::string& where) {
  Filter out;
  each_field(out, [&](std::string_view name, std::optional<Interval>& field) {
    const Value* given = config.find(name);
    if (!given) return;
    field = Interval::parse(*given, str(where, ".", name));
    config.erase(name);
  });
  return out;
}

void Filter::add_to(Dict& config) const {
  each_field(*this,
             [&](const char* name, const std::optional<Interval>& field) {
               if (field) config.set(name, field->to_value());
             });
}

Handler filtered(const Filter& filter, Handler handler) {
  if (filter.empty()) return handler;
  auto gate = std::make_shared<Gate>(filter);
  return [gate, handler = std::move(handler)](const Event& event) {
    if (gate->passes(event.progress)) handler(event);
  };
}

Handler every(std::int64_t steps, Handler handler) {
  Filter filter;
  filter.every = Interval::parse(steps, "every");
  return filtered(filter, std::move(handler));
}

struct Callbacks::Entry {
  std::int64_t order = 0;
  std::shared_ptr<Callback> callback;  // null: waits by name, or a function
  Handler function;
  std::string name;
  Dict arguments;
  Filter filter;
  bool waits = false;  // by name
  bool live = true;    // false once removed, also within a running call
};

struct Callbacks::Listener {
  std::shared_ptr<Entry> entry;
  std::shared_ptr<Gate> gate;
};

Callbacks::Callbacks() = default;
Callbacks::~Callbacks() = default;

void Callbacks::listen(const std::shared_ptr<Entry>& entry, TriggerId trigger) {
  auto id = static_cast<std::size_t>(trigger);
  if (id >= listeners_.size()) listeners_.resize(id + 1);
  auto list = listeners_[id]
                  ? std::make_shared<std::vector<Listener>>(*listeners_[id])
                  : std::make_shared<std::vector<Listener>>();
  // A name that is resolved late keeps its place.
  auto place = std::upper_bound(list->begin(), list->end(), entry->order,
                                [](std::int64_t order, const Listener& l) {
                                  return order < l.entry->order;
                                });
  std::shared_ptr<Gate> gate;
  if (!entry->filter.empty()) gate = std::make_shared<Gate>(entry->filter);
  list->insert(place, {entry, std::move(gate)});
  listeners_[id] = std::move(list);
}

void Callbacks::listen_to_all(const std::shared_ptr<Entry>& entry) {
  std::vector<TriggerId> ids;
  for (const std::string& trigger : entry->callback->triggers()) {
    TriggerId id = intern(trigger);
    if (std::find(ids.begin(), ids.end(), id) != ids.end()) continue;
    ids.push_back(id);
    listen(entry, id);
  }
}

void Callbacks::forget(const std::shared_ptr<Entry>& entry) {
  entry->live = false;
  for (Listeners& list : listeners_) {
    auto is_it = [&](const Listener& l) { return l.entry == entry; };
    if (!list || std::none_of(list->begin(), list->end(), is_it)) continue;
    auto rest = std::make_shared<std::vector<Listener>>(*list);
    rest->erase(std::remove_if(rest->begin(), rest->end(), is_it), rest->end());
    list = std::move(rest);
  }
}

void Callbacks::add(std::shared_ptr<Callback> callback, const Filter& filter) {
  if (!callback) fail(Kind::kValue, "callbacks", "a callback, not null");
  require_triggers(*callback);
  auto entry = std::make_shared<Entry>();
  entry->order = next_order_++;
  entry->callback = std::move(callback);
  entry->filter = filter;
  listen_to_all(entry);
  entries_.push_back(std::move(entry));
}

void Callbacks::add(std::string name, Dict arguments, const Filter& filter) {
  ForeignClasses* foreign = registry().foreign();
  bool shadowed = foreign && foreign->shadows(name, context_of_callbacks());
  const ClassInfo* known = registry().resolve(name, "callbacks");
  if (!known && !shadowed) {
    // Somebody else's class, or none at all: built, or refused, now.
    add(make(name, arguments), filter);
    return;
  }
  if (!shadowed) check_keys(arguments, known->parameters, known->name);
  auto entry = std::make_shared<Entry>();
  entry->order = next_order_++;
  entry->name = std::move(name);
  entry->arguments = std::move(arguments);
  entry->filter = filter;
  entry->waits = true;
  entries_.push_back(std::move(entry));
  pending_ = true;
}

void Callbacks::resolve() {
  if (!pending_) return;
  pending_ = false;  // a constructor may raise triggers itself
  auto entries = entries_;
  for (const auto& entry : entries) {
    if (!entry->waits || !entry->live) continue;
    try {
      entry->waits = false;
      auto callback = make(entry->name, entry->arguments);
      require_triggers(*callback);
      entry->callback = std::move(callback);
    } catch (...) {
      entry->waits = pending_ = true;  // the same error at the next call
      throw;
    }
    listen_to_all(entry);
  }
}

void Callbacks::remove(const Callback& callback) {
  std::vector<std::shared_ptr<Entry>> dropped;  // destroyed when all is done
  for (auto it = entries_.begin(); it != entries_.end();) {
    if ((*it)->callback.get() == &callback) {
      dropped.push_back(*it);
      it = entries_.erase(it);
    } else {
      ++it;
    }
  }
  for (const auto& entry : dropped) forget(entry);
}

void Callbacks::on(std::string_view trigger, Handler handler) {
  if (!handler) fail(Kind::kValue, "callbacks", "a function, not null");
  TriggerId id = intern(trigger);
  auto entry = std::make_shared<Entry>();
  entry->order = next_order_++;
  entry->function = std::move(handler);
  listen(entry, id);
  entries_.push_back(std::move(entry));
}

bool Callbacks::listening(TriggerId trigger) {
  if (pending_) resolve();
  auto id = static_cast<std::size_t>(trigger);
  return id < listeners_.size() && listeners_[id] && !listeners_[id]->empty();
}

void Callbacks::call(TriggerId trigger, const Event& event) {
  if (!listening(trigger)) return;
  Listeners list = listeners_[static_cast<std::size_t>(trigger)];
  Event told;
  const Event* passed = &event;
  if (event.trigger.empty()) {
    told = event;
    told.trigger = trigger_name(trigger);
    passed = &told;
  }
  for (const Listener& listener : *list) {
    const Entry& entry = *listener.entry;
    if (!entry.live) continue;
    if (listener.gate && !listener.gate->passes(passed->progress)) continue;
    // Its own reference: the callback may remove itself.
    if (std::shared_ptr<Callback> callback = entry.callback)
      callback->handle(*passed);
    else if (entry.function)
      entry.function(*passed);
  }
}

std::vector<std::shared_ptr<Callback>> Callbacks::list() {
  resolve();
  std::vector<std::shared_ptr<Callback>> out;
  for (const auto& entry : entries_)
    if (entry->callback) out.push_back(entry->callback);
  return out;
}

List Callbacks::to_config() {
  resolve();
  List out;
  for (const auto& entry : entries_) {
    if (!entry->callback || entry->callback->class_name() == "function")
      continue;
    Value config = config_of(*entry->callback);
    entry->filter.add_to(config.as_dict());
    out.items.push_back(std::move(config));
  }
  return out;
}

void Callbacks::visit(const std::function<void(ChildSlot&)>& f) {
  auto entries = entries_;
  for (const auto& entry : entries) {
    if (!entry->callback) continue;
    Callback* before = entry->callback.get();
    TypedChild<Callback> slot(entry->callback);
    f(slot);
    if (entry->callback.get() == before || !entry->live) continue;
    forget(entry);  // another callback took its place, or none
    entry->live = true;
    if (entry->callback) listen_to_all(entry);
  }
}

void Callbacks::clear() {
  auto entries = std::move(entries_);
  auto listeners = std::move(listeners_);
  entries_.clear();
  listeners_.clear();
  pending_ = false;
  for (const auto& entry : entries) entry->live = false;
}

}  // namespace ptutils
