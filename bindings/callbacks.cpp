#include "callbacks.h"

#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <map>
#include <unordered_set>

#include "areas.h"
#include "casters/child.h"
#include "casters/value.h"
#include "errors.h"
#include "gil.h"
#include "lifetime.h"
#include "ptutils/common/log.h"
#include "ptutils/common/names.h"

// Callback and the Callbacks registry as Python sees them.

namespace ptutils::bindings {

namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return text;
}

Interval interval(const py::object& object, const char* where) {
  return Interval::parse(to_value(object), where);
}

Filter filter_of(const py::object& every, const py::object& at,
                 const py::object& before, const py::object& after) {
  Filter out;
  if (!every.is_none()) out.every = interval(every, "every");
  if (!at.is_none()) out.at = interval(at, "at");
  if (!before.is_none()) out.before = interval(before, "before");
  if (!after.is_none()) out.after = interval(after, "after");
  return out;
}

}  // namespace

/// Names of the attributes of a class (bases included) that are triggers: a
/// method named as a known trigger, or a class attribute SOME_TRIGGER =
/// 'some_trigger' with a method of that name.
std::vector<std::string> triggers_of(py::handle type) {
  const auto& known = Callbacks::known_triggers();
  std::vector<std::string> out;
  for (py::handle base : type.attr("__mro__")) {
    if (is_native_type(reinterpret_cast<PyTypeObject*>(base.ptr())) ||
        base.is(py::handle(reinterpret_cast<PyObject*>(&PyBaseObject_Type))))
      continue;
    for (auto [key, value] : py::dict(base.attr("__dict__"))) {
      std::string name = py::str(key), trigger;
      if (name.starts_with("_")) continue;
      if (PyUnicode_Check(value.ptr()) && py::hasattr(type, py::str(value)) &&
          name == py::cast<std::string>(value.attr("upper")()))
        trigger = py::str(value);
      else if (PyCallable_Check(value.ptr()) &&
               std::find(known.begin(), known.end(), name) != known.end())
        trigger = name;
      if (!trigger.empty() &&
          std::find(out.begin(), out.end(), trigger) == out.end())
        out.push_back(trigger);
    }
  }
  return out;
}

HandlerCall::HandlerCall(py::handle function) {
  try {
    py::object signature =
        py::module_::import("inspect").attr("signature")(function);
    for (auto [key, parameter] : py::dict(signature.attr("parameters"))) {
      std::string kind = py::str(parameter.attr("kind").attr("name"));
      if (kind == "VAR_KEYWORD") all_ = true;
      if (kind.starts_with("VAR_")) continue;
      names_.push_back(py::str(key));
      if (parameter.attr("default").is(parameter.attr("empty")))
        needed_.push_back(names_.back());
    }
  } catch (py::error_already_set&) {
    all_ = true;  // a builtin without a signature
  }
}

void HandlerCall::operator()(py::handle function, const Event& event) const {
  py::dict keywords;
  auto wanted = [&](const std::string& name) {
    return all_ ||
           std::find(names_.begin(), names_.end(), name) != names_.end();
  };
  auto offer = [&](const char* name, auto&& make) {
    if (wanted(name) && !keywords.contains(name)) keywords[name] = make();
  };
  if (event.arguments.is_dict())
    for (const auto& [key, value] : event.arguments.as_dict()) {
      std::string name = to_string(key);
      if (wanted(name)) keywords[py::str(name)] = to_python(value);
    }
  offer("step", [&] { return py::int_(event.index); });
  offer("epoch", [&] { return py::int_(event.epoch); });
  offer("attempt", [&] { return py::int_(event.attempt); });
  offer("trigger", [&] { return py::str(std::string(event.trigger)); });
  offer("session", [&]() -> py::object {
    return event.source
               ? py::cast(event.source, py::return_value_policy::reference)
               : py::object(py::none());
  });
  if (event.loss.numel() == 1)
    offer("loss",
          [&]() -> py::object { return py::float_(event.loss.item_f64()); });
  require_offered(keywords, event);
  function(**keywords);
}

