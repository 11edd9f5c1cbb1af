#include "ptutils/tensor/nn_kernels.h"

#include <algorithm>
#include <cmath>

#include "ptutils/common/thread_pool.h"
#include "ptutils/tensor/detail/promote.h"
#include "ptutils/tensor/detail/rows.h"
#include "ptutils/tensor/ops.h"

namespace ptutils::nn_kernels {
namespace {

using namespace detail;

template <class T>
const kernels::Floats<T>& kernels_of() {
  if constexpr (std::is_same_v<T, float>)
    return kernels::table().f32;
  else
    return kernels::table().f64;
}

/// Calls f.operator()<float or double>().
template <class F>
void on_floats(const Tensor& t, std::string_view where, F&& f) {
  if (t.dtype() == DType::kF32)
    f.template operator()<float>();
  else if (t.dtype() == DType::kF64)
    f.template operator()<double>();
  else
    fail(Kind::kType, where, "wants f32 or f64, not ", name(t.dtype()));
}

void begin_target(const Tensor& t, std::string_view where) {
  begin_write(t, where);
  if (!t.contiguous() || !t.aligned())
    fail(Kind::kValue, where, "what is changed in place must be contiguous");
}

Tensor like(const Tensor& t, const Tensor& model, std::string_view where) {
  if (t.dtype() != model.dtype())
    fail(Kind::kType, where, "operands are ", name(model.dtype()), " and ",
         name(t.dtype()));
  if (t.shape() != model.shape())
    fail(Kind::kValue, where, "operands have shapes ", model.shape_str(),
         " and ", t.shape_str());
  return t.to_contiguous();
}

}  // namespace

void bias_add_(const Tensor& a, const Tensor& bias) {
  begin_target(a, "bias_add_");
  if (a.dim() == 0 || bias.dim() != 1 || bias.size(0) != a.size(-1))
    fail(Kind::kValue, "bias_add_", "a bias of shape ", bias.shape_str(),
         " does not fit rows of ", a.shape_str());
  if (a.numel() == 0) return;
  if (bias.dtype() != a.dtype())
    fail(Kind::kType, "bias_add_", "operands are ", name(a.dtype()), " and ",
         name(bias.dtype()));
  Tensor b = bias.to_contiguous();
  std::int64_t n = a.size(-1);
  on_floats(a, "bias_add_", [&]<class T>() {
    parallel_for(a.numel() / n, std::max<std::int64_t>(1, kTask / n),
                 [&](std::int64_t from, std::int64_t to) {
                   kernels_of<T>().bias_add(a.data<T>() + from * n, b.data<T>(),
                                            to - from, n);
                 });
  });
}

void relu_(const Tensor& a) {
  begin_target(a, "relu_");
  auto kernel = kernels::table().unary[kernels::kRelu][type_index(a.dtype())];
  on_floats(a, "relu_", [&]<class T>() {
    parallel_for(a.numel(), kTask, [&](std::int64_t from, std::int64_t to) {
      T* at = a.data<T>() + from;
      kernel(at, at, to - from);
    });
  });
}

void relu_backward_(const Tensor& grad, const Tensor& output) {
  begin_target(grad, "relu_backward_");
  Tensor y = like(output, grad, "relu_backward_");
  on_floats(grad, "relu_backward_", [&]<class T>() {
    parallel_for(grad.numel(), kTask, [&](std::int64_t from, std::int64_t to) {
      kernels_of<T>().relu_backward(grad.data<T>() + from, y.data<T>() + from,
                                    to - from);
    });
  });
}

namespace {

void begin_targets(const Tensor& logits, const Tensor& targets) {
  if (logits.dim() != 2 || targets.dim() != 1 ||
      targets.size(0) != logits.size(0))
    fail(Kind::kValue, "cross_entropy", "wants logits (rows, classes) and ",
         "targets (rows), not ", logits.shape_str(), " and ",
         targets.shape_str());
  if (targets.dtype() != DType::kI64)
    fail(Kind::kType, "cross_entropy", "targets must be i64, not ",
         name(targets.dtype()), "; cast() them");
  const auto* at = targets.data<std::int64_t>();
  for (std::int64_t i = 0; i < targets.numel(); ++i)
    if (at[i] < 0 || at[i] >= logits.size(1))
      fail(Kind::kIndex, "cross_entropy", "target ", at[i], " of row ", i,
           " is not one of ", logits.size(1), " classes");
}

}  // namespace

CrossEntropy cross_entropy(const Tensor& logits, const Tensor& targets,
                           bool with_gradient) {
  Tensor classes = targets.to_contiguous();
  begin_targets(logits, classes);
  Tensor input = logits.to_contiguous();
  std::int64_t rows = input.size(0), n = input.size(1);
  CrossEntropy out;
  on_floats(input, "cross_entropy", [&]<class T>() {
    Tensor losses = Tensor::empty({rows}, dtype_of<T>);
    out.dlogits = with_gradient ? Tensor::empty(input.shape(), dtype_of<T>)
                                : Tensor::empty({0}, dtype_of<T>);
    const T scale = static_cast<T>(1.0 / static_cast<double>(rows));
    std::int64_t grain =
        std::max<std::int64_t>(1, kTask / 4 / std::max<std::int64_t>(1, n));
    parallel_for(rows, grain, [&](std::int64_t b, std::int64_t e) {
      kernels_of<T>().cross_entropy(
          input.data<T>() + b * n, classes.data<std::int64_t>() + b, e - b, n,
          scale, losses.data<T>() + b,
          with_gradient ? out.dlogits.data<T>() + b * n : nullptr);
    });
    out.loss = mean(losses);
  });
  return out;
}

void sgd_(const Tensor& weight, const Tensor& grad, const Tensor& buffer,
          const SgdOptions& options) {
  begin_target(weight, "sgd_");
  Tensor g = like(grad, weight, "sgd_");
  bool has_buffer = options.momentum != 0;
  if (has_buffer) {
    begin_target(buffer, "sgd_");
    like(buffer, weight, "sgd_");
  }
  kernels::Sgd how{options.lr,           options.momentum, options.dampening,
                   options.weight_decay, options.nesterov, options.first_step};
  on_floats(weight, "sgd_", [&]<class T>() {
    parallel_for(weight.numel(), kTask, [&](std::int64_t b, std::int64_t e) {
      kernels_of<T>().sgd(weight.data<T>() + b, g.data<T>() + b,
                          has_buffer ? buffer.data<T>() + b : nullptr, e - b,
                          how);
    });
  });
}

void adam_(const Tensor& weight, const Tensor& grad, const Tensor& mean,
           const Tensor& variance, const AdamOptions& options) {
  for (const Tensor* t : {&weight, &mean, &variance}) {
    begin_target(*t, "adam_");
    like(*t, weight, "adam_");
  }
  if (options.step < 1)
    fail(Kind::kValue, "adam_", "step ", options.step, " must be at least 1");
  Tensor g = like(grad, weight, "adam_");
  auto step = static_cast<double>(options.step);
  kernels::Adam how{options.lr,
                    options.beta1,
                    options.beta2,
                    options.eps,
                    options.weight_decay,
                    options.decoupled,
                    1 - std::pow(options.beta1, step),
                    1 - std::pow(options.beta2, step)};
  on_floats(weight, "adam_", [&]<class T>() {
    parallel_for(weight.numel(), kTask, [&](std::int64_t b, std::int64_t e) {
      kernels_of<T>().adam(weight.data<T>() + b, g.data<T>() + b,
                           mean.data<T>() + b, variance.data<T>() + b, e - b,
                           how);
    });
  });
}

Dropout dropout(const Tensor& a, double p, Random& random) {
  if (!(p >= 0 && p <= 1))
    fail(Kind::kValue, "dropout", "the probability ", p,
         " is not between 0 and 1");
  Dropout out;
  out.mask = random.bernoulli(a.shape(), 1 - p);
  out.out = dropout_backward(a, out.mask, p);
  return out;
}

Tensor dropout_backward(const Tensor& grad, const Tensor& mask, double p) {
  if (mask.dtype() != DType::kBool || mask.shape() != grad.shape())
    fail(Kind::kValue, "dropout", "a mask of ", name(mask.dtype()), " ",
         mask.shape_str(), " does not fit ", grad.shape_str());
  Tensor input = grad.to_contiguous();
  Tensor keep = mask.to_contiguous();
  Tensor out = Tensor::empty(grad.shape(), grad.dtype());
  on_floats(grad, "dropout", [&]<class T>() {
    const T scale = p < 1 ? static_cast<T>(1 / (1 - p)) : T{0};
    parallel_for(out.numel(), kTask, [&](std::int64_t b, std::int64_t e) {
      kernels_of<T>().mask_scale(
          input.data<T>() + b,
          reinterpret_cast<const std::uint8_t*>(keep.bytes()) + b, scale,
          out.data<T>() + b, e - b);
    });
  });
  return out;
}

}  // namespace ptutils::nn_kernels
