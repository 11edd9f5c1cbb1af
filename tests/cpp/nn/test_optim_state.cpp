#include "nn/check.h"
#include "ptutils/module/configuration.h"

using namespace ptutils;
using namespace nn_test;
using optim::Adam;
using optim::SGD;

namespace {

struct Trained {
  std::vector<Variable> parameters;
  std::unique_ptr<optim::Optimizer> optimizer;
};

template <class Optimizer>
Trained start(const typename Optimizer::Options& options) {
  Trained out;
  for (std::uint64_t i = 0; i < 2; ++i)
    out.parameters.emplace_back(random_f64({2, 3}, i), true);
  out.optimizer = std::make_unique<Optimizer>(out.parameters, options);
  return out;
}

void steps(Trained& t, int from, int to) {
  for (int step = from; step < to; ++step) {
    std::uint64_t key = 100 + static_cast<std::uint64_t>(step);
    for (const Variable& p : t.parameters)
      p.set_grad(random_f64({2, 3}, ++key));
    t.optimizer->step();
  }
}

template <class Optimizer>
void check_resume(const typename Optimizer::Options& options) {
  Trained whole = start<Optimizer>(options);
  steps(whole, 0, 3);
  Value state = whole.optimizer->state_dict();
  std::vector<Tensor> weights;
  for (const Variable& p : whole.parameters)
    weights.push_back(p.data().clone());
  steps(whole, 3, 6);

  Trained again = start<Optimizer>({});
  steps(again, 7, 8);  // a state that must be forgotten
  for (std::size_t i = 0; i < weights.size(); ++i)
    again.parameters[i].data().copy_from(weights[i]);
  again.optimizer->load_state_dict(state);
  CHECK(again.optimizer->state_dict().identical(state));
  steps(again, 3, 6);
  for (std::size_t i = 0; i < weights.size(); ++i)
    CHECK(again.parameters[i].data().identical(whole.parameters[i].data()));
  CHECK(again.optimizer->to_config().identical(whole.optimizer->to_config()));
}

Dict& group_of(Value& state) {
  return state.as_dict().find("param_groups")->as_list().items[0].as_dict();
}

Dict& slot_of(Value& state, std::int64_t i) {
  return state.as_dict().find("state")->as_dict().find(Key(i))->as_dict();
}

ModulePtr build_optimizer(const Value& config) {
  static bool once = (optim::register_optim(registry()), true);
  (void)once;
  return configure_module(
      config, BuildContext{"model.optimizer", "optimizer", nullptr, false});
}

}  // namespace

TEST_CASE("an optimizer goes on from its state to the bit") {
  check_resume<SGD>({.lr = 0.1});
  check_resume<SGD>({.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1});
  check_resume<SGD>({.lr = 0.1, .momentum = 0.9, .nesterov = true});
  check_resume<Adam>({.lr = 0.1, .beta1 = 0.8, .weight_decay = 0.1});
}

TEST_CASE("the state is laid out as torch's") {
  Trained sgd = start<SGD>({.lr = 0.1, .momentum = 0.9});
  steps(sgd, 0, 1);
  Value state = sgd.optimizer->state_dict();
  CHECK(state.as_dict().keys() ==
        std::vector<std::string>{"state", "param_groups"});
  CHECK(group_of(state).keys() ==
        std::vector<std::string>{"lr", "momentum", "dampening", "weight_decay",
                                 "nesterov", "maximize", "foreach",
                                 "differentiable", "fused", "params"});
  CHECK(group_of(state).at("params").identical(Value::list({0, 1})));
  CHECK(slot_of(state, 1).keys() ==
        std::vector<std::string>{"momentum_buffer"});

  Trained adam = start<Adam>({});
  steps(adam, 0, 3);
  state = adam.optimizer->state_dict();
  CHECK(group_of(state).keys() ==
        std::vector<std::string>{"lr", "betas", "eps", "weight_decay",
                                 "amsgrad", "maximize", "foreach", "capturable",
                                 "differentiable", "fused",
                                 "decoupled_weight_decay", "params"});
  CHECK(slot_of(state, 0).keys() ==
        std::vector<std::string>{"step", "exp_avg", "exp_avg_sq"});
  Tensor step = slot_of(state, 0).at("step").as_tensor();
  CHECK(step.dtype() == DType::kF32);
  CHECK(step.dim() == 0);
  CHECK(step.item_f64() == 3);
  CHECK(group_of(state).at("betas").as_list().tuple);
}

TEST_CASE("no state before the first step, and a load back to there") {
  Trained t = start<SGD>({.lr = 0.1, .momentum = 0.9});
  Value fresh = t.optimizer->state_dict();
  CHECK(fresh.as_dict().at("state").as_dict().empty());
  steps(t, 0, 2);
  t.optimizer->load_state_dict(fresh);
  CHECK(t.optimizer->state_dict().identical(fresh));
}

TEST_CASE("a state is a copy, or aliases when asked") {
  Trained t = start<SGD>({.lr = 0.1, .momentum = 0.9});
  steps(t, 0, 1);
  Value copy = t.optimizer->state_dict(), kept = copy.clone();
  Value alias = t.optimizer->state_dict(false);
  steps(t, 1, 2);
  CHECK(copy.identical(kept));
  CHECK(alias.identical(t.optimizer->state_dict()));
  t.optimizer->load_state_dict(copy);
  steps(t, 1, 2);
  CHECK(copy.identical(kept));
}

