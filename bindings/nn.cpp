#include "nn.h"

#include <pybind11/stl.h>

#include "areas.h"
#include "casters/child.h"
#include "casters/tensor.h"
#include "lifetime.h"
#include "ptutils/tensor/ops.h"

// Variable: a tensor that may carry a gradient, and what is done with it.

namespace ptutils::bindings {

namespace {

using nn::Variable;
using nn::detail::Node;
using NodePtr = std::shared_ptr<Node>;

thread_local int inside_forward = 0;

/// Numbers and nested lists become f32 or i64, as torch has it.
Tensor tensor_like(py::handle object, std::string_view where) {
  bool plain = PyFloat_Check(object.ptr()) || PyLong_Check(object.ptr()) ||
               PyList_Check(object.ptr()) || PyTuple_Check(object.ptr());
  if (!plain) return tensor_or_fail(object, where);
  Tensor made = tensor_or_fail(
      py::module_::import("numpy").attr("asarray")(object), where);
  return cast(made, made.dtype() == DType::kF64 ? DType::kF32 : made.dtype());
}

/// Memory that a Variable may write to and that is ours to save.
Tensor owned(Tensor tensor) {
  if (tensor.read_only() || !tensor.aligned()) tensor = tensor.clone();
  tensor.origin = Origin::kNative;
  tensor.numpy_scalar = false;
  return tensor;
}

/// The other operand of an operation with `like`.
Variable operand(py::handle object, const Variable& like) {
  if (PyBool_Check(object.ptr()) || PyLong_Check(object.ptr()) ||
      PyFloat_Check(object.ptr()))
    return Variable(scalar_like(like.data(), py::cast<double>(object)));
  return variable_or_fail(object, "Variable");
}

bool is_operand(py::handle object) {
  std::string why;
  return PyLong_Check(object.ptr()) || PyFloat_Check(object.ptr()) ||
         py::isinstance<Node>(object) || tensor_from(object, why);
}

NodePtr make_variable(const py::object& data, bool requires_grad) {
  return Variable(owned(tensor_like(data, "Variable")), requires_grad).node();
}

void set_requires_grad(const NodePtr& node, bool value) {
  if (value == node->requires_grad) return;
  if (!node->leaf)
    fail(Kind::kState, "Variable.requires_grad",
         "this is the result of an operation: only that of a leaf can be "
         "changed; take detach() for a value without its tape");
  Variable checked(node->data(), value);  // its dtype
  node->requires_grad = value;
}

void set_grad(const NodePtr& node, const py::object& grad) {
  Variable variable(node);
  if (grad.is_none()) {
    node->drop_grad();
  } else {
    variable.set_grad(owned(tensor_like(grad, "Variable.grad")));
  }
}

py::object get_grad(const NodePtr& node) {
  std::optional<Tensor> grad = node->grad();
  return grad ? py::cast(PyTensor{*grad}) : py::none();
}

py::object tensor_attribute(const NodePtr& node, const char* name) {
  return py::cast(PyTensor{node->data()}).attr(name);
}

double scalar(const Node& node) {
  if (node.data().numel() != 1)
    fail(Kind::kValue, "Variable.item", "shape ", node.data().shape_str(),
         " has more or less than one element");
  return node.data().item_f64();
}

py::object item(const NodePtr& node) {
  double value = scalar(*node);
  if (is_integer(node->data().dtype()))
    return py::int_(node->data().item_i64());
  return py::float_(value);
}

std::string repr(const NodePtr& node) {
  Tensor data = node->data();
  std::string text;
  if (data.dtype() != DType::kBF16 && data.numel() <= 1000) {
    data.origin = Origin::kNative;
    text =
        py::cast<std::string>(py::module_::import("numpy").attr("array2string")(
            tensor_to_numpy(data), py::arg("precision") = 4,
            py::arg("separator") = ", ", py::arg("prefix") = "Variable("));
  } else {
    text = str("shape=", data.shape_str(), ", dtype=", name(data.dtype()));
  }
  return str("Variable(", text,
             node->requires_grad ? ", requires_grad=True" : "",
             node->leaf ? ")" : ", result)");
}

Dims shape_of(const py::args& sizes) {
  py::handle given = sizes;
  if (sizes.size() == 1 && !PyLong_Check(py::object(sizes[0]).ptr()))
    return py::cast<Dims>(sizes[0]);
  return py::cast<Dims>(given);
}

void run_backward(const NodePtr& node) {
  py::gil_scoped_release release;
  Variable(node).backward();
}

/// (data, requires_grad, grad): a result is no leaf, and has a tape besides.
py::tuple reduce_variable(const NodePtr& node) {
  if (!node->leaf)
    fail(Kind::kState, "Variable",
         "the result of an operation cannot be copied or pickled, since its "
         "tape cannot: take detach() first");
  auto plain = [](const Tensor& t) {
    return t.dtype() == DType::kBF16 ? py::cast(PyTensor{t})
                                     : tensor_to_numpy(t);
  };
  std::optional<Tensor> held = node->grad();
  py::object grad = held ? plain(*held) : py::none();
  return py::make_tuple(
      py::module_::import("ptutils._core").attr("_make_variable"),
      py::make_tuple(plain(node->data()), node->requires_grad.load(), grad));
}

NodePtr remake_variable(const py::object& data, bool requires_grad,
                        const py::object& grad) {
  NodePtr node =
      Variable(owned(tensor_or_fail(data, "Variable").clone()), requires_grad)
          .node();
  if (!grad.is_none())
    Variable(node).set_grad(owned(tensor_or_fail(grad, "grad").clone()));
  return node;
}

using VariableClass = py::classh<Node>;

void def_data(VariableClass& cls) {
  cls.def(py::init(&make_variable), py::arg("data"),
          py::arg("requires_grad") = false);
  cls.def_property(
      "data", [](const NodePtr& n) { return py::cast(PyTensor{n->data()}); },
      [](const NodePtr& n, const py::object& data) {
        Variable(n).set_data(owned(tensor_like(data, "Variable.data")));
      },
      "The values, as a ptutils.Tensor that shares their memory.");
  cls.def_property("grad", &get_grad, &set_grad,
                   "The accumulated gradient, or None.");
  cls.def_property(
      "requires_grad",
      [](const NodePtr& n) -> bool { return n->requires_grad; },
      &set_requires_grad);
  cls.def_property_readonly("is_leaf",
                            [](const NodePtr& n) { return n->leaf; });
  cls.def_property_readonly("shape", [](const NodePtr& n) {
    return py::tuple(py::cast(n->data().shape()));
  });
  cls.def_property_readonly(
      "dtype", [](const NodePtr& n) { return tensor_attribute(n, "dtype"); });
  cls.def_property_readonly("ndim",
                            [](const NodePtr& n) { return n->data().dim(); });
  cls.def("numel", [](const NodePtr& n) { return n->data().numel(); });
  cls.def("dim", [](const NodePtr& n) { return n->data().dim(); });
  cls.def("size", [](const NodePtr& n) {
    return py::tuple(py::cast(n->data().shape()));
  });
  cls.def("backward", &run_backward,
          "Gradients of this scalar for every leaf that requires one, added "
          "to their .grad; frees the tape.");
  cls.def(
      "detach", [](const NodePtr& n) { return Variable(n->data()).node(); },
      "The same memory without the tape.");
  cls.def("item", &item, "The one element as a Python number.");
  cls.def(
      "numpy", [](const NodePtr& n) { return tensor_to_numpy(n->data()); },
      "The values as a NumPy array that shares their memory.");
  cls.def(
      "__array__",
      [](const NodePtr& n, const py::object& dtype, const py::object& copy) {
        return py::cast(PyTensor{n->data()})
            .attr("__array__")(dtype, py::arg("copy") = copy);
      },
      py::arg("dtype") = py::none(), py::arg("copy") = py::none());
  cls.attr("__array_ufunc__") = py::none();  // array + variable is ours
  cls.def("__float__", [](const NodePtr& n) { return scalar(*n); });
  cls.def("__len__", [](const NodePtr& n) { return n->data().size(0); });
  cls.def("__repr__", &repr);
  cls.def("__reduce_ex__",
          [](const NodePtr& n, int) { return reduce_variable(n); });
  cls.def("__copy__", [](const NodePtr& n) {
    return Variable(n->data(), n->requires_grad).node();
  });
}

template <class F>
void def_operator(VariableClass& cls, const char* name, const char* reflected,
                  F function) {
  cls.def(name,
          [function](const NodePtr& n, const py::object& o) -> py::object {
            if (!is_operand(o))
              return py::reinterpret_borrow<py::object>(Py_NotImplemented);
            Variable a(n);
            return variable_out(function(a, operand(o, a)));
          });
  cls.def(reflected,
          [function](const NodePtr& n, const py::object& o) -> py::object {
            if (!is_operand(o))
              return py::reinterpret_borrow<py::object>(Py_NotImplemented);
            Variable a(n);
            return variable_out(function(operand(o, a), a));
          });
}

void def_operations(VariableClass& cls) {
  def_operator(cls, "__add__", "__radd__", nn::add);
  def_operator(cls, "__sub__", "__rsub__", nn::sub);
  def_operator(cls, "__mul__", "__rmul__", nn::mul);
  def_operator(cls, "__matmul__", "__rmatmul__", nn::matmul);
  cls.def(
      "__truediv__",
      [](const NodePtr& n, double number) {
        Variable a(n);
        return variable_out(
            nn::mul(a, Variable(scalar_like(a.data(), 1 / number))));
      },
      py::is_operator());
  cls.def("__neg__", [](const NodePtr& n) {
    Variable a(n);
    return variable_out(nn::mul(a, Variable(scalar_like(a.data(), -1.0))));
  });
  cls.def(
      "sum",
      [](const NodePtr& n) { return variable_out(nn::sum(Variable(n))); },
      "The sum of all elements, 0-d.");
  cls.def(
      "mean",
      [](const NodePtr& n) { return variable_out(nn::mean(Variable(n))); },
      "The mean of all elements, 0-d.");
  cls.def("relu",
          [](const NodePtr& n) { return variable_out(nn::relu(Variable(n))); });
  cls.def(
      "reshape",
      [](const NodePtr& n, const py::args& sizes) {
        return variable_out(nn::reshape(Variable(n), shape_of(sizes)));
      },
      "reshape(2, 3) or reshape((2, 3)); one -1 is inferred.");
}

/// `with nn.no_grad():` — may be entered again while inside.
class NoGradContext {
 public:
  void enter() { held_.push_back(std::make_unique<nn::NoGrad>()); }
  void exit() {
    if (!held_.empty()) held_.pop_back();
  }

