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

// Model and Session. What concerns torch, notebooks and the own loop is policy,
// in python/ptutils.

namespace ptutils::bindings {

namespace {

class PyModel : public PyModule<Model> {
 public:
  using PyModule::PyModule;
  Value forward(const Value& inputs) override {
    if (!to_python(Method::kModelForward)) return Model::forward(inputs);
    Gil gil;
    return carried(
        call_python(Method::kModelForward, bindings::to_python(inputs)));
  }
  Value loss(const Value& outputs, const Value& targets) override {
    if (!to_python(Method::kModelLoss)) return Model::loss(outputs, targets);
    Gil gil;
    return carried(call_python(Method::kModelLoss, bindings::to_python(outputs),
                               bindings::to_python(targets)));
  }
  void compute_gradients(const Value& loss) override {
    if (!to_python(Method::kComputeGradients))
      return Model::compute_gradients(loss);
    Gil gil;
    call_python(Method::kComputeGradients, bindings::to_python(loss));
  }
  void apply_gradients() override {
    if (!to_python(Method::kApplyGradients)) return Model::apply_gradients();
    Gil gil;
    call_python(Method::kApplyGradients);
  }
  void optimize(const Value& loss) override {
    if (!to_python(Method::kOptimize)) return Model::optimize(loss);
    Gil gil;
    call_python(Method::kOptimize, bindings::to_python(loss));
  }
  Value step(const Value& batch) override {
    if (!to_python(Method::kModelStep)) return Model::step(batch);
    Gil gil;
    return metrics(call_python(Method::kModelStep, bindings::to_python(batch)),
                   "step");
  }
  Value validate(const Value& batch) override {
    if (!to_python(Method::kValidate)) return Model::validate(batch);
    Gil gil;
    return metrics(call_python(Method::kValidate, bindings::to_python(batch)),
                   "validate");
  }

  /// An object of another library as it is (a torch tensor keeps its graph).
  static Value carried(py::object object) {
    if (is_torch(object))
      return Value(std::shared_ptr<Opaque>(
          std::make_shared<PyOpaque>(std::move(object))));
    return to_value(object);
  }

