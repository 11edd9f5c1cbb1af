// Fused passes for layers, losses and optimizers. Included by level.cpp.
#pragma once

#include "ptutils/tensor/kernels/reduce.inc.cpp"
#include "ptutils/tensor/kernels/table.h"
#include "ptutils/tensor/kernels/transcendental.inc.cpp"

namespace {

using ptutils::kernels::Index;

template <class T>
void softmax(const T* a, T* out, Index rows, Index n, bool log) {
  for (Index r = 0; r < rows; ++r, a += n, out += n) {
    const T top = extreme_row<T, true>(a, n);
    // A row of -inf alone has no softmax: NaN, as torch.
    for (Index j = 0; j < n; ++j) out[j] = fast_exp(a[j] - top);
    const T sum = sum_row(out, n);
    if (log) {
      const T shift = fast_log(sum);
      for (Index j = 0; j < n; ++j) out[j] = (a[j] - top) - shift;
    } else {
      const T scale = 1 / sum;
      for (Index j = 0; j < n; ++j) out[j] *= scale;
    }
  }
}

template <class T>
void bias_add(T* __restrict a, const T* __restrict bias, Index rows, Index n) {
  for (Index r = 0; r < rows; ++r, a += n)
    for (Index j = 0; j < n; ++j) a[j] += bias[j];
}

// At NaN the gradient passes, as torch's does.
template <class T>
void relu_backward(T* __restrict grad, const T* __restrict output, Index n) {
  for (Index i = 0; i < n; ++i) grad[i] = output[i] <= 0 ? T{0} : grad[i];
}

constexpr Index kLossBlock = 256;

template <class T>
void cross_entropy(const T* logits, const int64_t* targets, Index rows, Index n,
                   T scale, T* losses, T* grad) {
  T block[kLossBlock];
  for (Index r = 0; r < rows; ++r, logits += n) {
    const T top = extreme_row<T, true>(logits, n);
    T sum = 0;
    for (Index from = 0; from < n; from += kLossBlock) {
      Index count = n - from < kLossBlock ? n - from : kLossBlock;
      T* into = grad ? grad + from : block;
      for (Index j = 0; j < count; ++j)
        into[j] = fast_exp(logits[from + j] - top);
      sum += sum_block(into, count);
    }
    losses[r] = fast_log(sum) - (logits[targets[r]] - top);
    if (!grad) continue;
    const T factor = scale / sum;
    for (Index j = 0; j < n; ++j) grad[j] *= factor;
    grad[targets[r]] -= scale;
    grad += n;
  }
}

// torch.optim.SGD: g += weight_decay w; v = momentum v + (1 - dampening) g,
// v = g at first; w -= lr (nesterov ? g + momentum v : v). A factor of 0 leaves
// its term out: 0 times an infinite weight or gradient would be NaN.
template <class T>
void sgd(T* __restrict weight, const T* __restrict grad, T* __restrict buffer,
         Index n, const ptutils::kernels::Sgd& how) {
  const T lr = static_cast<T>(how.lr), mu = static_cast<T>(how.momentum);
  const T decay = static_cast<T>(how.weight_decay);
  const T gain = static_cast<T>(1 - how.dampening);
  const bool decays = decay != 0, first = how.first, ahead = how.nesterov;
  if (!buffer) {
    for (Index i = 0; i < n; ++i) {
      T g = decays ? grad[i] + decay * weight[i] : grad[i];
      weight[i] -= lr * g;
    }
    return;
  }
  for (Index i = 0; i < n; ++i) {
    T g = decays ? grad[i] + decay * weight[i] : grad[i];
    T v = first ? g : mu * buffer[i] + gain * g;
    buffer[i] = v;
    weight[i] -= lr * (ahead ? g + mu * v : v);
  }
}

// torch.optim.Adam / AdamW without amsgrad. 1 - beta is taken in double: in
// float it would carry the rounding of beta (1e-5 of it at 0.999).
template <class T>
void adam(T* __restrict weight, const T* __restrict grad, T* __restrict mean,
          T* __restrict variance, Index n, const ptutils::kernels::Adam& how) {
  const T rest1 = static_cast<T>(1 - how.beta1);
  const T beta2 = static_cast<T>(how.beta2);
  const T rest2 = static_cast<T>(1 - how.beta2);
  const T step = static_cast<T>(how.lr / how.correction1);
  const T root = static_cast<T>(1 / __builtin_sqrt(how.correction2));
  const T eps = static_cast<T>(how.eps);
  const T decay = static_cast<T>(how.decoupled ? 0 : how.weight_decay);
  const T shrink =
      static_cast<T>(how.decoupled ? 1 - how.lr * how.weight_decay : 1);
  const bool decays = decay != 0;
  for (Index i = 0; i < n; ++i) {
    T w = weight[i] * shrink;
    T g = decays ? grad[i] + decay * w : grad[i];
    T m = mean[i] + rest1 * (g - mean[i]);
    T v = beta2 * variance[i] + rest2 * g * g;
    mean[i] = m;
    variance[i] = v;
    weight[i] = w - step * m / (Sqrt<T>()(v) * root + eps);
  }
}

template <class T>
void mask_scale(const T* __restrict a, const uint8_t* __restrict keep, T scale,
                T* __restrict out, Index n) {
  for (Index i = 0; i < n; ++i) out[i] = keep[i] ? a[i] * scale : T{0};
}

template <class T>
void axpy(T* a, const T* b, Index b_step, T alpha, Index n) {
  if (b_step) {
    for (Index i = 0; i < n; ++i) a[i] += alpha * b[i];
  } else {
    const T shift = alpha * *b;
    for (Index i = 0; i < n; ++i) a[i] += shift;
  }
}

}  // namespace