 private:
  std::vector<std::unique_ptr<nn::NoGrad>> held_;
};

void def_functions(py::module_& m) {
  m.def("_relu", [](const py::object& x) {
    return output_of(nn::relu(variable_or_fail(x, "relu")));
  });
  m.def("_dropout", [](const py::object& x, double p, bool training) {
    Variable in = variable_or_fail(x, "dropout");
    return output_of(training ? nn::dropout(in, p) : in);
  });
  m.def("_linear", [](const py::object& x, const py::object& weight,
                      const py::object& bias) {
    return output_of(nn::linear(
        variable_or_fail(x, "linear"), variable_or_fail(weight, "linear"),
        bias.is_none() ? Variable() : variable_or_fail(bias, "linear")));
  });
  m.def(
      "_cross_entropy",
      [](const py::object& input, const py::object& target,
         const py::object& weight, std::int64_t ignore_index,
         const std::string& reduction, double label_smoothing) {
        return output_of(nn::cross_entropy(
            variable_or_fail(input, "cross_entropy"),
            variable_or_fail(target, "cross_entropy").data(),
            cross_entropy_options(weight, ignore_index, reduction,
                                  label_smoothing)));
      },
      py::arg("input"), py::arg("target"), py::arg("weight") = py::none(),
      py::arg("ignore_index") = -100, py::arg("reduction") = "mean",
      py::arg("label_smoothing") = 0.0);
  m.def("_grad_enabled", &nn::grad_enabled);
  py::class_<NoGradContext>(m, "_NoGrad")
      .def(py::init<>())
      .def("enter", &NoGradContext::enter)
      .def("exit", &NoGradContext::exit);
}

}  // namespace

nn::Variable variable_or_fail(py::handle object, std::string_view where) {
  if (py::isinstance<Node>(object)) return Variable(py::cast<NodePtr>(object));
  Tensor tensor = tensor_like(object, where);
  tensor.origin = Origin::kNative;
  tensor.numpy_scalar = false;
  return Variable(tensor);
}

py::object variable_out(const nn::Variable& variable) {
  if (!variable.defined()) return py::none();
  return py::cast(variable.node());
}

py::object output_of(const nn::Variable& variable) {
  if (nn::grad_enabled() || inside_forward > 0) return variable_out(variable);
  return py::cast(PyTensor{variable.data()});
}

nn::CrossEntropyOptions cross_entropy_options(const py::object& weight,
                                              std::int64_t ignore_index,
                                              const std::string& reduction,
                                              double label_smoothing) {
  nn::CrossEntropyOptions out;
  if (!weight.is_none()) {
    Tensor given = variable_or_fail(weight, "cross_entropy.weight").data();
    Tensor numbers = cast(given, DType::kF64).to_contiguous();
    const auto* at = numbers.data<double>();
    out.weight.assign(at, at + numbers.numel());
  }
  out.ignore_index = ignore_index;
  out.reduction = nn::reduction_of(reduction, "cross_entropy");
  out.label_smoothing = label_smoothing;
  return out;
}

InsideForward::InsideForward() { ++inside_forward; }
InsideForward::~InsideForward() { --inside_forward; }

std::vector<nn::Variable> variables_of(py::handle iterable,
                                       std::string_view where) {
  if (py::isinstance<Node>(iterable))
    fail(Kind::kType, where,
         "params is an iterable of Variables, such as "
         "net.parameters(), not one Variable");
  if (py::isinstance<Module>(iterable) ||
      is_instance_of(iterable, "torch.nn", "Module"))
    fail(Kind::kType, where, "params is a ",
         std::string(py::str(py::type::of(iterable).attr("__name__"))),
         ", a net: give net.parameters()");
  std::vector<Variable> out;
  for (py::handle each : iterable) {
    py::object item = py::reinterpret_borrow<py::object>(each);
    if (py::isinstance<py::tuple>(item) && py::len(item) == 2)
      item = item[py::int_(1)];
    if (!py::isinstance<Node>(item))
      fail(Kind::kType, where, "params has a ", Py_TYPE(item.ptr())->tp_name,
           PyDict_Check(item.ptr())
               ? ": parameter groups are not supported; make an optimizer each"
               : ", not only Variables (net.parameters())");
    out.emplace_back(py::cast<NodePtr>(item));
  }
  return out;
}

void def_variable(py::module_& m) {
  VariableClass cls(
      m, "Variable",
      "A tensor that may carry a gradient. Results remember how they were "
      "made; backward() of a scalar walks back.\n\n"
      ">>> from ptutils import nn\n"
      ">>> w = nn.Variable([1.0, 2.0], requires_grad=True)\n"
      ">>> loss = (w * w).sum()\n"
      ">>> loss.backward()\n"
      ">>> w.grad.numpy()\n"
      "array([2., 4.], dtype=float32)");
  cls.attr("__module__") = "ptutils.nn";
  def_data(cls);
  def_operations(cls);
  m.def("_make_variable", &remake_variable);
  def_functions(m);
}

void def_nn(py::module_& m) {
  def_variable(m);
  def_layers(m);
  def_optim(m);
}

}  // namespace ptutils::bindings
