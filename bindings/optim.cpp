#include "ptutils/nn/optim.h"

#include <pybind11/stl.h>

#include "attributes.h"
#include "casters/value.h"
#include "gil.h"
#include "lifetime.h"
#include "nn.h"
#include "ptutils/common/names.h"

namespace ptutils::bindings {

namespace {

using nn::Variable;
using optim::Optimizer;
using Variables = std::vector<Variable>;

py::list variable_list(const Variables& variables) {
  py::list out;
  for (const Variable& variable : variables) out.append(variable_out(variable));
  return out;
}

/// An optimizer of Python's: `params` and `lr` are its attributes.
class PyOptimizer final : public PyModule<Optimizer> {
 public:
  using PyModule::PyModule;
  void set_parameters(Variables parameters) override {
    Gil gil;
    py::handle(self()).attr("params") = variable_list(parameters);
  }
  Variables parameters() const override {
    Gil gil;
    if (!py::hasattr(self(), "params")) return {};
    return variables_of(attribute("params"), class_name());
  }
  void zero_grad() override {
    Gil gil;
    if (overrides(Method::kZeroGrad))
      call_python(Method::kZeroGrad);
    else
      zero_params();
  }
  void step() override {
    Gil gil;
    if (!overrides(Method::kStep))
      fail(Kind::kNotImplemented, class_name(), "defines no step(self)");
    call_python(Method::kStep);
  }
  double lr() const override {
    Gil gil;
    return py::cast<double>(attribute("lr"));
  }
  void set_lr(double lr) override {
    Gil gil;
    py::handle(self()).attr("lr") = lr;
  }
  void zero_params() {
    for (Variable& v : variables_of(attribute("params"), class_name()))
      v.zero_grad();
  }

 private:
  py::object attribute(const char* name) const {
    if (!py::hasattr(self(), name))
      fail(Kind::kState, class_name(), "has no attribute '", name,
           "': set self.", name, " in __init__");
    return py::handle(self()).attr(name);
  }
};

/// SGD or Adam.
template <class T>
class PyNative final : public PyModule<T> {
 public:
  using PyModule<T>::PyModule;
  void zero_grad() override {
    if (!this->overrides(Method::kZeroGrad)) return T::zero_grad();
    Gil gil;
    this->call_python(Method::kZeroGrad);
  }
  void step() override {
    if (!this->overrides(Method::kStep)) return T::step();
    Gil gil;
    this->call_python(Method::kStep);
  }
};

/// The one entry of param_groups: a mapping that writes through.
struct ParamGroup {
  py::object owner;
  std::function<Dict()> read;
  std::function<void(const std::string&, const py::object&)> write;
  std::function<Variables()> parameters;

