#include <pybind11/stl.h>

#include "attributes.h"
#include "casters/child.h"
#include "casters/tensor.h"
#include "gil.h"
#include "lifetime.h"
#include "nn.h"
#include "ptutils/nn/layers.h"

// Layers and losses. A binding of `forward` calls its own class's (T::forward),
// so that super().forward(x) never comes back to Python's.

namespace ptutils::bindings {

namespace {

using nn::Variable;

/// Variables among the attributes of a Python object, by name.
void add_attributes(PyObject* self,
                    std::vector<std::pair<std::string, Variable>>& out) {
  for (auto [key, value] : attributes_of(self)) {
    if (!py::isinstance<nn::detail::Node>(value)) continue;
    Variable variable = variable_or_fail(value, "Module");
    if (variable.requires_grad()) out.emplace_back(py::str(key), variable);
  }
}

template <class Base>
class PyLayer : public PyModule<Base> {
 public:
  using PyModule<Base>::PyModule;

  Variable forward(const Variable& x) override {
    if (!this->overrides(Method::kForward)) {
      if constexpr (std::is_abstract_v<Base>)
        fail(Kind::kNotImplemented, this->class_name(),
             "defines no forward(self, x)");
      else
        return Base::forward(x);
    }
    Gil gil;
    InsideForward inside;
    return variable_or_fail(
        this->call_python(Method::kForward, variable_out(x)),
        this->class_name() + ".forward");
  }

  Value call(const Value& arguments) override {
    if (!this->overrides(Method::kForward) || this->overrides(Method::kCall))
      return PyModule<Base>::call(arguments);
    Gil gil;
    InsideForward inside;
    py::list given;
    auto add = [&](const Value& value) {
      given.append(value.is_tensor() ? variable_out(nn::variable_in(value))
                                     : bindings::to_python(value));
    };
    if (arguments.is_list())
      for (const Value& value : arguments.as_list().items) add(value);
    else
      add(arguments);
    return bindings::to_value(
        py::handle(this->self()).attr("forward")(*py::tuple(given)));
  }

