#include "nn/check.h"
#include "ptutils/common/thread_pool.h"

using namespace ptutils;
using namespace nn_test;

namespace {

std::shared_ptr<nn::Sequential> net_of(std::int64_t in, std::int64_t hidden,
                                       std::int64_t classes) {
  return std::make_shared<nn::Sequential>(std::vector<ModulePtr>{
      std::make_shared<nn::Linear>(in, hidden), std::make_shared<nn::ReLU>(),
      std::make_shared<nn::Dropout>(0.1),
      std::make_shared<nn::Linear>(hidden, classes)});
}

double train_step(nn::Sequential& net, optim::Optimizer& optimizer,
                  const Tensor& x, const Tensor& y) {
  optimizer.zero_grad();
  Variable loss = nn::cross_entropy(net.forward(Variable(x)), y);
  loss.backward();
  optimizer.step();
  return loss.data().item_f64();
}

/// The weights after some steps on made-up data.
Value trained(std::uint64_t key, int threads) {
  const int before = thread_budget();
  set_thread_budget(threads);
  seed(key);
  auto net = net_of(100, 200, 10);
  optim::Adam adam(net->parameters(), {});
  Random data(7);
  for (int i = 0; i < 5; ++i) {
    Tensor x = data.uniform({64, 100});
    train_step(*net, adam, x, data.randint(0, 10, {64}));
  }
  set_thread_budget(before);
  return net->state_dict();
}

}  // namespace

TEST_CASE("a small net learns xor with either optimizer") {
  Tensor x = Tensor::of<float>({0, 0, 0, 1, 1, 0, 1, 1}, {4, 2});
  Tensor y = Tensor::of<std::int64_t>({0, 1, 1, 0}, {4});
  for (bool adam : {false, true}) {
    seed(1);
    auto net = net_of(2, 16, 2);
    std::unique_ptr<optim::Optimizer> optimizer;
    if (adam)
      optimizer = std::make_unique<optim::Adam>(
          net->parameters(), optim::Adam::Options{.lr = 0.05});
    else
      optimizer = std::make_unique<optim::SGD>(
          net->parameters(), optim::SGD::Options{.lr = 0.2, .momentum = 0.9});
    for (int i = 0; i < 300; ++i) train_step(*net, *optimizer, x, y);
    net->train(false);
    CHECK(all(eq(argmax((*net)(x), 1), y)).item<bool>());
    CHECK(nn::cross_entropy(Variable((*net)(x)), y).data().item_f64() < 0.1);
  }
}

TEST_CASE("equal seeds give equal weights, at any number of threads") {
  Value one = trained(3, 1);
  CHECK(trained(3, 1).identical(one));
  CHECK(trained(3, 2).identical(one));
  CHECK_FALSE(trained(4, 1).identical(one));
}
