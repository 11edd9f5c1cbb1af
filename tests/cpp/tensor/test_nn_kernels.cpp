#include "ptutils/tensor/nn_kernels.h"
#include "tensor/check.h"

using namespace ptutils;
using namespace ptutils::nn_kernels;

static double off(const Tensor& a, const Tensor& b) {
  return max(abs(sub(a, b))).item_f64();
}

TEST_CASE("bias, relu and its gradient change their operand") {
  for (DType d : {DType::kF32, DType::kF64}) {
    Tensor a = cast(Tensor::of<int>({-3, 1, 2, -1, 0, 5}, {2, 3}), d);
    bias_add_(a, cast(Tensor::of<int>({1, 0, -1}, {3}), d));
    CHECK(same(a, {-2, 1, 1, 0, 0, 4}));
    relu_(a);
    CHECK(same(a, {0, 1, 1, 0, 0, 4}));
    Tensor grad = cast(counting({2, 3}), d);
    relu_backward_(grad, a);
    CHECK(same(grad, {0, 1, 2, 0, 0, 5}));
  }
  CHECK_KIND(bias_add_(counting({2, 3}), counting({2})), Kind::kValue);
  CHECK_KIND(relu_(Tensor::zeros({2}, DType::kI32)), Kind::kType);
  CHECK_KIND(relu_(counting({2, 2}).transpose(0, 1)), Kind::kValue);
}

TEST_CASE("the gradient passes relu at NaN, as torch's does") {
  Tensor grad = counting({3});
  relu_backward_(grad, Tensor::of<float>({NAN, -1, 2}, {3}));
  CHECK(same(grad, {0, 0, 2}));
  grad = Tensor::full({3}, 5);
  relu_backward_(grad, Tensor::of<float>({NAN, -1, 2}, {3}));
  CHECK(same(grad, {5, 0, 5}));
}

TEST_CASE("sgd and adam leave out what a factor of zero would make NaN") {
  auto infinite = [] { return Tensor::of<float>({INFINITY, 1}, {2}); };
  Tensor weight = Tensor::zeros({2}), buffer = Tensor::full({2}, NAN);
  sgd_(weight, infinite(), buffer,
       {.lr = 1, .momentum = 0.9, .first_step = true});
  CHECK(same(weight, {-INFINITY, -1}));
  CHECK(same(buffer, {INFINITY, 1}));
  weight = infinite();
  sgd_(weight, Tensor::full({2}, 1), Tensor(), {.lr = 1});
  CHECK(same(weight, {INFINITY, 0}));
  weight = infinite();
  Tensor mean = Tensor::zeros({2}), variance = Tensor::zeros({2});
  adam_(weight, Tensor::full({2}, 1), mean, variance, {.lr = 1});
  CHECK(std::isinf(weight.data<float>()[0]));
}

TEST_CASE("cross entropy is the mean of -log_softmax, with its gradient") {
  for (std::int64_t classes : {1, 10, 700}) {
    Tensor logits = Random(1).normal({6, classes}, 0, 3, DType::kF64);
    Tensor targets = Random(2).randint(0, classes, {6});
    CrossEntropy out = cross_entropy(logits, targets);
    Tensor logs = log_softmax(logits, 1);
    double loss = 0;
    Tensor wanted = softmax(logits, 1);
    for (std::int64_t r = 0; r < 6; ++r) {
      std::int64_t t = targets.data<std::int64_t>()[r];
      loss -= logs.data<double>()[r * classes + t] / 6;
      wanted.data<double>()[r * classes + t] -= 1;
    }
    mul_(wanted, 1.0 / 6);
    CHECK(std::abs(out.loss.item_f64() - loss) < 1e-12);
    CHECK(off(out.dlogits, wanted) < 1e-14);
    CHECK(out.loss.dim() == 0);
    CrossEntropy only = cross_entropy(logits, targets, false);
    CHECK(only.loss.identical(out.loss));
    Tensor single = cross_entropy(cast(logits, DType::kF32), targets).loss;
    CHECK(std::abs(single.item_f64() - loss) < 1e-5);
  }
  Tensor logits = counting({2, 3});
  CHECK_KIND(cross_entropy(logits, Tensor::of<std::int64_t>({0, 3}, {2})),
             Kind::kIndex);
  CHECK_KIND(cross_entropy(logits, Tensor::of<std::int64_t>({0, -1}, {2})),
             Kind::kIndex);
  CHECK_KIND(cross_entropy(logits, Tensor::of<int>({0, 1}, {2})), Kind::kType);
  CHECK_KIND(cross_entropy(logits, Tensor::zeros({3}, DType::kI64)),
             Kind::kValue);
}

