#include <pybind11/stl.h>

#include "casters/literal.h"
#include "ptutils/tensor/ops.h"
#include "tensor.h"

// Elementwise functions, reductions and the rest: as methods of ptutils.Tensor
// (def_methods) and as free functions (def_functions).

namespace ptutils::bindings {

namespace {

using Unary = Tensor (*)(const Tensor&);
using Binary = Tensor (*)(const Tensor&, const Tensor&);
using Reduction = Tensor (*)(const Tensor&, const Dims&, bool);
using Place = Tensor (*)(const Tensor&, std::optional<std::int64_t>, bool);
using Softmax = Tensor (*)(const Tensor&, std::int64_t);

template <class Function>
struct Row {
  const char* name;
  Function op;
  const char* doc;
};

const Row<Unary> kUnary[] = {
    {"neg", neg, ">>> pt.ops.neg([1, -2])\nTensor([-1,  2])"},
    {"abs", abs,
     "The absolute value; real for complex numbers.\n\n"
     ">>> pt.ops.abs([-1.5, 2.])\nTensor([1.5000, 2.0000])"},
    {"square", square, ">>> pt.ops.square([3, -4])\nTensor([ 9, 16])"},
    {"exp", exp, ">>> pt.ops.exp([0., 1.])\nTensor([1.0000, 2.7183])"},
    {"log", log_e,
     "The natural logarithm.\n\n"
     ">>> pt.ops.log([1., 0.])\nTensor([  0., -inf])"},
    {"sqrt", sqrt, ">>> pt.ops.sqrt([4., 9.])\nTensor([2., 3.])"},
    {"tanh", tanh, ">>> pt.ops.tanh([0., 1.])\nTensor([0.0000, 0.7616])"},
    {"sigmoid", sigmoid,
     "1 / (1 + exp(-input)).\n\n"
     ">>> pt.ops.sigmoid([0., 2.])\nTensor([0.5000, 0.8808])"},
    {"relu", relu,
     "The larger one of the element and 0; NaN stays.\n\n"
     ">>> pt.ops.relu([-1, 2])\nTensor([0, 2])"},
    {"isnan", isnan,
     ">>> pt.ops.isnan([1., float('nan')])\nTensor([False,  True])"},
    {"isinf", isinf,
     ">>> pt.ops.isinf([1., float('-inf')])\nTensor([False,  True])"},
    {"logical_not", logical_not,
     ">>> pt.ops.logical_not([0, 3])\nTensor([ True, False])"},
};

const Row<Binary> kBinary[] = {
    {"add", add, ">>> pt.ops.add([1, 2], 0.5)\nTensor([1.5000, 2.5000])"},
    {"sub", sub, ">>> pt.ops.sub([1, 2], 3)\nTensor([-2, -1])"},
    {"mul", mul,
     ">>> pt.ops.mul([[1], [2]], [3, 4])\n"
     "Tensor([[3, 4],\n        [6, 8]])"},
    {"div", div,
     "True division: integers give f32.\n\n"
     ">>> pt.ops.div([1, 3], 2)\nTensor([0.5000, 1.5000])"},
    {"floor_div", floor_div,
     "Rounded down, as Python's //.\n\n"
     ">>> pt.ops.floor_div([7, -7], 2)\nTensor([ 3, -4])"},
    {"remainder", remainder,
     "With the divisor's sign, as Python's %.\n\n"
     ">>> pt.ops.remainder([7, -7], 4)\nTensor([3, 1])"},
    {"pow", pow, ">>> pt.ops.pow([2, 3], 2)\nTensor([4, 9])"},
    {"maximum", maximum,
     "The larger one of two; NaN wins.\n\n"
     ">>> pt.ops.maximum([1, 5], 3)\nTensor([3, 5])"},
    {"minimum", minimum,
     "The smaller one of two; NaN wins.\n\n"
     ">>> pt.ops.minimum([1, 5], 3)\nTensor([1, 3])"},
    {"logical_and", logical_and,
     ">>> pt.ops.logical_and([True, True], [True, False])\n"
     "Tensor([ True, False])"},
    {"logical_or", logical_or,
     ">>> pt.ops.logical_or([True, False], [False, False])\n"
     "Tensor([ True, False])"},
};

const Row<int> kComparisons[] = {
    {"eq", Py_EQ, ">>> pt.ops.eq([1, 2], 2)\nTensor([False,  True])"},
    {"ne", Py_NE, ">>> pt.ops.ne([1, 2], 2)\nTensor([ True, False])"},
    {"lt", Py_LT, ">>> pt.ops.lt([1, 2], 2)\nTensor([ True, False])"},
    {"le", Py_LE, ">>> pt.ops.le([1, 2], 1)\nTensor([ True, False])"},
    {"gt", Py_GT, ">>> pt.ops.gt([1, 2], 1)\nTensor([False,  True])"},
    {"ge", Py_GE, ">>> pt.ops.ge([1, 2], 2)\nTensor([False,  True])"},
};

// Truth along dimensions is counted: an empty row has no true element.
Tensor any_along(const Tensor& a, const Dims& dims, bool keepdim) {
  if (dims.empty() && !keepdim) return any(a);
  Tensor count =
      sum(logical_not(eq(a, scalar_like(a, std::int64_t{0}))), dims, keepdim);
  return ne(count, scalar_like(count, std::int64_t{0}));
}
Tensor all_along(const Tensor& a, const Dims& dims, bool keepdim) {
  if (dims.empty() && !keepdim) return all(a);
  Tensor count = sum(eq(a, scalar_like(a, std::int64_t{0})), dims, keepdim);
  return eq(count, scalar_like(count, std::int64_t{0}));
}

const Row<Reduction> kReductions[] = {
    {"sum", sum,
     "Integers and bool give i64.\n\n"
     ">>> pt.ops.sum([[1, 2], [3, 4]], dim=0)\nTensor([4, 6])"},
    {"prod", prod,
     "Integers and bool give i64.\n\n"
     ">>> pt.ops.prod([2, 3, 4])\nTensor(24)"},
    {"mean", mean,
     "Of floating or complex numbers.\n\n"
     ">>> pt.ops.mean([[1., 2.], [3., 4.]], dim=1, keepdim=True)\n"
     "Tensor([[1.5000],\n        [3.5000]])"},
    {"max", max,
     "The values alone (torch's amax; argmax has the places). NaN wins.\n\n"
     ">>> pt.ops.max([[1, 2], [3, 0]], dim=1)\nTensor([2, 3])"},
    {"min", min,
     "The values alone (torch's amin; argmin has the places). NaN wins.\n\n"
     ">>> pt.ops.min([[1, 2], [3, 0]], dim=1)\nTensor([1, 0])"},
    {"any", any_along,
     "Whether some element is not 0.\n\n"
     ">>> pt.ops.any([[0, 1], [0, 0]], dim=1)\nTensor([ True, False])"},
    {"all", all_along,
     "Whether no element is 0.\n\n"
     ">>> pt.ops.all([[1, 1], [0, 1]], dim=1)\nTensor([ True, False])"},
};

const Row<Place> kPlaces[] = {
    {"argmax", argmax,
     "Where the first largest element is (of the flattened tensor without a "
     "dim); NaN counts as largest.\n\n"
     ">>> pt.ops.argmax([[1, 5], [7, 2]], dim=1)\nTensor([1, 0])"},
    {"argmin", argmin,
     "Where the first smallest element is.\n\n"
     ">>> pt.ops.argmin([3, 1, 2])\nTensor(1)"},
};

const Row<Softmax> kSoftmax[] = {
    {"softmax", softmax,
     "exp(input) / sum(exp(input)) along dim.\n\n"
     ">>> pt.ops.softmax([[0., 0.], [0., 1.]], dim=-1)\n"
     "Tensor([[0.5000, 0.5000],\n        [0.2689, 0.7311]])"},
    {"log_softmax", log_softmax,
     "The logarithm of softmax, without its loss of precision.\n\n"
     ">>> pt.ops.log_softmax([0., 0.], dim=0)\nTensor([-0.6931, -0.6931])"},
};

/// None: all. A tensor without dimensions knows 0 and -1, as torch's.
Dims reduced(const Tensor& t, py::handle dim, std::string_view where) {
  if (dim.is_none()) return {};
  Dims dims = dims_of(dim, where);
  if (t.dim() != 0) return dims;
  for (std::int64_t d : dims)
    if (d != 0 && d != -1)
      fail(Kind::kIndex, where, "dimension ", d,
           " of a tensor without dimensions");
  return {};
}

template <class Owner, class Self, class Function, class Bind, class... Extra>
void def_rows(Owner& owner, const Row<Function>* rows, std::size_t n, Bind bind,
              bool docs, const Extra&... extra) {
  for (std::size_t i = 0; i < n; ++i) {
    const Row<Function>& row = rows[i];
    std::string doc = docs ? row.doc : str("See ptutils.ops.", row.name, ".");
    owner.def(row.name, bind(row), extra..., doc.c_str());
  }
}

/// One table as methods or as functions; Self is PyTensor or Tensor.
template <class Owner, class Self, class... First>
void def_all(Owner& owner, bool docs, const First&... first) {
  auto tensor = [](const Self& self) -> const Tensor& {
    if constexpr (std::is_same_v<Self, PyTensor>)
      return self.tensor;
    else
      return self;
  };
  def_rows<Owner, Self>(
      owner, kUnary, std::size(kUnary),
      [tensor](const Row<Unary>& row) {
        return [op = row.op, tensor](const Self& self) {
          const Tensor& t = tensor(self);
          return compute(t.numel(), [&] { return op(t); });
        };
      },
      docs, first...);
  def_rows<Owner, Self>(
      owner, kReductions, std::size(kReductions),
      [tensor](const Row<Reduction>& row) {
        return [&row, tensor](const Self& self, py::object dim, bool keepdim) {
          const Tensor& t = tensor(self);
          Dims dims = reduced(t, dim, row.name);
          return compute(t.numel(), [&] { return row.op(t, dims, keepdim); });
        };
      },
      docs, first..., py::arg("dim") = py::none(), py::arg("keepdim") = false);
  def_rows<Owner, Self>(
      owner, kPlaces, std::size(kPlaces),
      [tensor](const Row<Place>& row) {
        return [op = row.op, tensor](const Self& self,
                                     std::optional<std::int64_t> dim,
                                     bool keepdim) {
          const Tensor& t = tensor(self);
          return compute(t.numel(), [&] { return op(t, dim, keepdim); });
        };
      },
      docs, first..., py::arg("dim") = py::none(), py::arg("keepdim") = false);
  def_rows<Owner, Self>(
      owner, kSoftmax, std::size(kSoftmax),
      [tensor](const Row<Softmax>& row) {
        return [op = row.op, tensor](const Self& self, std::int64_t dim) {
          const Tensor& t = tensor(self);
          return compute(t.numel(), [&] { return op(t, dim); });
        };
      },
      docs, first..., py::arg("dim") = -1);
}

/// Two operands of which one may be a Python number, which adapts.
std::pair<Tensor, Tensor> pair_of(py::handle a, py::handle b,
                                  std::string_view where) {
  if (is_number(a) && !is_number(b)) {
    Tensor y = tensor_or_fail(b, where);
    return {*operand(y, a), y};
  }
  Tensor x = tensor_or_fail(a, where);
  if (is_number(b)) return {x, *operand(x, b)};
  return {x, tensor_or_fail(b, where)};
}

/// By the operators: they know what a number beyond the dtype compares to.
Tensor compared(py::handle a, py::handle b, int op, std::string_view where) {
  auto side = [&](py::handle o, bool keep) {
    if (keep && is_number(o)) return py::reinterpret_borrow<py::object>(o);
    return py::cast(tensor_or_fail(o, where));
  };
  py::object x = side(a, !is_number(b)), y = side(b, true);
  PyObject* out = PyObject_RichCompare(x.ptr(), y.ptr(), op);
  if (!out) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(out).cast<Tensor>();
}

void def_binary(py::module_& m) {
  for (const Row<Binary>& row : kBinary)
    m.def(
        row.name,
        [&row](py::object a, py::object b) {
          auto [x, y] = pair_of(a, b, row.name);
          return compute(std::max(x.numel(), y.numel()),
                         [&, &x = x, &y = y] { return row.op(x, y); });
        },
        py::arg("input"), py::arg("other"), row.doc);
  for (const Row<int>& row : kComparisons)
    m.def(
        row.name,
        [&row](py::object a, py::object b) {
          return compared(a, b, row.op, row.name);
        },
        py::arg("input"), py::arg("other"), row.doc);
}

Tensor where_of(const Tensor& condition, py::object a, py::object b) {
  auto [x, y] = pair_of(a, b, "where");
  return compute(condition.numel(), [&] { return where(condition, x, y); });
}

void def_joining(py::module_& m) {
  m.def("where", &where_of, py::arg("condition"), py::arg("input"),
        py::arg("other"),
        "Elements of input where the condition holds, else of other.\n\n"
        ">>> pt.ops.where([True, False], [1, 2], 0)\nTensor([1, 0])");
  m.def(
      "matmul",
      [](const Tensor& a, const Tensor& b) {
        std::int64_t inner = a.dim() ? a.size(-1) : 1;
        return compute(b.numel() * (inner ? a.numel() / inner : 0),
                       [&] { return matmul(a, b); });
      },
      py::arg("input"), py::arg("other"),
      "The matrix product, as torch.matmul: 1-d, 2-d and batches.\n\n"
      ">>> pt.ops.matmul([[1., 2.], [3., 4.]], [1., 1.])\nTensor([3., 7.])");
  m.def(
      "concat",
      [](const std::vector<Tensor>& tensors, std::int64_t dim) {
        return concat(tensors, dim);
      },
      py::arg("tensors"), py::arg("dim") = 0,
      "Joins tensors along a dimension that they have.\n\n"
      ">>> pt.ops.concat([[1, 2], [3]])\nTensor([1, 2, 3])");
  m.def(
      "stack",
      [](const std::vector<Tensor>& tensors, std::int64_t dim) {
        return stack(tensors, dim);
      },
      py::arg("tensors"), py::arg("dim") = 0,
      "Joins tensors of one shape along a new dimension.\n\n"
      ">>> pt.ops.stack([[1, 2], [3, 4]], dim=1)\n"
      "Tensor([[1, 3],\n        [2, 4]])");
  m.def(
      "index_select",
      [](const Tensor& a, std::int64_t dim, const Tensor& index) {
        return compute(a.numel(), [&] { return index_select(a, dim, index); });
      },
      py::arg("input"), py::arg("dim"), py::arg("index"),
      "The positions `index` of a dimension, in that order.\n\n"
      ">>> pt.ops.index_select([[1, 2], [3, 4]], 0, [1, 1])\n"
      "Tensor([[3, 4],\n        [3, 4]])");
  m.def(
      "cast",
      [](const Tensor& a, DType dtype) {
        Tensor out = compute(a.numel(), [&] { return cast(a, dtype); });
        out.origin = Origin::kNative;
        return out;
      },
      py::arg("input"), py::arg("dtype"),
      "A copy with another element type; floats are cut off.\n\n"
      ">>> pt.ops.cast([0.5, -2.5], 'i64')\nTensor([ 0, -2])");
}

}  // namespace

void def_methods(TensorClass& cls) {
  def_all<TensorClass, PyTensor>(cls, false);
  cls.def(
      "matmul",
      [](py::object self, py::object other) {
        return self.attr("__matmul__")(other);
      },
      py::arg("other"), "See ptutils.ops.matmul.");
}

void def_functions(py::module_& m) {
  def_all<py::module_, Tensor>(m, true, py::arg("input"));
  def_binary(m);
  def_joining(m);
}

}  // namespace ptutils::bindings