  std::vector<std::pair<std::string, Variable>> own_parameters() override {
    auto out = Base::own_parameters();
    Gil gil;
    if (this->self()) add_attributes(this->self(), out);
    return out;
  }
};

template <class Base>
class PyCriterion : public PyModule<Base> {
 public:
  using PyModule<Base>::PyModule;
  Value loss(const Value& outputs, const Value& targets) override {
    if (!this->overrides(Method::kLoss)) {
      if constexpr (std::is_abstract_v<Base>)
        fail(Kind::kNotImplemented, this->class_name(),
             "defines no loss(self, outputs, targets)");
      else
        return Base::loss(outputs, targets);
    }
    Gil gil;
    InsideForward inside;
    py::object given = outputs.is_tensor()
                           ? variable_out(nn::variable_in(outputs))
                           : bindings::to_python(outputs);
    return bindings::to_value(
        this->call_python(Method::kLoss, given, bindings::to_python(targets)));
  }
};

bool overrides(const Module& module, Method method) {
  auto* self = dynamic_cast<const PySelf*>(&module);
  return self && self->overrides(method);
}

/// Arrays become Variables, so that a forward sees nothing else.
py::object as_input(py::handle object) {
  std::string why;
  if (!py::isinstance<nn::detail::Node>(object) && tensor_from(object, why))
    return variable_out(variable_or_fail(object, "forward"));
  return py::reinterpret_borrow<py::object>(object);
}

py::object call_layer(const py::object& self, const py::args& args,
                      const py::kwargs& kwargs) {
  auto& layer = py::cast<nn::Module&>(self);
  if (overrides(layer, Method::kForward)) {
    py::list inputs;
    for (py::handle arg : args) inputs.append(as_input(arg));
    py::dict named;
    for (auto [key, value] : kwargs) named[key] = as_input(value);
    py::object result;
    {
      InsideForward inside;
      result = self.attr("forward")(*py::tuple(inputs), **named);
    }
    if (!py::isinstance<nn::detail::Node>(result)) return result;
    return output_of(variable_or_fail(result, "forward"));
  }
  if (args.size() != 1 || !kwargs.empty())
    fail(Kind::kType, layer.class_name(),
         "takes one array, Tensor or Variable, not ",
         args.size() + kwargs.size(), " arguments");
  Variable x = variable_or_fail(args[0], layer.class_name());
  Variable out;
  {
    py::gil_scoped_release release;
    out = layer.forward(x);
  }
  return output_of(out);
}

template <class T, class Class>
void def_forward(Class& cls) {
  cls.def(
      "forward",
      [](T& self, const py::object& input) {
        Variable x = variable_or_fail(input, self.class_name());
        return output_of(self.T::forward(x));
      },
      py::arg("x"));
}

template <class T, class Class>
void def_option(Class& cls, const char* name) {
  cls.def_property_readonly(name, [name](T& self) {
    return bindings::to_python(self.T::to_config().as_dict().at(name));
  });
}

template <class Class>
void def_parameters(Class& cls) {
  cls.def(
      "named_parameters",
      [](nn::Module& self) {
        py::list out;
        for (auto& [name, parameter] : self.named_parameters())
          out.append(py::make_tuple(name, variable_out(parameter)));
        return py::iter(out);
      },
      "(name, Variable) of this net and all below it; own ones first, as "
      "torch; what is shared appears once.");
  cls.def(
      "parameters",
      [](nn::Module& self) {
        py::list out;
        for (Variable& parameter : self.parameters())
          out.append(variable_out(parameter));
        return py::iter(out);
      },
      "The Variables of named_parameters().");
  cls.def("zero_grad", [](nn::Module& self) {
    for (Variable& parameter : self.parameters()) parameter.zero_grad();
  });
  cls.def(
      "requires_grad_",
      [](const py::object& self, bool value) {
        for (auto& p : py::cast<nn::Module&>(self).parameters())
          variable_out(p).attr("requires_grad") = value;
        return self;
      },
      py::arg("requires_grad") = true);
}

void def_base(py::module_& m) {
  auto cls = bind_module<nn::Module, Module, PyLayer<nn::Module>, true>(
      m, "_NetModule", "ptutils.nn",
      "A layer or a net: subclass it, keep layers and Variables as attributes "
      "(or in lists and dicts), and define forward.\n\n"
      ">>> from ptutils import nn\n"
      ">>> class Net(nn.Module):\n"
      "...     def __init__(self):\n"
      "...         self.layers = [nn.Linear(4, 8), nn.Linear(8, 2)]\n"
      "...     def forward(self, x):\n"
      "...         return self.layers[1](self.layers[0](x).relu())\n"
      ">>> [name for name, _ in Net().named_parameters()]\n"
      "['layers.0.weight', 'layers.0.bias', 'layers.1.weight', "
      "'layers.1.bias']");
  cls.attr("__name__") = "Module";
  cls.attr("__qualname__") = "Module";
  def_parameters(cls);
  cls.def("__call__", &call_layer);
  cls.def("forward", [](nn::Module& self, const py::object&) -> py::object {
    fail(Kind::kNotImplemented, self.class_name(),
         "defines no forward(self, x)");
  });
}

/// A parameter of a layer as an attribute: a Variable, or an array for one.
void set_parameter(Variable& slot, const py::object& value, const char* name) {
  bool is_variable = py::isinstance<nn::detail::Node>(value);
  Variable given = variable_or_fail(value, name);
  slot = is_variable ? given : Variable(given.data().clone(), true);
}

PyLayer<nn::Linear>* make_linear(std::int64_t in_features,
                                 std::int64_t out_features, bool bias,
                                 const py::object& weight,
                                 const py::object& bias_value) {
  if (weight.is_none())
    return new PyLayer<nn::Linear>(in_features, out_features, bias);
  // A copy: nothing is drawn, so that the streams stay where they are.
  auto made = std::make_unique<PyLayer<nn::Linear>>(0, 0, bias);
  made->weight = variable_or_fail(weight, "Linear.weight");
  if (bias) made->bias = variable_or_fail(bias_value, "Linear.bias");
  return made.release();
}

void def_linear(py::module_& m) {
  auto cls = bind_module<nn::Linear, nn::Module, PyLayer<nn::Linear>, false>(
      m, "Linear", "ptutils.nn",
      "x (…, in_features) -> x @ weight.T + bias (…, out_features); weight "
      "(out, in) and bias (out) drawn from U(-1/sqrt(in), 1/sqrt(in)), as "
      "torch.nn.Linear.\n\n"
      ">>> import numpy as np\n"
      ">>> from ptutils import nn\n"
      ">>> nn.Linear(3, 2)(np.ones((4, 3), np.float32)).shape\n"
      "(4, 2)");
  cls.def(py::init(&make_linear), py::arg("in_features"),
          py::arg("out_features"), py::arg("bias") = true, py::kw_only(),
          py::arg("_weight") = py::none(), py::arg("_bias") = py::none());
  def_forward<nn::Linear>(cls);
  def_option<nn::Linear>(cls, "in_features");
  def_option<nn::Linear>(cls, "out_features");
  cls.def_property(
      "weight", [](nn::Linear& l) { return variable_out(l.weight); },
      [](nn::Linear& l, const py::object& v) {
        set_parameter(l.weight, v, "Linear.weight");
      });
  cls.def_property(
      "bias", [](nn::Linear& l) { return variable_out(l.bias); },
      [](nn::Linear& l, const py::object& v) {
        if (v.is_none())
          l.bias = Variable();
        else
          set_parameter(l.bias, v, "Linear.bias");
      });
  // With the Variables themselves: tied ones stay tied, in an optimizer too.
  cls.def("__reduce_ex__", [](const py::object& self, int) {
    auto& linear = py::cast<nn::Linear&>(self);
    py::dict arguments;
    arguments["in_features"] = linear.weight.data().size(1);
    arguments["out_features"] = linear.weight.data().size(0);
    arguments["bias"] = linear.bias.defined();
    arguments["_weight"] = variable_out(linear.weight);
    arguments["_bias"] = variable_out(linear.bias);
    return reduced(self, arguments);
  });
}

void def_simple(py::module_& m) {
  auto relu = bind_module<nn::ReLU, nn::Module, PyLayer<nn::ReLU>, true>(
      m, "ReLU", "ptutils.nn", "max(x, 0), elementwise.");
  def_forward<nn::ReLU>(relu);

  auto flatten =
      bind_module<nn::Flatten, nn::Module, PyLayer<nn::Flatten>, false>(
          m, "Flatten", "ptutils.nn",
          "(n, a, b, …) -> (n, a*b*…): the dimensions from start_dim to "
          "end_dim become one.");
  flatten.def(py::init_alias<std::int64_t, std::int64_t>(),
              py::arg("start_dim") = 1, py::arg("end_dim") = -1);
  def_forward<nn::Flatten>(flatten);
  def_constructor<nn::Flatten>(flatten);
  def_option<nn::Flatten>(flatten, "start_dim");
  def_option<nn::Flatten>(flatten, "end_dim");

  auto dropout =
      bind_module<nn::Dropout, nn::Module, PyLayer<nn::Dropout>, false>(
          m, "Dropout", "ptutils.nn",
          "In training, zeroes elements with probability p and scales the "
          "others by 1 / (1 - p); after eval(), passes through. Draws from "
          "pt.seed's stream.");
  dropout.def(py::init_alias<double>(), py::arg("p") = 0.5);
  def_forward<nn::Dropout>(dropout);
  def_constructor<nn::Dropout>(dropout);
  def_option<nn::Dropout>(dropout, "p");
}

std::vector<ModulePtr> modules_of(py::handle iterable) {
  std::vector<ModulePtr> out;
  for (py::handle item : iterable) out.push_back(child_in(item, "Sequential"));
  return out;
}

PyLayer<nn::Sequential>* make_sequential(const py::args& layers) {
  return new PyLayer<nn::Sequential>(modules_of(layers));
}

py::object sequential_item(const py::object& self, const py::object& index) {
  auto& layers = py::cast<nn::Sequential&>(self);
  if (PyLong_Check(index.ptr()))
    return child_out(layers.at(py::cast<std::int64_t>(index)));
  if (!PySlice_Check(index.ptr()))  // a dotted path, as of any Module
    return py::type::of<Module>().attr("__getitem__")(self, index);
  py::list part;
  std::size_t start = 0, stop = 0, step = 0, count = 0;
  if (!py::reinterpret_borrow<py::slice>(index).compute(layers.size(), &start,
                                                        &stop, &step, &count))
    throw py::error_already_set();
  for (std::size_t i = 0; i < count; ++i, start += step)
    part.append(child_out(layers.at(static_cast<std::int64_t>(start))));
  return py::type::of<nn::Sequential>()(*py::tuple(part));
}

py::list layers_of(nn::Sequential& self) {
  py::list out;
  for (std::size_t i = 0; i < self.size(); ++i)
    out.append(child_out(self.at(static_cast<std::int64_t>(i))));
  return out;
}

void def_sequential(py::module_& m) {
  auto cls =
      bind_module<nn::Sequential, nn::Module, PyLayer<nn::Sequential>, false>(
          m, "Sequential", "ptutils.nn",
          "Layers one after the other; they are named 0, 1, …\n\n"
          ">>> from ptutils import nn\n"
          ">>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU())\n"
          ">>> len(net), [name for name, _ in net.named_parameters()]\n"
          "(2, ['0.weight', '0.bias'])");
  cls.def(py::init(&make_sequential));
  def_forward<nn::Sequential>(cls);
  cls.def("__len__", &nn::Sequential::size);
  cls.def("__bool__", [](const nn::Sequential&) { return true; });
  cls.def("__getitem__", &sequential_item);
  cls.def("__iter__",
          [](nn::Sequential& self) { return py::iter(layers_of(self)); });
  cls.def(
      "append",
      [](const py::object& self, const py::object& layer) {
        py::cast<nn::Sequential&>(self).append(child_in(layer, "Sequential"));
        return self;
      },
      py::arg("layer"), "Adds a layer at the end; returns itself.");
  cls.def_static(
      "_from_arguments",
      [](const py::object& layers) {
        return py::type::of<nn::Sequential>()(
            *(layers.is_none() ? py::tuple() : py::tuple(layers)));
      },
      py::arg("layers") = py::none());
  cls.def("__reduce_ex__", [](const py::object& self, int) {
    return reduced(self, py::dict(),
                   layers_of(py::cast<nn::Sequential&>(self)));
  });
  cls.def("_set_extra_state", [](nn::Sequential& self, const py::list& layers) {
    for (ModulePtr& layer : modules_of(layers)) self.append(std::move(layer));
  });
}

py::object call_criterion(const py::object& self, const py::object& input,
                          const py::object& target) {
  auto& criterion = py::cast<nn::Criterion&>(self);
  if (overrides(criterion, Method::kLoss)) {
    InsideForward inside;
    return self.attr("loss")(as_input(input), target);
  }
  Value loss = criterion.loss(
      nn::wrap(variable_or_fail(input, criterion.class_name())),
      Value(variable_or_fail(target, criterion.class_name()).data()));
  return output_of(nn::variable_in(loss));
}

void def_losses(py::module_& m) {
  auto base =
      bind_module<nn::Criterion, Module, PyCriterion<nn::Criterion>, true>(
          m, "Criterion", "ptutils.nn",
          "A loss: subclasses define loss(self, outputs, targets), 0-d.\n\n"
          ">>> from ptutils import nn\n"
          ">>> class MSE(nn.Criterion):\n"
          "...     def loss(self, outputs, targets):\n"
          "...         error = outputs - targets\n"
          "...         return (error * error).mean()\n"
          ">>> import numpy as np\n"
          ">>> float(MSE()(np.ones(2, np.float32), np.zeros(2, np.float32)))\n"
          "1.0");
  base.def("__call__", &call_criterion, py::arg("input"), py::arg("target"));
  base.def("loss",
           [](nn::Criterion& self, const py::object&,
              const py::object&) -> py::object {
             fail(Kind::kNotImplemented, self.class_name(),
                  "defines no loss(self, outputs, targets)");
           });
}

void def_cross_entropy(py::module_& m) {
  using Entropy = nn::CrossEntropyLoss;
  auto cls = bind_module<Entropy, nn::Criterion, PyCriterion<Entropy>, true>(
      m, "CrossEntropyLoss", "ptutils.nn",
      "The mean (reduction: or 'sum', or 'none') over the batch of -log "
      "softmax(input)[target]; input (n, classes), target (n) of an integer "
      "dtype. "
      "weight (classes), ignore_index and label_smoothing are torch's.");
  // A plain method: the object is there already, whether or not it is called.
  cls.attr("__init__") = py::cpp_function(
      [](Entropy& self, const py::object& weight, std::int64_t ignore_index,
         const std::string& reduction, double label_smoothing) {
        self.options = cross_entropy_options(weight, ignore_index, reduction,
                                             label_smoothing);
      },
      py::name("initialize"), py::is_method(cls),
      py::arg("weight") = py::none(), py::arg("ignore_index") = -100,
      py::arg("reduction") = "mean", py::arg("label_smoothing") = 0.0);
  def_constructor<Entropy>(cls);
  cls.def_property(
      "reduction", [](const Entropy& e) { return name(e.options.reduction); },
      [](Entropy& e, const std::string& text) {
        e.options.reduction = nn::reduction_of(text, "CrossEntropyLoss");
      });
  cls.def_property(
      "ignore_index", [](const Entropy& e) { return e.options.ignore_index; },
      [](Entropy& e, std::int64_t target) { e.options.ignore_index = target; });
  cls.def_property(
      "label_smoothing",
      [](const Entropy& e) { return e.options.label_smoothing; },
      [](Entropy& e, double share) { e.options.label_smoothing = share; });
  cls.def(
      "loss",
      [](Entropy& self, const py::object& outputs, const py::object& targets) {
        Value loss = self.Entropy::loss(
            nn::wrap(variable_or_fail(outputs, "CrossEntropyLoss")),
            Value(variable_or_fail(targets, "CrossEntropyLoss").data()));
        return output_of(nn::variable_in(loss));
      },
      py::arg("outputs"), py::arg("targets"));
}

}  // namespace

void def_layers(py::module_& m) {
  def_base(m);
  def_linear(m);
  def_simple(m);
  def_sequential(m);
  def_losses(m);
  def_cross_entropy(m);
}

}  // namespace ptutils::bindings
