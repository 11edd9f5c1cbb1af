#include "nn/check.h"
#include "ptutils/module/configuration.h"

using namespace ptutils;
using namespace nn_test;

namespace {

std::shared_ptr<nn::Sequential> mlp(double p = 0) {
  std::vector<ModulePtr> layers = {std::make_shared<nn::Flatten>(),
                                   std::make_shared<nn::Linear>(4, 3),
                                   std::make_shared<nn::ReLU>()};
  if (p > 0) layers.push_back(std::make_shared<nn::Dropout>(p));
  layers.push_back(std::make_shared<nn::Linear>(3, 2));
  return std::make_shared<nn::Sequential>(std::move(layers));
}

std::vector<std::string> names(
    const std::vector<std::pair<std::string, Variable>>& parameters) {
  std::vector<std::string> out;
  for (const auto& [name, parameter] : parameters) out.push_back(name);
  return out;
}

const Registry& known() {
  static const Registry& filled = [&]() -> Registry& {
    nn::register_nn(registry());
    optim::register_optim(registry());
    return registry();
  }();
  return filled;
}

ModulePtr build(const Value& config) {
  known();
  return configure_module(config, BuildContext{"net", "net", nullptr, false});
}

/// Holds layers in a place of its own, as a net of another language does.
class Holder : public ptutils::Module {
 public:
  void fields(Fields& f) override {
    f("first", first);
    f("layers.0", second);
  }
  std::shared_ptr<nn::Linear> first, second;
};

/// A layer that is no nn::Module.
class Twice : public ptutils::Module {
 public:
  Value call(const Value& x) override {
    Variable v = nn::variable_in(x);
    return nn::wrap(nn::add(v, v));
  }
};

}  // namespace

TEST_CASE("Linear draws from torch's range with the default stream") {
  seed(0);
  nn::Linear layer(100, 50);
  CHECK(layer.weight.data().shape() == Dims{50, 100});
  CHECK(layer.bias.data().shape() == Dims{50});
  CHECK(max(layer.weight.data()).item_f64() <= 0.1);
  CHECK(max(layer.weight.data()).item_f64() > 0.099);
  CHECK(min(layer.weight.data()).item_f64() >= -0.1);
  CHECK(min(layer.weight.data()).item_f64() < -0.099);
  CHECK(std::abs(mean(layer.weight.data()).item_f64()) < 0.005);
  CHECK(max(abs(layer.bias.data())).item_f64() <= 0.1);
  seed(0);
  CHECK(nn::Linear(100, 50).weight.data().identical(layer.weight.data()));
  CHECK_FALSE(nn::Linear(100, 50).weight.data().identical(layer.weight.data()));
  CHECK_ERROR(nn::Linear(-1, 2), Kind::kValue, "in_features=-1");
}

TEST_CASE("Flatten takes the range of dimensions that it was given") {
  Tensor x = Tensor::zeros({2, 3, 4, 5});
  CHECK(nn::Flatten()(x).shape() == Dims{2, 60});
  CHECK(nn::Flatten(0)(x).shape() == Dims{120});
  CHECK(nn::Flatten(1, 2)(x).shape() == Dims{2, 12, 5});
  CHECK(nn::Flatten(-2, -1)(x).shape() == Dims{2, 3, 20});
  CHECK(nn::Flatten()(Tensor::zeros({0, 3, 4})).shape() == Dims{0, 12});
  CHECK(nn::Flatten(0)(Tensor::zeros({})).shape() == Dims{1});
  CHECK_ERROR(nn::Flatten()(Tensor::zeros({3})), Kind::kIndex, "start_dim=1");
  CHECK_ERROR(nn::Flatten(2, 1)(x), Kind::kValue, "after end_dim=1");
}

TEST_CASE("Dropout acts in training only") {
  nn::Dropout layer(0.5);
  Variable x(Tensor::full({100}, 1));
  CHECK_FALSE(layer.forward(x).data().identical(x.data()));
  layer.train(false);
  CHECK(layer.forward(x).data().identical(x.data()));
  CHECK_ERROR(nn::Dropout(2), Kind::kValue, "p=2");
}

TEST_CASE("train reaches the layers of a Sequential") {
  auto net = mlp(0.9);
  net->train(false);
  Tensor x = Tensor::full({5, 4}, 1);
  CHECK((*net)(x).identical((*net)(x)));
}

TEST_CASE("Sequential runs its layers, and finds them by index") {
  auto net = mlp();
  Tensor y = (*net)(Tensor::full({5, 2, 2}, 1));
  CHECK(y.shape() == Dims{5, 2});
  CHECK(net->size() == 4);
  CHECK(net->at(-1) == net->at(3));
  CHECK_ERROR(net->at(4), Kind::kIndex, "4 layers");
  net->append(std::make_shared<Twice>());
  CHECK((*net)(Tensor::full({5, 2, 2}, 1)).identical(add(y, y)));
  CHECK_ERROR(net->append(nullptr), Kind::kType, "layers[5]");
}

