#include "nn/check.h"
#include "ptutils/common/thread_pool.h"

using namespace ptutils;
using namespace nn_test;
using nn::NoGrad;
namespace fn = ptutils::nn;
using Leaves = std::vector<Variable>;

TEST_CASE("add, sub and mul have the gradients of their Jacobian") {
  auto add = [](const Leaves& v) { return fn::add(v[0], v[1]); };
  auto sub = [](const Leaves& v) { return fn::sub(v[0], v[1]); };
  auto mul = [](const Leaves& v) { return fn::mul(v[0], v[1]); };
  std::vector<std::pair<Dims, Dims>> shapes = {
      {{2, 3}, {2, 3}}, {{2, 3}, {3}},    {{2, 1}, {1, 3}},
      {{}, {2, 2}},     {{2, 1, 2}, {1}}, {{1, 3}, {2, 3}}};
  for (const auto& [a, b] : shapes)
    for (const Function& f : {Function(add), Function(sub), Function(mul)})
      check_jacobian(f, {random_f64(a, 1), random_f64(b, 2)});
}

TEST_CASE("an operand used twice gets both gradients") {
  check_jacobian([](const Leaves& v) { return fn::mul(v[0], v[0]); },
                 {random_f64({3})});
  check_jacobian([](const Leaves& v) { return fn::add(v[0], v[0]); },
                 {random_f64({3})});
  check_jacobian([](const Leaves& v) { return fn::sub(v[0], v[0]); },
                 {random_f64({3})});
  check_jacobian([](const Leaves& v) { return fn::matmul(v[0], v[0]); },
                 {random_f64({2, 2})});
}

TEST_CASE("matmul has the gradients of its Jacobian") {
  check_jacobian([](const Leaves& v) { return fn::matmul(v[0], v[1]); },
                 {random_f64({2, 3}, 1), random_f64({3, 4}, 2)});
  CHECK_ERROR(fn::matmul(Variable(random_f64({3})), Variable(random_f64({3}))),
              Kind::kValue, "(3,)");
}

TEST_CASE("relu, reshape, sum and mean have the gradients of their Jacobian") {
  check_jacobian([](const Leaves& v) { return fn::relu(v[0]); },
                 {f64({-1, 0.5, 2, -0.25})});
  check_jacobian(
      [](const Leaves& v) {
        return fn::reshape(v[0], {3, 2});
      },
      {random_f64({2, 3})});
  check_jacobian([](const Leaves& v) { return fn::sum(v[0]); },
                 {random_f64({2, 3})});
  check_jacobian([](const Leaves& v) { return fn::mean(v[0]); },
                 {random_f64({2, 3})});
}

TEST_CASE("relu has no slope at 0, and keeps a NaN") {
  Variable x(f64({0, -0.0, std::nan("")}), true);
  Variable y = fn::relu(x);
  CHECK(std::isnan(y.data().data<double>()[2]));
  fn::sum(y).backward();
  CHECK(x.grad().data<double>()[0] == 0);
  CHECK(x.grad().data<double>()[1] == 0);
}

TEST_CASE("linear has the gradients of its Jacobian") {
  auto with_bias = [](const Leaves& v) { return fn::linear(v[0], v[1], v[2]); };
  auto without = [](const Leaves& v) { return fn::linear(v[0], v[1], {}); };
  Tensor w = random_f64({2, 3}, 2), b = random_f64({2}, 3);
  for (const Dims& shape : {Dims{3}, Dims{4, 3}, Dims{2, 2, 3}}) {
    check_jacobian(with_bias, {random_f64(shape, 1), w.clone(), b.clone()});
    check_jacobian(without, {random_f64(shape, 1), w.clone()});
  }
}

TEST_CASE("linear takes a transposed input") {
  Tensor x = random_f64({3, 4}).transpose(0, 1), w = random_f64({2, 3}, 2);
  Variable leaf(x, true), weight(w, true);
  Variable y = fn::linear(leaf, weight, {});
  CHECK(y.data().shape() == Dims{4, 2});
  fn::sum(y).backward();
  double column = w.data<double>()[0] + w.data<double>()[3];
  CHECK(near(leaf.grad().select(1, 0), std::vector<double>(4, column), 1e-14));
}

TEST_CASE("linear names the shape or dtype that does not fit") {
  Variable w(Tensor::zeros({2, 3}), true), b(Tensor::zeros({2}), true);
  CHECK_ERROR(fn::linear(Variable(Tensor::zeros({4, 5})), w, b), Kind::kValue,
              "in_features=3");
  CHECK_ERROR(fn::linear(Variable(Tensor::zeros({})), w, b), Kind::kValue,
              "in_features=3");
  CHECK_ERROR(fn::linear(Variable(Tensor::zeros({4, 3}, DType::kU8)), w, b),
              Kind::kType, "u8");
  CHECK_ERROR(fn::linear(Variable(Tensor::zeros({4, 3})), w,
                         Variable(Tensor::zeros({3}))),
              Kind::kValue, "bias");
}

TEST_CASE("an empty batch goes through") {
  Variable w(random_f64({2, 3}), true), b(random_f64({2}), true);
  Variable y = fn::linear(Variable(random_f64({0, 3})), w, b);
  CHECK(y.data().shape() == Dims{0, 2});
  fn::sum(y).backward();
  CHECK(near(w.grad(), std::vector<double>(6, 0), 0));
  CHECK(near(b.grad(), {0, 0}, 0));
}

