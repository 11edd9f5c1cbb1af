#include <array>
#include <utility>

#include "ptutils/nn/autograd.h"
#include "ptutils/tensor/nn_kernels.h"
#include "ptutils/tensor/random.h"

namespace ptutils::nn {

namespace {

using detail::accumulate;
using detail::begin_grad;
using detail::Node;
using detail::take_grad;

bool wants(const Node& node, std::size_t input) {
  return node.inputs.size() > input && node.inputs[input]->requires_grad;
}

/// What backward reads of the forward pass: it must not have been written to.
class Saved {
 public:
  explicit Saved(const Tensor& tensor)
      : storage_(tensor.storage()), writes_(storage_->writes()) {}
  const Tensor& of(const Tensor& now) const {
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
  accumulate(to, reduce_to(std::move(g), to.data));
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
                          Tensor g = take_grad(node);
                          if (wants(node, 0)) give(node, 0, g);
                          if (wants(node, 1)) give(node, 1, std::move(g));
                        });
}

Variable sub(const Variable& a, const Variable& b) {
  return Variable::make(ptutils::sub(a.data(), b.data()), {a, b},
                        [](Node& node) {
                          Tensor g = take_grad(node);
                          if (wants(node, 0)) give(node, 0, g);
                          if (!wants(node, 1)) return;
                          g = owned(std::move(g));
                          mul_(g, -1);
                          give(node, 1, std::move(g));
                        });
}

Variable mul(const Variable& a, const Variable& b) {
  return Variable::make(
      ptutils::mul(a.data(), b.data()), {a, b},
      [saved = std::array{Saved(a.data()), Saved(b.data())}](Node& node) {
        for (std::size_t i : {0, 1}) {
          if (!wants(node, i)) continue;
          const Tensor& other = saved[1 - i].of(node.inputs[1 - i]->data);
          give(node, i, ptutils::mul(node.grad, other));
        }
      });
}

Variable matmul(const Variable& a, const Variable& b) {
  if (a.data().dim() != 2 || b.data().dim() != 2)
    fail(Kind::kValue, "ptutils.nn.matmul", "two matrices, not shapes ",
         a.data().shape_str(), " and ", b.data().shape_str());
  return Variable::make(
      ptutils::matmul(a.data(), b.data()), {a, b},
      [saved_a = Saved(a.data()), saved_b = Saved(b.data())](Node& node) {
        Node &left = *node.inputs[0], &right = *node.inputs[1];
        if (left.requires_grad) {
          const Tensor& b = saved_b.of(right.data);
          double beta = begin_grad(left);
          gemm(node.grad, false, b, true, 1, beta, left.grad);
        }
        if (right.requires_grad) {
          const Tensor& a = saved_a.of(left.data);
          double beta = begin_grad(right);
          gemm(a, true, node.grad, false, 1, beta, right.grad);
        }
      });
}

Variable relu(const Variable& a) {
  Tensor out = ptutils::relu(a.data());
  Saved saved(out);
  return Variable::make(std::move(out), {a}, [saved](Node& node) {
    Tensor g = owned(take_grad(node));
    nn_kernels::relu_backward_(g, saved.of(node.data));
    accumulate(*node.inputs[0], std::move(g));
  });
}

Variable reshape(const Variable& a, Dims shape) {
  return Variable::make(
      a.data().reshape(std::move(shape)), {a}, [](Node& node) {
        Tensor g = take_grad(node).reshape(node.inputs[0]->data.shape());
        accumulate(*node.inputs[0], std::move(g));
      });
}

Variable sum(const Variable& a) {
  return Variable::make(ptutils::sum(a.data()), {a}, [](Node& node) {
    const Tensor& x = node.inputs[0]->data;
    accumulate(*node.inputs[0],
               Tensor::full(x.shape(), node.grad.item_f64(), x.dtype()));
  });
}

Variable mean(const Variable& a) {
  return Variable::make(ptutils::mean(a.data()), {a}, [](Node& node) {
    const Tensor& x = node.inputs[0]->data;
    double share = node.grad.item_f64() / static_cast<double>(x.numel());
    accumulate(*node.inputs[0], Tensor::full(x.shape(), share, x.dtype()));
  });
}

namespace {

void check_linear(const Tensor& x, const Tensor& w, const Variable& bias) {
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
  if (bias.defined() && (bias.data().shape() != Dims{w.size(0)} ||
                         bias.data().dtype() != w.dtype()))
    fail(Kind::kValue, where, "bias is ", bias.data().shape_str(), " ",
         name(bias.data().dtype()), ", not (", w.size(0), ",) ",
         name(w.dtype()));
}

}  // namespace

Variable linear(const Variable& x, const Variable& weight,
                const Variable& bias) {
  const Tensor& w = weight.data();
  check_linear(x.data(), w, bias);
  Tensor rows = as_rows(x.data(), w.size(1));
  Tensor out = Tensor::empty({rows.size(0), w.size(0)}, w.dtype());
  gemm(rows, false, w, true, 1, 0, out);
  if (bias.defined()) nn_kernels::bias_add_(out, bias.data());
  if (x.data().dim() != 2) {
    Dims shape = x.data().shape();
    shape.back() = w.size(0);
    out = out.reshape(std::move(shape));
  }
  std::vector<Variable> inputs{x, weight};
  if (bias.defined()) inputs.push_back(bias);
  return Variable::make(std::move(out), std::move(inputs),
                        [saved_x = Saved(rows), saved_w = Saved(w),
                         rows = std::move(rows)](Node& node) {
                          Node &in = *node.inputs[0], &weight = *node.inputs[1];
                          Tensor g = as_rows(node.grad, weight.data.size(0));
                          if (in.requires_grad) {
                            const Tensor& w = saved_w.of(weight.data);
                            double beta = begin_grad(in);
                            gemm(g, false, w, false, 1, beta,
                                 in.grad.reshape(rows.shape()));
                          }
                          if (weight.requires_grad) {
                            saved_x.of(rows);
                            double beta = begin_grad(weight);
                            gemm(g, true, rows, false, 1, beta, weight.grad);
                          }
                          if (wants(node, 2))
                            accumulate(*node.inputs[2], ptutils::sum(g, {0}));
                        });
}

Variable dropout(const Variable& x, double p) {
  if (!(p >= 0 && p <= 1))
    fail(Kind::kValue, "ptutils.nn.dropout", "p=", p,
         " is no probability: it lies in 0 to 1");
  if (p == 0) return x;
  check_floating(x.data(), "ptutils.nn.dropout");
  auto result = nn_kernels::dropout(x.data(), p, default_random());
  return Variable::make(std::move(result.out), {x},
                        [mask = std::move(result.mask), p](Node& node) {
                          accumulate(
                              *node.inputs[0],
                              nn_kernels::dropout_backward(node.grad, mask, p));
                        });
}

}  // namespace ptutils::nn