TEST_CASE("sgd follows torch's formula") {
  for (bool nesterov : {false, true}) {
    double w = 0.5, v = 0;
    Tensor weight = Tensor::full({40}, w, DType::kF64);
    Tensor buffer = Tensor::full({40}, NAN, DType::kF64);
    for (int step = 0; step < 3; ++step) {
      double g = 0.1 * (step + 1) + 0.01 * w;
      v = step == 0 ? g : 0.9 * v + (nesterov ? 1.0 : 0.8) * g;
      double used = nesterov ? g + 0.9 * v : v;
      w -= 0.3 * used;
      sgd_(weight, Tensor::full({40}, 0.1 * (step + 1), DType::kF64), buffer,
           {.lr = 0.3,
            .momentum = 0.9,
            .dampening = nesterov ? 0.0 : 0.2,
            .weight_decay = 0.01,
            .nesterov = nesterov,
            .first_step = step == 0});
      CHECK(off(weight, Tensor::full({40}, w, DType::kF64)) < 1e-14);
      CHECK(off(buffer, Tensor::full({40}, v, DType::kF64)) < 1e-14);
    }
  }
  Tensor plain = counting({3});
  sgd_(plain, Tensor::full({3}, 1), Tensor(), {.lr = 0.5});
  CHECK(same(plain, {-0.5, 0.5, 1.5}));
  CHECK_KIND(sgd_(plain, counting({2}), Tensor(), {}), Kind::kValue);
}

TEST_CASE("adam and adamw follow torch's formula") {
  for (bool decoupled : {false, true}) {
    double w = 0.5, m = 0, v = 0;
    Tensor weight = Tensor::full({21}, w, DType::kF64);
    Tensor mean = Tensor::zeros({21}, DType::kF64), variance = mean.clone();
    for (int step = 1; step < 4; ++step) {
      double raw = 0.2 / step;
      double g = decoupled ? raw : raw + 0.1 * w;
      if (decoupled) w *= 1 - 0.01 * 0.1;
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * g * g;
      w -= 0.01 / (1 - std::pow(0.9, step)) * m /
           (std::sqrt(v) / std::sqrt(1 - std::pow(0.999, step)) + 1e-8);
      adam_(weight, Tensor::full({21}, raw, DType::kF64), mean, variance,
            {.lr = 0.01,
             .weight_decay = 0.1,
             .decoupled = decoupled,
             .step = step});
      CHECK(off(weight, Tensor::full({21}, w, DType::kF64)) < 1e-14);
    }
  }
  Tensor t = counting({2});
  CHECK_KIND(adam_(t, t.clone(), t.clone(), t.clone(), {.step = 0}),
             Kind::kValue);
}

TEST_CASE("dropout keeps the mean and sends the gradient the same way") {
  Random random(3);
  Tensor a = Tensor::full({100000}, 1);
  Dropout d = dropout(a, 0.25, random);
  CHECK(std::abs(mean(d.out).item_f64() - 1) < 0.01);
  CHECK(d.out.identical(dropout_backward(a, d.mask, 0.25)));
  CHECK(same(dropout(counting({3}), 0, random).out, {0, 1, 2}));
  CHECK(same(dropout(counting({3}), 1, random).out, {0, 0, 0}));
  CHECK_KIND(dropout(a, 1.5, random), Kind::kValue);
}
