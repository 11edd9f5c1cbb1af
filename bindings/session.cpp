#include "ptutils/session/session.h"

#include <pybind11/stl.h>

#include "areas.h"
#include "casters/child.h"
#include "casters/function.h"
#include "casters/tensor.h"
#include "casters/value.h"
#include "errors.h"
#include "gil.h"
#include "lifetime.h"
#include "ptutils/session/callbacks/nan_detector.h"
#include "ptutils/session/progress.h"
#include "ptutils/session/settings.h"
#include "ptutils/session/signals.h"

// Session. What concerns torch, notebooks and the own loop is policy, in
// python/ptutils.

namespace ptutils::bindings {

namespace {

class PySession : public PyModule<Session> {
 public:
  using PyModule::PyModule;
  void run() override {
    if (!to_python(Method::kRun)) return Session::run();
    Gil gil;
    call_python(Method::kRun);
  }
};

template <class T>
std::shared_ptr<T> part(const py::object& object, const char* slot,
                        const char* what, const char* how) {
  if (object.is_none()) return nullptr;
  if (PyType_Check(object.ptr())) (void)child_in(object, slot);
  if (!py::isinstance<T>(object))
    fail(Kind::kType, slot, with_article(object), " is not a ", what, how);
  return py::cast<std::shared_ptr<T>>(object);
}

/// A torch tensor whose number is on another device (a meta tensor has none).
bool is_elsewhere(py::handle item) {
  py::object device = py::getattr(item, "device", py::none());
  if (device.is_none() || !py::hasattr(device, "type") ||
      !py::hasattr(item, "numel"))
    return false;
  auto type = py::cast<std::string>(device.attr("type"));
  return type != "cpu" && type != "meta" &&
         py::cast<std::int64_t>(item.attr("numel")()) == 1;
}

/// The number of an object of another library.
double number_in(const Value& value, const std::string& name, py::handle item) {
  try {
    if (auto number = scalar_of(value)) return *number;
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_Exception)) throw;  // Ctrl-C
  }
  fail(Kind::kType, "Session.log", name, " is ",
       std::string(py::repr(item)).substr(0, 60), " (",
       Py_TYPE(item.ptr())->tp_name,
       "); it must be a number or a dense tensor of one element");
}

/// s.log({'val/loss': x}, loss=y): numbers now, scalars on another device
/// later.
void log_all(Session& session, const py::object& metrics,
             const py::kwargs& named) {
  auto one = [&](py::handle key, py::handle item) {
    std::string name = py::str(key);
    if (PyFloat_CheckExact(item.ptr()))
      return session.log(name, Value(PyFloat_AS_DOUBLE(item.ptr())));
    if (is_elsewhere(item))
      return session.log(
          name, Value(std::shared_ptr<Opaque>(
                    std::make_shared<PyOpaque>(item.attr("detach")()))));
    if (item.is_none())
      fail(Kind::kType, "Session.log", name,
           " is None; it must be a number or a tensor of one element");
    Value value = to_value(item, name);
    if (value.is_opaque()) value = Value(number_in(value, name, item));
    session.log(name, value);
  };
  if (!metrics.is_none() && !PyDict_Check(metrics.ptr()))
    fail(Kind::kType, "Session.log",
         "takes metrics by name, s.log(loss=…) or s.log({'val/loss': …}), "
         "not ",
         with_article(metrics), " alone");
  if (!metrics.is_none())
    for (auto [key, item] : py::reinterpret_borrow<py::dict>(metrics))
      one(key, item);
  for (auto [key, item] : named) one(key, item);
}