void HandlerCall::require_offered(const py::dict& keywords,
                                  const Event& event) const {
  for (const std::string& name : needed_) {
    if (keywords.contains(name)) continue;
    std::vector<std::string> offered;
    if (event.arguments.is_dict()) offered = event.arguments.as_dict().keys();
    for (const char* always :
         {"session", "step", "epoch", "attempt", "trigger"})
      if (std::find(offered.begin(), offered.end(), always) == offered.end())
        offered.push_back(always);
    fail(Kind::kType, str("callbacks.", event.trigger), "no argument '", name,
         "'",
         nearest_names(name, offered, 1).empty() ? ""
                                                 : did_you_mean(name, offered),
         "; it offers: ", join(offered, ", ", offered.size()));
  }
}

std::vector<std::string> PyCallback::triggers() const {
  Gil gil;
  return triggers_of(reinterpret_cast<PyObject*>(Py_TYPE(self())));
}

void PyCallback::handle(const Event& event) {
  Gil gil;
  std::string name(event.trigger);
  py::object method = py::handle(self()).attr(name.c_str());
  auto found = calls_.find(name);
  if (found == calls_.end())
    found = calls_.emplace(name, HandlerCall(method)).first;
  found->second(method, event);
}

/// A plain Python function as a callback: the collector sees it.
class FunctionCallback final : public Callback, public PyHolder {
 public:
  FunctionCallback(std::string trigger, py::object function)
      : PyHolder(function), trigger_(std::move(trigger)), call_(function) {}
  std::string class_name() const override { return "function"; }
  std::vector<std::string> triggers() const override { return {trigger_}; }
  void handle(const Event& event) override {
    Gil gil;
    call_(PyHolder::handle(), event);
  }

 private:
  std::string trigger_;
  HandlerCall call_;
};

/// `module.callbacks`: keeps the module alive; the registry is the module's.
struct CallbacksView {
  py::object owner;
  Callbacks& get() const { return py::cast<Module&>(owner).callbacks(); }
};

namespace {

/// The known triggers and those of the registered callbacks.
std::vector<std::string> triggers_at(const CallbacksView& view) {
  std::vector<std::string> known = Callbacks::known_triggers();
  for (auto& callback : view.get().list())
    for (const std::string& trigger : callback->triggers())
      known.push_back(trigger);
  return known;
}

/// A trigger is the user's to invent; one that nearly has another's name is
/// more likely misspelt. Once a name.
void warn_if_misspelt(const CallbacksView& view, Callbacks::TriggerId id) {
  static auto* seen = new std::unordered_set<Callbacks::TriggerId>();
  if (!seen->insert(id).second) return;  // under the GIL
  std::string trigger(Callbacks::trigger_name(id));
  std::vector<std::string> known = triggers_at(view);
  if (std::find(known.begin(), known.end(), trigger) != known.end()) return;
  if (nearest_names(trigger, known, 1).empty()) return;
  log::warning("callbacks: nothing raises '", trigger, "' of itself",
               did_you_mean(trigger, known));
}

void register_callback(const CallbacksView& view, const py::object& callback,
                       const py::object& every, const py::object& at,
                       const py::object& before, const py::object& after,
                       const py::kwargs& arguments) {
  Filter filter = filter_of(every, at, before, after);
  if (PyUnicode_Check(callback.ptr())) {
    Value given = to_value(arguments);
    view.get().add(py::cast<std::string>(callback), given.as_dict(), filter);
    return;
  }
  py::object instance = callback;
  if (PyType_Check(callback.ptr()))
    instance = callback(**arguments);
  else if (!arguments.empty())
    fail(Kind::kType, "register_callback",
         "arguments go with a class or a name, not with an instance");
  if (!py::isinstance<Callback>(instance))
    fail(Kind::kType, "register_callback", with_article(instance),
         " is not a Callback (its class, a name, or an instance)");
  view.get().add(py::cast<std::shared_ptr<Callback>>(instance), filter);
}

py::object run_at(const CallbacksView& view, const std::string& trigger,
                  const py::object& function, const py::object& every,
                  const py::object& at, const py::object& before,
                  const py::object& after) {
  if (!PyCallable_Check(function.ptr()))
    fail(Kind::kType, "callbacks.on", with_article(function),
         " is not a function");
  std::string name = lower(trigger);
  warn_if_misspelt(view, Callbacks::intern(name));
  view.get().add(std::make_shared<FunctionCallback>(name, function),
                 filter_of(every, at, before, after));
  return function;
}

void call_trigger(const CallbacksView& view, const py::object& trigger,
                  const py::kwargs& arguments) {
  auto id = Callbacks::intern(lower(py::cast<std::string>(trigger)));
  Callbacks& callbacks = view.get();
  if (!callbacks.listening(id)) return warn_if_misspelt(view, id);
  Event event;
  event.trigger = Callbacks::trigger_name(id);
  event.source = &py::cast<Module&>(view.owner);
  event.arguments = to_value(arguments);
  for (const char* name : {"step", "epoch", "attempt"}) {
    const Value* given = event.arguments.as_dict().find(name);
    if (!given || !given->is_int()) continue;
    auto number = given->as_int();
    (name[0] == 's'   ? event.index
     : name[0] == 'e' ? event.epoch
                      : event.attempt) = number;
  }
  event.progress.step = event.index;
  event.progress.epoch = event.epoch;
  callbacks.call(id, event);
}

/// END_OF_TRAINING_STEP -> 'end_of_training_step', for known triggers and those
/// of the registered callbacks.
std::string trigger_attribute(const CallbacksView& view,
                              const std::string& name) {
  std::vector<std::string> known = triggers_at(view);
  std::string wanted = lower(name);
  if (std::find(known.begin(), known.end(), wanted) != known.end())
    return wanted;
  PyErr_SetString(PyExc_AttributeError, str("callbacks has no trigger '", name,
                                            "'", did_you_mean(wanted, known))
                                            .c_str());
  throw py::error_already_set();
}

}  // namespace

