#include <array>
#include <optional>
#include <utility>

#include "ptutils/nn/autograd.h"
#include "ptutils/tensor/nn_kernels.h"
#include "ptutils/tensor/random.h"

namespace ptutils::nn {

namespace {

using detail::accumulate;
using detail::GradMemory;
using detail::Node;

bool wants(const Node& node, std::size_t input) {
  return node.inputs.size() > input && node.inputs[input]->requires_grad;
}

/// What backward reads of the forward pass: it must not have been written to.
class Saved {
 public:
  explicit Saved(const Tensor& tensor)
      : storage_(tensor.storage()), writes_(storage_->writes()) {}
  Tensor of(Tensor now) const {
    if (now.storage() != storage_ || storage_->writes() != writes_)
      fail(Kind::kState, "Variable.backward", "a tensor of shape ",
           now.shape_str(),
           " that the gradient depends on was modified by an inplace operation "
           "after it was used (an optimizer's step, load_state_dict, x[…] = …, "
           "set_data): call backward() before, or compute the loss again");
    return now;
  }

 private:
  std::shared_ptr<Storage> storage_;
  std::uint32_t writes_;
};

/// Memory that may be written: a gradient nobody else holds is used up.
Tensor owned(Tensor t) {
  return t.storage().use_count() == 1 ? std::move(t) : t.clone();
}

/// Undoes broadcasting and promotion: sums over what was repeated.
Tensor reduce_to(Tensor g, const Tensor& like) {
  if (g.shape() != like.shape()) {
    Dims repeated;
    std::int64_t extra = g.dim() - like.dim();
    for (std::int64_t d = 0; d < g.dim(); ++d)
      if (d < extra || (like.size(d - extra) == 1 && g.size(d) != 1))
        repeated.push_back(d);
    if (!repeated.empty()) g = ptutils::sum(g, repeated, true);
    Tensor reduced = g.reshape(like.shape());
    g = std::move(reduced);
  }
  return g.dtype() == like.dtype() ? g : cast(g, like.dtype());
}

void give(Node& node, std::size_t input, Tensor g) {
  Node& to = *node.inputs[input];
  accumulate(to, reduce_to(std::move(g), to.data()));
}

Tensor as_rows(const Tensor& t, std::int64_t columns) {
  std::int64_t rows =
      columns > 0 ? t.numel() / columns
                  : count_elements({t.shape().data(), t.shape().size() - 1});
  return t.reshape({rows, columns});
}

void check_floating(const Tensor& t, std::string_view where) {
  if (t.dtype() != DType::kF32 && t.dtype() != DType::kF64)
    fail(Kind::kType, where, "x is ", name(t.dtype()),
         ": cast it to f32 or f64");
}

}  // namespace

Variable add(const Variable& a, const Variable& b) {
  return Variable::make(ptutils::add(a.data(), b.data()), {a, b},
                        [](Node& node) {
                          Tensor g = node.take_grad();
                          if (wants(node, 0)) give(node, 0, g);
                          if (wants(node, 1)) give(node, 1, std::move(g));
                        });
}

Variable sub(const Variable& a, const Variable& b) {
  return Variable::make(ptutils::sub(a.data(), b.data()), {a, b},
                        [](Node& node) {
                          Tensor g = node.take_grad();
                          if (wants(node, 0)) give(node, 0, g);
                          if (!wants(node, 1)) return;
                          g = owned(std::move(g));
                          mul_(g, -1);
                          give(node, 1, std::move(g));
                        });
}

Variable mul(const Variable& a, const Variable& b) {
  Tensor left = a.data(), right = b.data();
  return Variable::make(
      ptutils::mul(left, right), {a, b},
      [saved = std::array{Saved(left), Saved(right)}](Node& node) {
        Tensor g = node.take_grad();
        for (std::size_t i : {0, 1}) {
          if (!wants(node, i)) continue;
          Tensor other = saved[1 - i].of(node.inputs[1 - i]->data());
          give(node, i, ptutils::mul(g, other));
        }
      });
}

Variable matmul(const Variable& a, const Variable& b) {
  Tensor left = a.data(), right = b.data();
  if (left.dim() != 2 || right.dim() != 2)
    fail(Kind::kValue, "ptutils.nn.matmul", "two matrices, not shapes ",
         left.shape_str(), " and ", right.shape_str());
  return Variable::make(
      ptutils::matmul(left, right), {a, b},
      [saved_a = Saved(left), saved_b = Saved(right)](Node& node) {
        Tensor g = node.take_grad();
        Node &left = *node.inputs[0], &right = *node.inputs[1];
        if (left.requires_grad) {
          Tensor b = saved_b.of(right.data());
          GradMemory to(left);
          gemm(g, false, b, true, 1, to.beta(), to.memory());
          to.done();
        }
        if (right.requires_grad) {
          Tensor a = saved_a.of(left.data());
          GradMemory to(right);
          gemm(a, true, g, false, 1, to.beta(), to.memory());
          to.done();
        }
      });
}

Variable relu(const Variable& a) {
  Tensor out = ptutils::relu(a.data());
  Saved saved(out);
  return Variable::make(std::move(out), {a}, [saved](Node& node) {
    Tensor g = owned(node.take_grad());
    nn_kernels::relu_backward_(g, saved.of(node.data()));
    accumulate(*node.inputs[0], std::move(g));
  });
}

Variable reshape(const Variable& a, Dims shape) {
  return Variable::make(
      a.data().reshape(std::move(shape)), {a}, [](Node& node) {
        Tensor g = node.take_grad().reshape(node.inputs[0]->data().shape());
        accumulate(*node.inputs[0], std::move(g));
      });
}

Variable sum(const Variable& a) {
  return Variable::make(ptutils::sum(a.data()), {a}, [](Node& node) {
    Tensor x = node.inputs[0]->data();
    accumulate(*node.inputs[0],
               Tensor::full(x.shape(), node.take_grad().item_f64(), x.dtype()));
  });
}

Variable mean(const Variable& a) {
  return Variable::make(ptutils::mean(a.data()), {a}, [](Node& node) {
    Tensor x = node.inputs[0]->data();
    double share = node.take_grad().item_f64() / static_cast<double>(x.numel());
    accumulate(*node.inputs[0], Tensor::full(x.shape(), share, x.dtype()));
  });
}

namespace {

void check_linear(const Tensor& x, const Tensor& w,
                  const std::optional<Tensor>& bias) {
  constexpr std::string_view where = "ptutils.nn.Linear";
  if (w.dim() != 2)
    fail(Kind::kValue, where, "weight has shape ", w.shape_str(),
         ", not (out_features, in_features)");
  if (x.dim() < 1 || x.size(-1) != w.size(1))
    fail(Kind::kValue, where, "x has shape ", x.shape_str(),
         "; its last dimension is to be in_features=", w.size(1));
  if (x.dtype() != w.dtype())
    fail(Kind::kType, where, "x is ", name(x.dtype()), ", weight ",
         name(w.dtype()), ": cast x to ", name(w.dtype()));
  check_floating(x, where);
  if (!bias) return;
  if (bias->shape() != Dims{w.size(0)} || bias->dtype() != w.dtype())
    fail(Kind::kValue, where, "bias is ", bias->shape_str(), " ",
         name(bias->dtype()), ", not (", w.size(0), ",) ", name(w.dtype()));
}

}  // namespace

Variable linear(const Variable& x, const Variable& weight,
                const Variable& bias) {
  Tensor in = x.data(), w = weight.data();
  std::optional<Tensor> b;
  if (bias.defined()) b = bias.data();
  check_linear(in, w, b);
  Tensor rows = as_rows(in, w.size(1));
  Tensor out = Tensor::empty({rows.size(0), w.size(0)}, w.dtype());
  gemm(rows, false, w, true, 1, 0, out);
  if (b) nn_kernels::bias_add_(out, *b);
  if (in.dim() != 2) {
    Dims shape = in.shape();
    shape.back() = w.size(0);
    out = out.reshape(std::move(shape));
  }
  std::vector<Variable> inputs{x, weight};
  if (bias.defined()) inputs.push_back(bias);
  return Variable::make(
      std::move(out), std::move(inputs),
      [saved_x = Saved(rows), saved_w = Saved(w), rows](Node& node) {
        Node &in = *node.inputs[0], &weight = *node.inputs[1];
        Tensor w = weight.data();
        Tensor g = as_rows(node.take_grad(), w.size(0));
        if (in.requires_grad) {
          w = saved_w.of(std::move(w));
          GradMemory to(in);
          gemm(g, false, w, false, 1, to.beta(),
               to.memory().reshape(rows.shape()));
          to.done();
        }
        if (weight.requires_grad) {
          saved_x.of(rows);
          GradMemory to(weight);
          gemm(g, true, rows, false, 1, to.beta(), to.memory());
          to.done();
        }
        if (wants(node, 2)) accumulate(*node.inputs[2], ptutils::sum(g, {0}));
      });
}

Variable dropout(const Variable& x, double p) {
  if (!(p >= 0 && p <= 1))
    fail(Kind::kValue, "ptutils.nn.dropout", "p=", p,
         " is no probability: it lies in 0 to 1");
  if (p == 0) return x;
  Tensor in = x.data();
  check_floating(in, "ptutils.nn.dropout");
  auto result = nn_kernels::dropout(in, p, default_random());
  return Variable::make(
      std::move(result.out), {x},
      [mask = std::move(result.mask), p](Node& node) {
        accumulate(*node.inputs[0],
                   nn_kernels::dropout_backward(node.take_grad(), mask, p));
      });
}

}  // namespace ptutils::nn