void def_session_parts(py::classh<Session, Module, PySession>& cls) {
  cls.def_property_readonly("exp_id", &Session::exp_id);
  cls.def_property_readonly("seed", &Session::seed);
  cls.def_property_readonly("status", &Session::status);
  cls.def_property_readonly("history", [](Session& self) {
    self.read_pending();
    return std::make_shared<History>(self.history());
  });
  auto out = [](auto getter) {
    return
        [getter](const Session& self) { return child_out((self.*getter)()); };
  };
  auto slot = [&](const char* name, auto getter) {
    cls.def_property(name, out(getter), [name](Session& s, const py::object&) {
      fail(Kind::kState, s.exp_id(), name,
           " is given when the session is made; its parts can be set: "
           "session.model.net = …");
    });
  };
  slot("model", &Session::model);
  slot("dataprovider", &Session::dataprovider);
  slot("dbinterface", &Session::dbinterface);
  auto setting = [&](const char* name, auto getter) {
    cls.def_property(
        name,
        [getter](const Session& s) {
          const Value& given = (s.*getter)();
          return given.is_null() ? Value(Dict()) : given;
        },
        [name](Session& s, const py::object&) {
          fail(Kind::kState, s.exp_id(), name,
               " is given when the session is made: pt.Session('", s.exp_id(),
               "', ", name, "={…}, …) goes on with the new values");
        });
  };
  setting("train_params", &Session::train_params);
  setting("validation_params", &Session::validation_params);
  setting("save_params", &Session::save_params);
  cls.def_property_readonly("edits",
                            [](const Session& s) { return Value(s.edits()); });
  cls.def_property_readonly("attempt", &Session::attempt);
  cls.def_property_readonly(
      "step_count", [](const Session& s) { return s.progress().step; },
      "Training steps done.");
  cls.def_property_readonly(
      "epoch", [](const Session& s) { return s.progress().epoch; },
      "Epochs done.");
  cls.def_property_readonly("stage",
                            [](const Session& s) { return s.status().stage; });
}

/// Calls into the core without the interpreter's lock: loader threads may need
/// it, and every way back to Python takes it. Meanwhile the collector leaves
/// the session's tree alone.
template <class F>
auto unlocked(F f) {
  return [f](Session& self, auto... args) {
    InCore call(self);
    py::gil_scoped_release release;
    return f(self, args...);
  };
}
template <class R, class... Args>
auto without_gil(R (Session::*method)(Args...)) {
  return [method](Session& self, Args... args) -> R {
    return unlocked([method](Session& s, Args... a) -> R {
      return (s.*method)(a...);
    })(self, args...);
  };
}

void def_session_loop(py::classh<Session, Module, PySession>& cls) {
  cls.def("_run", [](Session& self) {
    direct(self, Method::kRun);
    without_gil (&Session::run)(self);
  });
  cls.def("_resume", without_gil(&Session::resume));
  cls.def("_restart", without_gil(&Session::restart));
  cls.def("_step", without_gil(&Session::step), py::arg("n") = 1);
  cls.def("_pause", &Session::pause);
  cls.def("_stop", &Session::stop);
  cls.def("save", without_gil(&Session::save), "Saves a checkpoint now.");
  cls.def("log", &log_all, py::arg("metrics") = py::none(),
          "Metrics of the current step: s.log(loss=loss), or a dict of names "
          "with '/': s.log({'val/accuracy': .9}). No '.item()': scalars on "
          "another device are read later, many at once.");
  cls.def("every", &Session::every, py::arg("interval"),
          "Whether an interval ends with this step: 500, '1 epoch', '10 min'.");
  cls.def("_begin", [](Session& self, const std::string& mode) {
    return without_gil(&Session::begin)(
        self, mode == "restart"  ? Session::Mode::kRestart
              : mode == "resume" ? Session::Mode::kResume
                                 : Session::Mode::kAuto);
  });
  cls.def_property_readonly("_begun", &Session::begun);
  cls.def("_start_step", without_gil(&Session::start_step));
  cls.def("_begin_step", &Session::begin_step);
  cls.def("_restore_waiting", &Session::restore_waiting);
  cls.def("_stays_stopped", &Session::stays_stopped);
  cls.def("_end_step", [](Session& self, bool ended) {
    py::gil_scoped_release release;
    return self.end_step(Value(), ended);
  });
  cls.def("_end_epoch", without_gil(&Session::end_epoch));
  cls.def("_done", &Session::done);
  cls.def("_finish", without_gil(&Session::finish));
  cls.def("_abort", [](Session& self, const std::string& exception) {
    py::gil_scoped_release release;
    self.abort(exception);
  });
  cls.def("_set_aim", &Session::set_aim);
  cls.def("_set_steps_per_epoch", &Session::set_steps_per_epoch);
  cls.def("_set_steps_left", &Session::set_steps_left);
  cls.def_property_readonly("_step_in_epoch", [](const Session& s) {
    return s.progress().step_in_epoch;
  });
  cls.def("_set_metadata", &Session::set_metadata);
  cls.def_property_readonly("_latest", &Session::latest);
  cls.def("_set_progress_output", &Session::set_progress_output);
  cls.def_property_readonly("_signal", &Session::signal);
  cls.def_property_readonly("_signalled", [](const Session& s) {
    return s.begun() && SignalGuard::received() != 0;
  });
  cls.def("_set_loader_state",
          [](Session& self, const py::object& get, const py::object& set) {
            if (get.is_none()) return self.set_loader_state({}, {});
            self.set_loader_state(
                [get] {
                  Gil gil;
                  return to_value(get(), "loader");
                },
                [set](const Value& v) {
                  Gil gil;
                  set(to_python(v));
                });
          });
}

}  // namespace