void def_callbacks(py::module_& m, py::handle module_class) {
  auto base = bind_module<Callback, Module, PyCallback, true>(
      m, "Callback", "ptutils",
      "Something that runs at certain moments: a method named as a trigger "
      "(end_of_training_step, …), or a class attribute that names one, "
      "MY_MOMENT = 'my_moment', and a method of that name. Methods take, by "
      "name, what they want of: session, step, epoch, attempt, loss, trigger, "
      "and whatever the trigger was raised with.\n\n"
      "A session raises start_of_session, start_of_stage, start_of_epoch, "
      "start_of_training_step, after_forward, after_backward, "
      "end_of_training_step, start_of_validation, end_of_validation, "
      "end_of_epoch, end_of_stage, before_save, after_save, on_edit, "
      "on_rollback, on_pause, on_exception, end_of_session. The stage is the "
      "training: it begins with each run, new or resumed, and ends with it.");
  base.def_property_readonly("triggers", &Callback::triggers);

  py::class_<CallbacksView> view(m, "Callbacks",
                                 "A registry of callbacks by trigger.");
  view.attr("__module__") = "ptutils";
  view.def("register_callback", &register_callback, py::arg("callback"),
           py::kw_only(), py::arg("every") = py::none(),
           py::arg("at") = py::none(), py::arg("before") = py::none(),
           py::arg("after") = py::none(),
           "By instance, by class, or by name (then with its arguments). "
           "every='100 steps', at=500, before='2 epochs', after='1 epoch' say "
           "when it runs.");
  view.def(
      "to_config",
      [](const CallbacksView& v) { return Value(v.get().to_config()); },
      "What builds them again: [{func, its arguments, every, …}, …].");
  view.def("unregister_callback",
           [](const CallbacksView& v, const Callback& callback) {
             v.get().remove(callback);
           });
  view.def("on", &run_at, py::arg("trigger"), py::arg("function"),
           py::kw_only(), py::arg("every") = py::none(),
           py::arg("at") = py::none(), py::arg("before") = py::none(),
           py::arg("after") = py::none(), "Runs a function at a trigger.");
  view.def("call", &call_trigger, py::arg("trigger"), py::pos_only(),
           "Raises a trigger; what a callback does not take is dropped.");
  view.def("__getattr__", &trigger_attribute);
  view.def("__iter__", [](const CallbacksView& v) {
    py::list out;
    for (auto& callback : v.get().list()) out.append(child_out(callback));
    return py::iter(out);
  });
  view.def("__len__",
           [](const CallbacksView& v) { return v.get().list().size(); });
  view.def("__repr__", [](const CallbacksView& v) {
    std::string out = "Callbacks(";
    for (auto& callback : v.get().list()) {
      std::string type = callback->class_name();
      if (out.back() != '(') out += ", ";
      out += type.substr(type.rfind('.') + 1);
    }
    return out + ")";
  });
  py::setattr(module_class, "callbacks",
              py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(
                  &PyProperty_Type))(py::cpp_function([](py::object self) {
                return CallbacksView{std::move(self)};
              })));
}

}  // namespace ptutils::bindings
