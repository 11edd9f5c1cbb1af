#include <atomic>
#include <thread>

#include "nn/check.h"

using namespace ptutils;
using namespace nn_test;
using nn::NoGrad;
namespace fn = ptutils::nn;

TEST_CASE("gradients accumulate until zero_grad") {
  Variable x(f64({1, 2}), true);
  fn::sum(fn::mul(x, x)).backward();
  CHECK(near(x.grad(), {2, 4}, 0));
  fn::sum(fn::mul(x, x)).backward();
  CHECK(near(x.grad(), {4, 8}, 0));
  x.zero_grad();
  CHECK_FALSE(x.has_grad());
  CHECK_ERROR(x.grad(), Kind::kState, "no gradient");
  fn::sum(x).backward();
  CHECK(near(x.grad(), {1, 1}, 0));
}

TEST_CASE("a layer's gradient is written into the memory that zero_grad left") {
  nn::Linear layer(3, 2);
  Variable x(Tensor::full({4, 3}, 1));
  fn::sum(layer.forward(x)).backward();
  const auto* memory = layer.weight.grad().bytes();
  layer.weight.zero_grad();
  fn::sum(layer.forward(x)).backward();
  CHECK(layer.weight.grad().bytes() == memory);
  CHECK(near(layer.weight.grad(), std::vector<double>(6, 4), 0));
}

TEST_CASE("a gradient that somebody kept is not written over") {
  nn::Linear layer(3, 2);
  Variable x(Tensor::full({4, 3}, 1));
  fn::sum(layer.forward(x)).backward();
  Tensor kept = layer.weight.grad();
  layer.weight.zero_grad();
  fn::sum(fn::mul(layer.forward(x), Variable(Tensor::full({}, 2)))).backward();
  CHECK(near(kept, std::vector<double>(6, 4), 0));
  CHECK(near(layer.weight.grad(), std::vector<double>(6, 8), 0));
}

TEST_CASE("two leaves never share a gradient's memory") {
  Variable a(f64({1, 2}), true), b(f64({3, 4}), true);
  fn::sum(fn::add(a, b)).backward();
  CHECK(a.grad().storage() != b.grad().storage());
  fn::sum(a).backward();
  CHECK(near(a.grad(), {2, 2}, 0));
  CHECK(near(b.grad(), {1, 1}, 0));
}

TEST_CASE("a parameter used in two places gets the sum") {
  Variable w(random_f64({2, 2}), true), x(random_f64({3, 2}, 2));
  fn::sum(fn::linear(fn::linear(x, w, {}), w, {})).backward();
  Tensor together = w.grad().clone();
  Variable first(w.data(), true), second(w.data(), true);
  fn::sum(fn::linear(fn::linear(x, first, {}), second, {})).backward();
  Tensor apart = add(first.grad(), second.grad());
  CHECK(near(sub(together, apart), {0, 0, 0, 0}, 1e-14));
}

TEST_CASE("a result used by many is passed back once, after all of them") {
  Variable x(f64({2}), true);
  Variable y = fn::mul(x, x);  // 4
  Variable z = y;
  for (int i = 0; i < 5; ++i) z = fn::add(fn::mul(z, y), y);
  z.backward();
  // y^6 + y^5 + … + y at y = 4, times dy/dx = 4
  double slope = 0;
  for (int k = 1; k <= 6; ++k) slope += k * std::pow(4.0, k - 1);
  CHECK(near(x.grad(), {slope * 4}, 1e-14));
}

TEST_CASE("backward frees the tape, and a second one is an error") {
  Variable x(f64({1, 2}), true);
  Variable y = fn::mul(x, x);
  Variable loss = fn::sum(y);
  std::weak_ptr<nn::detail::Node> middle = y.node();
  y = Variable();
  CHECK_FALSE(middle.expired());
  loss.backward();
  CHECK(middle.expired());
  CHECK(loss.node()->inputs.empty());
  CHECK_ERROR(loss.backward(), Kind::kState, "freed");
  CHECK(near(x.grad(), {2, 4}, 0));
}

TEST_CASE("a part of a freed tape cannot be passed back through again") {
  Variable x(f64({3}), true);
  Variable y = fn::mul(x, x);
  fn::sum(y).backward();
  CHECK_ERROR(fn::sum(y).backward(), Kind::kState, "again");
  CHECK(near(x.grad(), {6}, 0));
}

TEST_CASE("results keep no gradient") {
  Variable x(f64({3}), true);
  Variable y = fn::mul(x, x);
  fn::sum(y).backward();
  CHECK_FALSE(y.has_grad());
}

TEST_CASE("backward wants a tape and a scalar") {
  Variable x(f64({1, 2}), true);
  CHECK_ERROR(fn::mul(x, x).backward(), Kind::kState, "scalar");
  CHECK_ERROR(Variable(f64({1})).backward(), Kind::kState, "no tape");
  Variable leaf(f64({1}), true);
  leaf.backward();
  CHECK(near(leaf.grad(), {1}, 0));
}

TEST_CASE("NoGrad writes no tape, nests, and ends") {
  Variable x(f64({1, 2}), true);
  {
    NoGrad outer;
    CHECK_FALSE(nn::grad_enabled());
    { NoGrad inner; }
    CHECK_FALSE(nn::grad_enabled());
    Variable y = fn::sum(x);
    CHECK_FALSE(y.requires_grad());
    CHECK(y.node()->inputs.empty());
  }
  CHECK(nn::grad_enabled());
  CHECK(fn::sum(x).requires_grad());
}

TEST_CASE("nothing is recorded where no input requires a gradient") {
  Variable a(f64({1})), b(f64({2}));
  CHECK(fn::add(a, b).node()->inputs.empty());
}