void def_session(py::module_& m) {
  auto cls = bind_module<Session, Module, PySession, false>(
      m, "Session", "ptutils",
      "One experiment: a model, its data, a database, and everything around "
      "the loop.");
  cls.def(py::init([](const std::string& exp_id, std::uint64_t seed,
                      const py::object& model, const py::object& dataprovider,
                      const py::object& dbinterface, const Value& train,
                      const Value& validation, const Value& save) {
    Session::Options options;
    options.exp_id = exp_id;
    options.seed = seed;
    options.model =
        part<Model>(model, "model", "ptutils.Model",
                    ": pt.Model(net, criterion=…, optimizer=…) makes one");
    options.dataprovider = part<data::DataProvider>(
        dataprovider, "dataprovider", "ptutils.data.DataProvider",
        ": DataProvider(train=…, batch_size=…) makes one of data sets");
    options.dbinterface = part<DBInterface>(dbinterface, "dbinterface",
                                            "ptutils.database.DBInterface", "");
    options.train_params = train;
    options.validation_params = validation;
    options.save_params = save;
    return new PySession(std::move(options));
  }));
  def_session_parts(cls);
  def_session_loop(cls);
  m.def("_check_exp_id", &check_exp_id);
  cls.def_static("_from_config",
                 [](const Value& config, bool trusted, const std::string& db) {
                   return child_out(Session::from_config(config, trusted, db));
                 });
  cls.def_static("_from_file", [](const std::string& path,
                                  const std::vector<std::string>& overrides) {
    return child_out(Session::from_file(path, overrides));
  });
  py::handle type = py::object(cls).release();
  set_session_factory([type](Session::Options o) {
    Gil gil;
    py::object made = type.attr("_make")(
        o.exp_id, o.seed, child_out(o.model), child_out(o.dataprovider),
        child_out(o.dbinterface), to_python(o.train_params),
        to_python(o.validation_params), to_python(o.save_params));
    return py::cast<std::shared_ptr<Session>>(made);
  });
  bind_module<NaNDetector, Callback, PyModule<NaNDetector>, true>(
      m, "NaNDetector", "ptutils.callbacks",
      "Ends the run when a metric of a training step is NaN, or a loss "
      "infinite (a metric that has 'loss' in its name). It looks at what "
      "the model's step returns, or the loop gives to log(); not at those "
      "of other phases ('val/…').");
  m.def("_progress_line", [](const std::string& exp_id, const Status& status,
                             const Value& latest) {
    return progress_line(exp_id, status, latest);
  });
}

}  // namespace ptutils::bindings