  py::object get(const std::string& key) const {
    if (key == "params") return variable_list(parameters());
    return bindings::to_python(read().at(key));
  }
  py::dict all() const {
    py::dict out;
    out["params"] = variable_list(parameters());
    for (const auto& [key, value] : read())
      if (to_string(key) != "params")
        out[py::str(to_string(key))] = bindings::to_python(value);
    return out;
  }
};

template <class T>
PyNative<T>& native(const py::object& self) {
  auto* found = dynamic_cast<PyNative<T>*>(&py::cast<T&>(self));
  if (!found)
    fail(Kind::kState, "Optimizer", "this object was not made in Python");
  return *found;
}

template <class T>
Dict group_of(T& self) {
  Value state = self.T::state_dict(false);
  return state.as_dict().at("param_groups").as_list().items.at(0).as_dict();
}

template <class T>
void write_group(T& self, const std::string& key, const py::object& value) {
  if (key == "lr") return self.T::set_lr(py::cast<double>(value));
  if (key == "params")
    return self.set_parameters(variables_of(value, self.class_name()));
  Value state = self.T::state_dict(true);
  Dict& group = state.as_dict()["param_groups"].as_list().items.at(0).as_dict();
  if (!group.contains(key))
    fail(Kind::kKey, self.class_name(), "param_groups has no '", key, "'",
         did_you_mean(key, group.keys()));
  group.set(key, to_value(value, key));
  Mismatch found;
  self.T::check_state(state, "", true, found);
  if (!found.empty()) found.raise(self.class_name());
  self.T::load_partial(state);
}

template <class T>
py::list param_groups(const py::object& owner) {
  auto& self = native<T>(owner);
  ParamGroup group{owner, [&self] { return group_of<T>(self); },
                   [&self](const std::string& key, const py::object& value) {
                     write_group<T>(self, key, value);
                   },
                   [&self] { return self.parameters(); }};
  py::list out;
  out.append(py::cast(std::move(group)));
  return out;
}

void def_group(py::module_& m) {
  py::class_<ParamGroup> cls(m, "_ParamGroup");
  cls.def("__getitem__", &ParamGroup::get);
  cls.def("__setitem__", [](const ParamGroup& g, const std::string& key,
                            const py::object& value) { g.write(key, value); });
  cls.def(
      "get",
      [](const ParamGroup& g, const std::string& key,
         const py::object& fallback) {
        return g.all().attr("get")(key, fallback);
      },
      py::arg("key"), py::arg("default") = py::none());
  for (const char* name : {"keys", "values", "items"})
    cls.def(name, [name](const ParamGroup& g) { return g.all().attr(name)(); });
  cls.def("__contains__", [](const ParamGroup& g, const py::object& key) {
    return g.all().contains(key);
  });
  cls.def("__iter__", [](const ParamGroup& g) { return py::iter(g.all()); });
  cls.def("__len__", [](const ParamGroup& g) { return g.all().size(); });
  cls.def("__repr__",
          [](const ParamGroup& g) { return py::repr(py::object(g.all())); });
}

/// What SGD and Adam share. step(closure) as torch's.
template <class T, class Class>
void def_native(Class& cls) {
  cls.def(
      "step",
      [](T& self, const py::object& closure) {
        py::object loss =
            closure.is_none() ? py::object(py::none()) : closure();
        py::gil_scoped_release release;
        self.T::step();
        return loss;
      },
      py::arg("closure") = py::none(),
      "Updates every parameter that has a gradient.");
  cls.def("zero_grad", [](T& self) { self.T::zero_grad(); });
  cls.def_property(
      "lr", [](T& self) { return self.T::lr(); },
      [](T& self, double lr) { self.T::set_lr(lr); });
  cls.def_property_readonly("param_groups", &param_groups<T>,
                            "[one mapping]: group['lr'] may be assigned.");
  cls.def_property_readonly("params", [](const py::object& self) {
    return variable_list(native<T>(self).parameters());
  });
  cls.def(
      "set_parameters",
      [](T& self, const py::object& params) {
        self.set_parameters(variables_of(params, self.class_name()));
      },
      py::arg("params"), "Replaces what it updates; options stay.");
  // With the Variables themselves, so that a copy of a net and its optimizer
  // belong together.
  cls.def("__reduce_ex__", [](const py::object& self, int) {
    auto& optimizer = native<T>(self);
    py::dict arguments = config_arguments<T>(optimizer);
    if (const Variables parameters = optimizer.parameters();
        !parameters.empty())
      arguments["params"] = variable_list(parameters);
    return reduced(self, arguments,
                   bindings::to_python(optimizer.T::state_dict(true)));
  });
  cls.def("_set_extra_state",
          [](T& self, const Value& state) { self.T::load_partial(state); });
}

void def_optimizer(py::module_& m) {
  auto cls = bind_module<Optimizer, Module, PyOptimizer, true>(
      m, "Optimizer", "ptutils.optim",
      "The base class of optimizers. A subclass keeps what it updates in "
      "`self.params`, its rate in `self.lr`, and defines step; other "
      "attributes are its state.\n\n"
      ">>> from ptutils import nn, optim\n"
      ">>> class Plain(optim.Optimizer):\n"
      "...     def __init__(self, params=(), lr=0.1):\n"
      "...         self.params, self.lr = list(params), lr\n"
      "...     def step(self):\n"
      "...         for p in self.params:\n"
      "...             p.data = p.numpy() - self.lr * p.grad.numpy()\n"
      ">>> w = nn.Variable([1.0], requires_grad=True)\n"
      ">>> (w * w).sum().backward()\n"
      ">>> Plain([w]).step()\n"
      ">>> w.numpy()\n"
      "array([0.8], dtype=float32)");
  cls.def("step", [](Optimizer& self) {
    fail(Kind::kNotImplemented, self.class_name(), "defines no step(self)");
  });
  cls.def("zero_grad", [](Optimizer& self) {
    if (auto* python = dynamic_cast<PyOptimizer*>(&self))
      python->zero_params();
    else
      self.zero_grad();
  });
}

/// None: the Model gives the net's.
Variables given(const py::object& params, const char* where) {
  if (params.is_none()) return {};
  Variables out = variables_of(params, where);
  if (out.empty())
    fail(Kind::kValue, where,
         "params is empty: nothing would be trained; without params the Model "
         "gives the net's");
  return out;
}

PyNative<optim::SGD>* make_sgd(const py::object& params, double lr,
                               double momentum, double dampening,
                               double weight_decay, bool nesterov) {
  optim::SGD::Options options{lr, momentum, dampening, weight_decay, nesterov};
  return new PyNative<optim::SGD>(given(params, "ptutils.optim.SGD"), options);
}

PyNative<optim::Adam>* make_adam(const py::object& params, double lr,
                                 std::pair<double, double> betas, double eps,
                                 double weight_decay) {
  optim::Adam::Options options{lr, betas.first, betas.second, eps,
                               weight_decay};
  return new PyNative<optim::Adam>(given(params, "ptutils.optim.Adam"),
                                   options);
}

}  // namespace

void def_optim(py::module_& m) {
  def_group(m);
  def_optimizer(m);
  auto sgd = bind_module<optim::SGD, Optimizer, PyNative<optim::SGD>, false>(
      m, "SGD", "ptutils.optim",
      "Stochastic gradient descent, as torch.optim.SGD (formulas, "
      "defaults, state). Without params the Model gives the net's.\n\n"
      ">>> from ptutils import nn, optim\n"
      ">>> net = nn.Linear(2, 1)\n"
      ">>> optim.SGD(net.parameters(), lr=0.1, momentum=0.9).lr\n"
      "0.1");
  sgd.def(py::init(&make_sgd), py::arg("params") = py::none(),
          py::arg("lr") = 1e-3, py::arg("momentum") = 0.0,
          py::arg("dampening") = 0.0, py::arg("weight_decay") = 0.0,
          py::arg("nesterov") = false);
  def_native<optim::SGD>(sgd);

  auto adam = bind_module<optim::Adam, Optimizer, PyNative<optim::Adam>, false>(
      m, "Adam", "ptutils.optim",
      "Adam (Kingma and Ba 2015), as torch.optim.Adam (formulas, "
      "defaults, state). Without params the Model gives the net's.\n\n"
      ">>> from ptutils import nn, optim\n"
      ">>> net = nn.Linear(2, 1)\n"
      ">>> optim.Adam(net.parameters()).param_groups[0]['betas']\n"
      "(0.9, 0.999)");
  adam.def(py::init(&make_adam), py::arg("params") = py::none(),
           py::arg("lr") = 1e-3,
           py::arg("betas") = std::pair<double, double>(0.9, 0.999),
           py::arg("eps") = 1e-8, py::arg("weight_decay") = 0.0);
  def_native<optim::Adam>(adam);
}

}  // namespace ptutils::bindings