TEST_CASE("torch's ways to write a state are read") {
  Trained t = start<Adam>({});
  steps(t, 0, 2);
  Value state = t.optimizer->state_dict();
  group_of(state).set("foreach", true);
  group_of(state).set("initial_lr", 0.1);  // left by a scheduler
  group_of(state).set("lr", Tensor::full({}, 0.25));
  group_of(state).set("weight_decay", 0);           // torch's default is an int
  group_of(state).erase("decoupled_weight_decay");  // before torch 2.6
  slot_of(state, 0).set("step", 2.0);
  t.optimizer->load_state_dict(state);
  CHECK(t.optimizer->lr() == 0.25);

  Dict with_text_keys;
  for (auto& [key, slot] : state.as_dict().at("state").as_dict())
    with_text_keys.set(to_string(key), slot);
  state.as_dict().set("state", Value(with_text_keys));
  t.optimizer->load_state_dict(state);

  Trained sgd = start<SGD>({.momentum = 0.9});
  steps(sgd, 0, 1);
  Value with_none = sgd.optimizer->state_dict();
  slot_of(with_none, 0).set("momentum_buffer", nullptr);
  sgd.optimizer->load_state_dict(with_none);
  CHECK(sgd.optimizer->state_dict().as_dict().at("state").as_dict().size() ==
        1);
}

TEST_CASE("what cannot be honoured is an error, and nothing changes") {
  Trained t = start<Adam>({});
  steps(t, 0, 1);
  const Value good = t.optimizer->state_dict();
  auto refused = [&](auto change, const std::string& text) {
    Value bad = good.clone();
    change(bad);
    CHECK_ERROR(t.optimizer->load_state_dict(bad), Kind::kState, text);
    CHECK(t.optimizer->state_dict().identical(good));
  };
  refused([](Value& s) { group_of(s).set("amsgrad", true); }, "amsgrad");
  refused([](Value& s) { group_of(s).set("decoupled_weight_decay", true); },
          "decoupled_weight_decay");
  refused([](Value& s) { group_of(s).set("surprise", 1); }, "surprise");
  refused([](Value& s) { group_of(s).set("lr", -1.0); }, "lr=-1");
  refused([](Value& s) { group_of(s).set("lr", "fast"); }, "fast");
  refused([](Value& s) { group_of(s).set("betas", 0.9); }, "betas");
  refused([](Value& s) { group_of(s).erase("eps"); }, "param_groups.0.eps");
  refused([](Value& s) { group_of(s).set("params", Value::list({0})); },
          "1 parameters, here 2");
  refused([](Value& s) { s.as_dict().set("state", 3); }, "not a dict");
  refused([](Value& s) { s.as_dict().erase("state"); }, "state");
  refused([](Value& s) { slot_of(s, 0).erase("exp_avg"); }, "state.0.exp_avg");
  refused([](Value& s) { slot_of(s, 1).set("exp_avg", random_f64({7})); },
          "(7,)");
  refused([](Value& s) { slot_of(s, 1).set("step", "many"); }, "step");
  refused(
      [](Value& s) {
        s.as_dict().find("state")->as_dict().set(std::int64_t{9}, Dict{});
      },
      "state.9");
  refused(
      [](Value& s) {
        List& groups = s.as_dict().find("param_groups")->as_list();
        groups.items.push_back(groups.items[0]);
      },
      "2 groups");
  refused([](Value& s) { s = Value(3); }, "not an optimizer's state");
}

TEST_CASE("the state of another optimizer does not fit") {
  Trained sgd = start<SGD>({}), adam = start<Adam>({});
  CHECK_ERROR(adam.optimizer->load_state_dict(sgd.optimizer->state_dict()),
              Kind::kState, "betas");
}

TEST_CASE("the groups alone can be loaded") {
  Trained a = start<SGD>({.lr = 0.5, .momentum = 0.9});
  Trained b = start<SGD>({.lr = 0.1, .momentum = 0.9});
  steps(a, 0, 1);
  steps(b, 0, 1);
  LoadOptions options;
  options.only_names = {"param_groups"};
  b.optimizer->load_state_dict(a.optimizer->state_dict(), options);
  CHECK(b.optimizer->lr() == 0.5);
  CHECK(b.optimizer->state_dict().as_dict().at("state").as_dict().size() == 2);
}

TEST_CASE("configurations come back as the same optimizer") {
  SGD sgd({}, {.lr = 0.5, .momentum = 0.9, .weight_decay = 0.1});
  CHECK(
      build_optimizer(sgd.to_config())->to_config().identical(sgd.to_config()));
  Adam adam({}, {.lr = 0.5, .beta1 = 0.8, .eps = 1e-4});
  CHECK(build_optimizer(adam.to_config())
            ->to_config()
            .identical(adam.to_config()));
  Dict short_form{{"func", "Adam"}, {"lr", 1}};
  CHECK(build_optimizer(Value(short_form))->class_name() ==
        "ptutils.optim.Adam");
}

TEST_CASE("a configuration with a wrong option says where") {
  Dict unknown{{"func", "Adam"}, {"amsgrad", true}};
  CHECK_ERROR(build_optimizer(Value(unknown)), Kind::kKey, "amsgrad");
  Dict betas{{"func", "Adam"}, {"betas", Value::list({0.9})}};
  CHECK_ERROR(build_optimizer(Value(betas)), Kind::kValue, "betas");
}