TEST_CASE("a tape of 300 000 results needs no deep stack") {
  Variable x(f64({1}), true);
  auto chain = [&] {
    Variable y = x;
    for (int i = 0; i < 300000; ++i) y = fn::reshape(y, {1});
    return y;
  };
  chain().backward();
  CHECK(near(x.grad(), {1}, 0));
  Variable dropped = chain();
  dropped = Variable();  // never passed back
}

TEST_CASE("what backward needs may not be written to before it") {
  nn::Linear first(3, 4), second(4, 2);
  Variable x(Tensor::full({5, 3}, 1));
  auto loss = [&] {
    return fn::sum(second.forward(fn::relu(first.forward(x))));
  };
  auto fails = [&](const std::function<void()>& write) {
    Variable out = loss();
    write();
    CHECK_ERROR(out.backward(), Kind::kState, "modified by an inplace");
  };
  Value state = second.state_dict();
  fails([&] { second.load_state_dict(state); });
  fails([&] { fill_(x.data(), 2); });
  fails([&] { second.weight.set_data(second.weight.data().clone()); });
  fails([&] {
    loss().backward();
    optim::SGD(second.parameters(), {.lr = 1}).step();
  });
  fails([&] {
    loss().backward();
    optim::Adam(second.parameters(), {}).step();
  });
  Variable hidden = fn::relu(first.forward(x)), sum = fn::sum(hidden);
  mul_(hidden.data().select(0, 0), 2);
  CHECK_ERROR(sum.backward(), Kind::kState, "modified by an inplace");
  Variable a(f64({1, 2}), true), b(f64({3, 4}), true), c = fn::mul(a, b);
  b.data().copy_from(f64({5, 6}));
  CHECK_ERROR(fn::sum(c).backward(), Kind::kState, "modified by an inplace");
}

TEST_CASE("what backward does not need may be written to") {
  nn::Linear layer(3, 2);
  Variable x(Tensor::full({5, 3}, 1));
  Variable out = fn::sum(layer.forward(x));
  fill_(layer.bias.data(), 1);
  fill_(layer.weight.data(), 1);  // for the gradient of x alone
  out.backward();
  CHECK(near(layer.weight.grad(), std::vector<double>(6, 5), 0));
}

TEST_CASE("an operation that throws in backward leaves no half tape") {
  Variable x(f64({1}), true);
  Variable y = Variable::make(f64({1}), {x}, [](nn::detail::Node&) {
    fail(Kind::kValue, "test", "on purpose");
  });
  Variable loss = fn::sum(y);
  CHECK_ERROR(loss.backward(), Kind::kValue, "on purpose");
  CHECK_FALSE(y.has_grad());
  CHECK_ERROR(loss.backward(), Kind::kState, "freed");
}

TEST_CASE("only f32 and f64 leaves have gradients") {
  CHECK_ERROR(Variable(Tensor::zeros({1}, DType::kI64), true), Kind::kType,
              "i64");
  Variable x(f64({1, 2}), true);
  CHECK_ERROR(x.set_grad(Tensor::zeros({2})), Kind::kValue, "f32");
  CHECK_ERROR(x.set_grad(f64({1})), Kind::kValue, "(1,)");
  x.set_grad(f64({5, 6}));
  CHECK(near(x.grad(), {5, 6}, 0));
}

TEST_CASE("a gradient of other data is an error, not a wrong sum") {
  Variable x(f64({1, 2}), true);
  fn::sum(x).backward();
  x.set_data(f64({1, 2, 3}));
  CHECK_ERROR(fn::sum(x).backward(), Kind::kState, "zero_grad");
  x.zero_grad();
  fn::sum(x).backward();
  CHECK(near(x.grad(), {1, 1, 1}, 0));
}

TEST_CASE("a Variable travels in a Value") {
  Variable x(f64({1}), true);
  CHECK(nn::variable_in(nn::wrap(x)).node() == x.node());
  CHECK(nn::variable_in(Value(f64({2}))).data().item_f64() == 2);
  CHECK(nn::to_value(x).is_opaque());
  CHECK(nn::to_value(Variable(f64({1}))).is_tensor());
  CHECK_ERROR(nn::variable_in(Value("text")), Kind::kType, "string");
}

TEST_CASE("threads share a leaf: gradients add up, handles may be replaced") {
  Variable w(Tensor::full({8, 8}, 1), true);
  constexpr int kThreads = 3, kTimes = 100;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&] {
      for (int k = 0; k < kTimes; ++k) fn::sum(fn::matmul(w, w)).backward();
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(near(w.grad(), std::vector<double>(64, kThreads * kTimes * 16), 0));

  threads.clear();
  std::atomic<bool> done = false;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      while (!done) fn::sum(fn::add(w, w)).backward();
    });
  for (int k = 0; k < 300; ++k) {
    if (k % 3 == 0) w.set_data(Tensor::full({8, 8}, 1));
    if (k % 3 == 1) (void)w.node()->take_grad();
    if (auto grad = w.node()->grad(); k % 3 == 2 && grad)
      CHECK(grad->shape() == Dims{8, 8});
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("of several backward() through one tape a single one has it") {
  Variable w(f64({2}), true);
  for (int k = 0; k < 100; ++k) {
    Variable middle = fn::mul(w, w), loss = fn::sum(fn::mul(middle, middle));
    std::atomic<int> refused = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i)
      threads.emplace_back([&] {
        try {
          loss.backward();
        } catch (const Error&) {
          ++refused;
        }
      });
    for (std::thread& thread : threads) thread.join();
    CHECK(refused == 2);
    CHECK(near(w.grad(), {32}, 0));
    w.zero_grad();
  }
}