TEST_CASE("cross_entropy has the value of torch and its Jacobian's gradient") {
  Tensor logits = Tensor::of<double>({1, 2, 3, -1, 0, 0.5}, {2, 3});
  Tensor target = Tensor::of<std::int64_t>({2, 0}, {2});
  auto f = [&](const Leaves& v) { return fn::cross_entropy(v[0], target); };
  Variable x(logits, true);
  Variable loss = f({x});
  CHECK(loss.data().dim() == 0);
  CHECK(near(loss.data().item_f64(), 1.2558682848905545, 1e-14));
  loss.backward();
  CHECK(near(x.grad(),
             {0.04501528658519022, 0.12236423552739882, -0.1673795221125891,
              -0.4390241738451356, 0.16574948021204575, 0.2732746936330898},
             1e-14));
  check_jacobian(f, {random_f64({2, 3})});
  check_jacobian([&](const Leaves& v) { return fn::mul(f(v), f(v)); },
                 {random_f64({2, 3})});
}

TEST_CASE("cross_entropy does not overflow, and takes any integer target") {
  for (DType dtype : {DType::kU8, DType::kI32, DType::kI64}) {
    Variable x(Tensor::of<float>({1000, -1000}, {1, 2}), true);
    Variable loss = fn::cross_entropy(x, Tensor::full({1}, 0, dtype));
    CHECK(loss.data().item_f64() == 0);
    loss.backward();
    CHECK(near(x.grad(), {0, 0}, 0));
  }
}

TEST_CASE("cross_entropy refuses what it cannot mean") {
  Variable x(Tensor::zeros({2, 3}), true);
  auto target = [](std::int64_t a, std::int64_t b) {
    return Tensor::of<std::int64_t>({a, b}, {2});
  };
  CHECK_ERROR(fn::cross_entropy(x, target(0, 3)), Kind::kIndex, "3");
  CHECK_ERROR(fn::cross_entropy(x, target(-1, 0)), Kind::kIndex, "-1");
  CHECK_ERROR(fn::cross_entropy(x, Tensor::zeros({2})), Kind::kType, "f32");
  CHECK_ERROR(fn::cross_entropy(x, Tensor::zeros({3}, DType::kI64)),
              Kind::kValue, "(3,)");
  CHECK_ERROR(fn::cross_entropy(Variable(Tensor::zeros({3})), target(0, 0)),
              Kind::kValue, "(3,)");
  CHECK_ERROR(fn::cross_entropy(Variable(Tensor::zeros({2, 3}, DType::kI64)),
                                target(0, 0)),
              Kind::kType, "i64");
}

TEST_CASE("dropout zeroes a share p, scales the rest, and its gradient") {
  seed(3);
  Variable x(Tensor::full({200, 100}, 1), true);
  Variable y = fn::dropout(x, 0.25);
  std::int64_t zeros = 0;
  for (std::int64_t i = 0; i < 20000; ++i) {
    float value = y.data().data<float>()[i];
    zeros += value == 0;
    CHECK_UNARY(value == 0 || value == 1.0f / 0.75f);
  }
  CHECK(std::abs(static_cast<double>(zeros) / 20000 - 0.25) < 0.02);
  Tensor out = y.data().clone();
  fn::sum(y).backward();
  CHECK(x.grad().identical(out));
  seed(3);
  CHECK(fn::dropout(x, 0.25).data().identical(out));
}

TEST_CASE("dropout of 0 changes nothing, of 1 leaves nothing") {
  Variable x(f64({1, std::nan(""), 3}), true);
  CHECK(fn::dropout(x, 0).node() == x.node());
  CHECK(near(fn::dropout(x, 1).data(), {0, 0, 0}, 0));
  CHECK_ERROR(fn::dropout(x, 1.5), Kind::kValue, "1.5");
  CHECK_ERROR(fn::dropout(x, std::nan("")), Kind::kValue, "nan");
}

TEST_CASE("a promoted operand gets a gradient of its own dtype") {
  Variable a(Tensor::full({2}, 3), true), b(f64({5, 7}), true);
  fn::sum(fn::mul(a, b)).backward();
  CHECK(a.grad().dtype() == DType::kF32);
  CHECK(near(a.grad(), {5, 7}, 0));
  CHECK(near(b.grad(), {3, 3}, 0));
}

TEST_CASE("results do not depend on the thread budget") {
  const int before = thread_budget();
  std::vector<Tensor> runs;
  for (int threads : {1, 2, 3}) {
    set_thread_budget(threads);
    seed(1);
    nn::Linear first(300, 257), second(257, 10);
    Variable x(Random(5).uniform({130, 300}));
    Tensor target = Random(6).randint(0, 10, {130});
    Variable hidden = fn::dropout(fn::relu(first.forward(x)), 0.3);
    Variable loss = fn::cross_entropy(second.forward(hidden), target);
    loss.backward();
    runs.push_back(loss.data());
    runs.push_back(first.weight.grad().clone());
    runs.push_back(second.bias.grad().clone());
  }
  set_thread_budget(before);
  for (std::size_t i = 3; i < runs.size(); ++i)
    CHECK(runs[i].identical(runs[i % 3]));
}
