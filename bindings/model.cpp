#include "ptutils/session/model.h"

#include <pybind11/stl.h>

#include "areas.h"
#include "casters/child.h"
#include "casters/function.h"
#include "casters/value.h"
#include "errors.h"
#include "gil.h"
#include "lifetime.h"

// Model, and what a step does with nets of other libraries (which Python says:
// python/ptutils/model.py).

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

void def_model_class(py::module_& m) {
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

void def_model(py::module_& m) {
  def_model_class(m);
  def_foreign_ops(m);
}

}  // namespace ptutils::bindings