TEST_CASE("a layer called with a Value answers in kind") {
  auto net = mlp();
  Value x = Tensor::full({5, 4}, 1);
  CHECK(net->call(x).is_opaque());
  CHECK(net->call(Value::list({x})).is_opaque());
  CHECK_ERROR(net->call(Value::list({x, x})), Kind::kType, "2 arguments");
  nn::NoGrad no_grad;
  CHECK(net->call(x).is_tensor());
}

TEST_CASE("parameters have torch's names and order") {
  auto net = mlp();
  CHECK(names(net->named_parameters()) ==
        std::vector<std::string>{"1.weight", "1.bias", "3.weight", "3.bias"});
  CHECK(names(nn::Linear(2, 2, false).named_parameters()) ==
        std::vector<std::string>{"weight"});
  Holder holder;
  holder.first = std::make_shared<nn::Linear>(2, 2);
  holder.second = std::make_shared<nn::Linear>(2, 2, false);
  CHECK(names(nn::named_parameters(holder)) ==
        std::vector<std::string>{"first.weight", "first.bias",
                                 "layers.0.weight"});
}

TEST_CASE("what is shared is a parameter once") {
  auto shared = std::make_shared<nn::Linear>(3, 3);
  auto tied = std::make_shared<nn::Linear>(3, 3);
  tied->weight = shared->weight;
  nn::Sequential net({shared, tied, shared});
  CHECK(names(net.named_parameters()) ==
        std::vector<std::string>{"0.weight", "0.bias", "1.bias"});
  CHECK(net.parameters().size() == 3);
}

TEST_CASE("a Sequential's state has torch's keys and comes back") {
  auto net = mlp();
  Value state = net->state_dict();
  const Dict& first = state.as_dict().at("1").as_dict();
  CHECK(first.keys() == std::vector<std::string>{"weight", "bias"});
  CHECK(state.find_path("3.weight")->as_tensor().shape() == Dims{2, 3});

  auto other = mlp();
  Tensor memory = other->parameters()[0].data();
  other->load_state_dict(state);
  CHECK(other->state_dict().identical(state));
  CHECK(other->parameters()[0].data().bytes() == memory.bytes());
  Dict flat;
  for (auto& [name, parameter] : net->named_parameters())
    flat.set(name, Value(parameter.data()));
  auto third = mlp();
  third->load_state_dict(Value(flat));
  CHECK(third->state_dict().identical(state));
}

TEST_CASE("a state is a copy, or aliases when asked") {
  nn::Linear layer(2, 2);
  Value copy = layer.state_dict(), alias = layer.state_dict(false);
  Tensor before = layer.weight.data().clone();
  fill_(layer.weight.data(), 7);
  CHECK(copy.as_dict().at("weight").as_tensor().identical(before));
  CHECK(alias.as_dict().at("weight").as_tensor().bytes() ==
        layer.weight.data().bytes());
}

TEST_CASE("a state of another net is one error, and changes nothing") {
  auto net = mlp();
  Value before = net->state_dict();
  nn::Sequential other(
      {std::make_shared<nn::Flatten>(), std::make_shared<nn::Linear>(4, 7)});
  CHECK_ERROR(net->load_state_dict(other.state_dict()), Kind::kState, "(7, 4)");
  CHECK_ERROR(net->load_state_dict(other.state_dict()), Kind::kState,
              "3.weight");
  CHECK(net->state_dict().identical(before));
}

TEST_CASE("configurations come back as the same net") {
  auto net = mlp(0.25);
  Value config = net->to_config();
  CHECK(config.find_path("layers.1.in_features")->as_int() == 4);
  ModulePtr built = build(config);
  CHECK(built->class_name() == "ptutils.nn.Sequential");
  CHECK(built->to_config().identical(config));
  built->load_state_dict(net->state_dict());
  CHECK(built->state_dict().identical(net->state_dict()));
  ModulePtr loss = build(nn::CrossEntropyLoss().to_config());
  CHECK(loss->class_name() == "ptutils.nn.CrossEntropyLoss");
}

TEST_CASE("a configuration with a wrong layer says where") {
  Dict bad{{"func", "ptutils.nn.Sequential"}, {"layers", Value::list({3})}};
  CHECK_ERROR(build(Value(bad)), Kind::kType, "layers[0]");
  Dict unknown{{"func", "ptutils.nn.Linear"}, {"in_feature", 3}};
  CHECK_ERROR(build(Value(unknown)), Kind::kKey, "in_features");
}

TEST_CASE("a criterion takes outputs and targets") {
  nn::CrossEntropyLoss criterion;
  Tensor target = Tensor::of<std::int64_t>({1}, {1});
  Variable x(Tensor::of<float>({0, 0}, {1, 2}), true);
  Value loss = criterion.loss(nn::wrap(x), target);
  CHECK(near(nn::variable_in(loss).data().item_f64(), std::log(2.0), 1e-6));
  CHECK(criterion.call(Value::list({x.data(), target})).is_tensor());
  Dict named{{"input", x.data()}, {"target", target}};
  CHECK(criterion.call(Value(named)).is_tensor());
  CHECK_ERROR(criterion.call(Value::list({target})), Kind::kType,
              "input and target");
}
