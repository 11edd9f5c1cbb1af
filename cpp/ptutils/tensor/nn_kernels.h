#pragma once

#include <cstdint>

#include "ptutils/tensor/random.h"
#include "ptutils/tensor/tensor.h"

/// Fused passes for layers, losses and optimizers: f32 and f64; what is
/// changed in place must be contiguous and writable. Wrong dtypes are
/// Kind::kType, wrong shapes Kind::kValue.
namespace ptutils::nn_kernels {

/// a[i, j] += bias[j] over the last dimension.
PTUTILS_API void bias_add_(const Tensor& a, const Tensor& bias);

/// a = max(a, 0); NaN stays.
PTUTILS_API void relu_(const Tensor& a);

/// grad = output <= 0 ? 0 : grad, where output = relu(input) (or the input);
/// at NaN the gradient passes, as torch's does.
PTUTILS_API void relu_backward_(const Tensor& grad, const Tensor& output);

/// The mean over rows of -log softmax(logits)[target], and its gradient.
struct CrossEntropy {
  Tensor loss;     ///< 0-d
  Tensor dlogits;  ///< like logits; empty when not asked for
};
/// logits (rows, classes), targets (rows) i64 in [0, classes): Kind::kIndex
/// names a bad one.
PTUTILS_API CrossEntropy cross_entropy(const Tensor& logits,
                                       const Tensor& targets,
                                       bool with_gradient = true);

/// torch.optim.SGD's step.
struct SgdOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
  bool first_step = false;  ///< the buffer is set to the gradient
};
/// `buffer` (momentum) is like `weight`; it is not read when momentum is 0.
PTUTILS_API void sgd_(const Tensor& weight, const Tensor& grad,
                      const Tensor& buffer, const SgdOptions& options);

/// torch.optim.Adam's step (decoupled: AdamW's), without amsgrad.
struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;
  std::int64_t step = 1;  ///< 1 at the first call
};
PTUTILS_API void adam_(const Tensor& weight, const Tensor& grad,
                       const Tensor& mean, const Tensor& variance,
                       const AdamOptions& options);

/// Elements are kept with probability 1 - p and scaled by 1 / (1 - p).
struct Dropout {
  Tensor out;
  Tensor mask;  ///< bool: kept
};
PTUTILS_API Dropout dropout(const Tensor& a, double p, Random& random);
/// The gradient of dropout's input.
PTUTILS_API Tensor dropout_backward(const Tensor& grad, const Tensor& mask,
                                    double p);

}  // namespace ptutils::nn_kernels