 private:
  static bool is_torch(py::handle object) {
    PyObject* torch = PyDict_GetItemString(PyImport_GetModuleDict(), "torch");
    return torch && py::isinstance(object, py::handle(torch).attr("Tensor"));
  }
  Value metrics(const py::object& object, const char* what) const {
    if (!PyDict_Check(object.ptr()))
      fail(Kind::kType, class_name() + "." + what,
           "returns a dict of metrics ({'loss': …}), not ",
           with_article(object));
    Dict out;
    for (auto [key, item] : py::reinterpret_borrow<py::dict>(object))
      out.set(std::string(py::str(key)),
              carried(py::reinterpret_borrow<py::object>(item)));
    return Value(std::move(out));
  }
};

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

void def_model(py::module_& m) {
  auto cls = bind_module<Model, Module, PyModel, true>(
      m, "Model", "ptutils",
      "net, criterion, optimizer, and what a training step does with them.");
  auto slot = [&](const char* name, ModulePtr Model::*member) {
    cls.def_property(
        name, [member](const Model& self) { return child_out(self.*member); },
        [member, name](Model& self, const py::object& object) {
          if (member == &Model::net)
            return self.set_net(child_in(object, name));
          self.*member = member == &Model::criterion ? callable_in(object, name)
                                                     : child_in(object, name);
          self.bind();
        });
  };
  cls.def_property(
      "outputs",
      [](const Model& self) { return bindings::to_python(self.outputs); },
      [](Model& self, const py::object& outputs) {
        self.outputs = to_value(outputs, "outputs");
      },
      "What forward gave in the last step, without its graph, where "
      "keep_outputs (a session whose data provider makes requests sets it); "
      "else None. A step of your own may set it (to a copy); "
      "super().step(batch) sets it anew.");
  cls.def_readwrite("keep_outputs", &Model::keep_outputs,
                    "Whether step keeps outputs.");
  slot("net", &Model::net);
  slot("criterion", &Model::criterion);
  slot("optimizer", &Model::optimizer);
  auto wrap = [](py::object o) { return PyModel::carried(std::move(o)); };
  cls.def(
      "forward",
      [wrap](Model& self, py::object inputs) {
        direct(self, Method::kModelForward);
        return self.forward(wrap(std::move(inputs)));
      },
      py::arg("inputs"));
  cls.def(
      "loss",
      [wrap](Model& self, py::object outputs, py::object targets) {
        direct(self, Method::kModelLoss);
        return self.loss(wrap(std::move(outputs)), wrap(std::move(targets)));
      },
      py::arg("outputs"), py::arg("targets"));
  cls.def(
      "compute_gradients",
      [wrap](Model& self, py::object loss) {
        direct(self, Method::kComputeGradients);
        self.compute_gradients(wrap(std::move(loss)));
      },
      py::arg("loss"));
  cls.def("apply_gradients", [](Model& self) {
    direct(self, Method::kApplyGradients);
    self.apply_gradients();
  });
  cls.def(
      "optimize",
      [wrap](Model& self, py::object loss) {
        direct(self, Method::kOptimize);
        self.optimize(wrap(std::move(loss)));
      },
      py::arg("loss"));
  cls.def(
      "step",
      [](Model& self, const Value& batch) {
        direct(self, Method::kModelStep);
        return self.step(batch);
      },
      py::arg("batch"),
      "One training step on a batch (inputs, targets); returns {'loss'}.");
  cls.def(
      "validate",
      [](Model& self, const Value& batch) {
        direct(self, Method::kValidate);
        return self.validate(batch);
      },
      py::arg("batch"),
      "One batch without gradients: {'loss', 'accuracy', 'count'}.");
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

/// A part that is not native, as Python has it: another library's object, or a
/// Module that does the work in Python.
py::object part_out(Module& part) {
  if (auto* holder = dynamic_cast<PyHolder*>(&part))
    return py::reinterpret_borrow<py::object>(holder->object());
  return py::reinterpret_borrow<py::object>(dynamic_cast<PySelf&>(part).self());
}

void def_foreign_ops(py::module_& m) {
  m.def("_set_foreign_ops", [](const py::object& ops) {
    py::handle o = py::object(ops).release();  // for ever
    ForeignOps out;
    auto object = [](const Value& v) { return to_python(v); };
    out.forward = [=](Module& net, const Value& inputs, bool grad) {
      Gil gil;
      return PyModel::carried(
          o.attr("forward")(part_out(net), object(inputs), grad));
    };
    out.loss = [=](Module& criterion, const Value& outputs,
                   const Value& targets) {
      Gil gil;
      return PyModel::carried(o.attr("loss")(part_out(criterion),
                                             object(outputs), object(targets)));
    };
    out.backward = [=](const Value& loss) {
      Gil gil;
      object(loss).attr("backward")();
    };
    out.zero_grad = [=](Module& optimizer) {
      Gil gil;
      part_out(optimizer).attr("zero_grad")();
    };
    out.step = [=](Module& optimizer) {
      Gil gil;
      part_out(optimizer).attr("step")();
    };
    out.detach = [=](const Value& loss) {
      Gil gil;
      return PyModel::carried(object(loss).attr("detach")());
    };
    out.accuracy = [=](const Value& outputs,
                       const Value& targets) -> std::optional<double> {
      Gil gil;
      py::object found = o.attr("accuracy")(object(outputs), object(targets));
      if (found.is_none()) return std::nullopt;
      return py::cast<double>(found);
    };
    out.read = [=](const std::vector<Value>& values) {
      Gil gil;
      py::list list;
      for (const Value& v : values) list.append(object(v));
      return py::cast<std::vector<double>>(o.attr("read")(list));
    };
    set_foreign_ops(std::move(out));
  });
}

}  // namespace

void def_session(py::module_& m) {
  def_model(m);
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
  def_foreign_ops(m);
  m.def("_progress_line", [](const std::string& exp_id, const Status& status,
                             const Value& latest) {
    return progress_line(exp_id, status, latest);
  });
}

}  // namespace ptutils::bindings
