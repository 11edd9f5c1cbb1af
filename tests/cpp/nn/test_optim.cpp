// Reference numbers: torch 2.15 on the same three steps.
#include "nn/check.h"

using namespace ptutils;
using namespace nn_test;
using optim::Adam;
using optim::SGD;

namespace {

const std::vector<std::vector<double>> kGradients = {
    {0.1, -0.2, 0.3}, {-0.4, 0.05, 0.6}, {0.7, 0.8, -0.9}};

template <class Optimizer>
Variable three_steps(const typename Optimizer::Options& options,
                     DType dtype = DType::kF64) {
  Variable p(cast(f64({0.5, -1.25, 2}), dtype), true);
  Optimizer optimizer({p}, options);
  for (const auto& g : kGradients) {
    p.set_grad(cast(Tensor::from(std::span<const double>(g), {3}), dtype));
    optimizer.step();
  }
  return p;
}

/// f64 almost to the bit, f32 to its own precision.
template <class Optimizer>
void check_steps(const typename Optimizer::Options& options,
                 const std::vector<double>& wanted) {
  CHECK(near(three_steps<Optimizer>(options).data(), wanted, 4e-15));
  CHECK(near(three_steps<Optimizer>(options, DType::kF32).data(), wanted,
             2.5e-7));
}

}  // namespace

TEST_CASE("SGD steps as torch does") {
  check_steps<SGD>({.lr = 0.1}, {0.46, -1.315, 2.0});
  check_steps<SGD>(
      {.lr = 0.1, .weight_decay = 0.01},
      {0.45848148950000006, -1.3112887287500001, 1.9941259679999999});
  check_steps<SGD>({.lr = 0.1, .momentum = 0.9}, {0.4789, -1.2853, 1.8947});
  check_steps<SGD>(
      {.lr = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.01},
      {0.474738569855, -1.2525796770875, 1.89253548432});
  check_steps<SGD>(
      {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true},
      {0.43695096198049993, -1.33691389924625, 1.889685136512});
}

TEST_CASE("Adam steps as torch does") {
  check_steps<Adam>({.lr = 0.01}, {0.49228415530469755, -1.240586970798603,
                                   1.9810141704240802});
  check_steps<Adam>(
      {.lr = 0.01,
       .beta1 = 0.8,
       .beta2 = 0.95,
       .eps = 1e-4,
       .weight_decay = 0.1},
      {0.49004418253587967, -1.2358336815569866, 1.9785181256413904});
}

// 1 - beta rounded after beta would be 1.3e-5 off in the variance.
TEST_CASE("f32 moments of Adam are torch's to the last bits") {
  Variable p(Tensor::of<float>({0.5F}, {1}), true);
  Adam adam({p}, {});
  p.set_grad(Tensor::of<float>({1}, {1}));
  adam.step();
  Value state = adam.state_dict();
  const Dict& slot = state.as_dict()
                         .at("state")
                         .as_dict()
                         .find(Key(std::int64_t{0}))
                         ->as_dict();
  CHECK(near(slot.at("exp_avg").as_tensor().item_f64() / 0.1, 1, 2e-7));
  CHECK(near(slot.at("exp_avg_sq").as_tensor().item_f64() / 0.001, 1, 2e-7));
}

TEST_CASE("parameters without a gradient are left alone") {
  Variable a(f64({1}), true), b(f64({1}), true);
  a.set_grad(f64({1}));
  SGD sgd({a, b}, {.lr = 0.5, .momentum = 0.9});
  sgd.step();
  CHECK(a.data().item_f64() == 0.5);
  CHECK(b.data().item_f64() == 1);
  Value state = sgd.state_dict();
  CHECK(state.as_dict().at("state").as_dict().size() == 1);
  sgd.zero_grad();
  sgd.step();
  CHECK(a.data().item_f64() == 0.5);
}

TEST_CASE("a parameter of any strides is updated where it lies") {
  Tensor memory = random_f64({3, 2});
  Tensor before = memory.clone();
  Variable p(memory.transpose(0, 1), true);
  p.set_grad(Tensor::full({2, 3}, 1, DType::kF64));
  SGD({p}, {.lr = 1}).step();
  CHECK(near(sub(before, memory), std::vector<double>(6, 1), 1e-15));
}

TEST_CASE("impossible options are refused with torch's conditions") {
  CHECK_ERROR(SGD({}, {.lr = -1}), Kind::kValue, "lr=-1");
  CHECK_ERROR(SGD({}, {.lr = std::nan("")}), Kind::kValue, "lr=nan");
  CHECK_ERROR(SGD({}, {.momentum = -0.5}), Kind::kValue, "momentum=-0.5");
  CHECK_ERROR(SGD({}, {.weight_decay = -1}), Kind::kValue, "weight_decay=-1");
  CHECK_ERROR(SGD({}, {.nesterov = true}), Kind::kValue, "nesterov");
  CHECK_ERROR(SGD({}, {.momentum = 0.9, .dampening = 0.1, .nesterov = true}),
              Kind::kValue, "dampening=0.1");
  CHECK_ERROR(Adam({}, {.lr = -1}), Kind::kValue, "lr=-1");
  CHECK_ERROR(Adam({}, {.beta1 = 1}), Kind::kValue, "betas[0]=1");
  CHECK_ERROR(Adam({}, {.beta2 = -0.1}), Kind::kValue, "betas[1]=-0.1");
  CHECK_ERROR(Adam({}, {.eps = -1}), Kind::kValue, "eps=-1");
  Adam adam({}, {});
  CHECK_ERROR(adam.set_lr(-2), Kind::kValue, "lr=-2");
  CHECK(adam.lr() == 1e-3);
  adam.set_lr(0.5);
  CHECK(adam.lr() == 0.5);
}

TEST_CASE("a parameter may be given once") {
  Variable p(f64({1}), true);
  CHECK_ERROR(SGD({p, p}, {}), Kind::kValue, "twice");
  CHECK_ERROR(SGD({Variable()}, {}), Kind::kValue, "empty");
}

TEST_CASE("set_parameters keeps options, and the state of what stays") {
  Variable a(f64({1}), true), b(f64({1}), true);
  SGD sgd({}, {.lr = 0.5, .momentum = 0.9});
  sgd.set_parameters({a, b});
  a.set_grad(f64({1}));
  b.set_grad(f64({2}));
  sgd.step();
  sgd.set_parameters({b});
  CHECK(sgd.lr() == 0.5);
  Value state = sgd.state_dict();
  const Dict& slots = state.as_dict().at("state").as_dict();
  REQUIRE(slots.size() == 1);
  CHECK(slots.begin()
            ->second.as_dict()
            .at("momentum_buffer")
            .as_tensor()
            .item_f64() == 2);
}

TEST_CASE("set_data to another shape asks for zero_grad") {
  Variable p(f64({1, 2}), true);
  p.set_grad(f64({1, 1}));
  SGD sgd({p}, {});
  p.set_data(f64({1}));
  CHECK_ERROR(sgd.step(), Kind::kState, "zero_grad");
}

TEST_CASE("an optimizer's call is a step") {
  Variable p(f64({1}), true);
  p.set_grad(f64({1}));
  SGD sgd({p}, {.lr = 1});
  sgd.call({});
  CHECK(p.data().item_f64() == 0);
  CHECK_ERROR(sgd.call(Value(3)), Kind::kType, "no arguments");
}
