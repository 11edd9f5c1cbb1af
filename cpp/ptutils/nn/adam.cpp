#include "ptutils/nn/optim_state.h"
#include "ptutils/tensor/nn_kernels.h"

namespace ptutils::optim {

namespace {

constexpr std::string_view kAdam = "ptutils.optim.Adam";

const detail::Layout& adam_layout() {
  static const detail::Layout layout = {
      {"lr", "betas", "eps", "weight_decay"},
      {"amsgrad", "maximize", "differentiable", "decoupled_weight_decay"},
      {"step", "exp_avg", "exp_avg_sq"}};
  return layout;
}

void check_options(const Adam::Options& o) {
  detail::check_not_below_0(kAdam, "lr", o.lr);
  detail::check_not_below_0(kAdam, "eps", o.eps);
  detail::check_not_below_0(kAdam, "weight_decay", o.weight_decay);
  if (!(o.beta1 >= 0 && o.beta1 < 1))
    fail(Kind::kValue, kAdam, "betas[0]=", o.beta1,
         " is not in 0 to 1 (1 excluded)");
  if (!(o.beta2 >= 0 && o.beta2 < 1))
    fail(Kind::kValue, kAdam, "betas[1]=", o.beta2,
         " is not in 0 to 1 (1 excluded)");
}

Adam::Options options_of(const Dict& group, Adam::Options o) {
  o.lr = detail::number(group, "lr", o.lr);
  o.eps = detail::number(group, "eps", o.eps);
  o.weight_decay = detail::number(group, "weight_decay", o.weight_decay);
  if (const Value* betas = group.find("betas")) {
    const auto& items = betas->as_list("betas").items;
    if (items.size() != 2)
      fail(Kind::kValue, kAdam, "betas are two numbers, not ", betas->repr());
    Dict named{{"0", items[0]}, {"1", items[1]}};
    o.beta1 = detail::number(named, "0", 0);
    o.beta2 = detail::number(named, "1", 0);
  }
  check_options(o);
  return o;
}

std::int64_t count_of(const Value& step) {
  if (step.is_tensor()) return step.as_tensor().item<std::int64_t>();
  return static_cast<std::int64_t>(step.as_double("step"));
}

}  // namespace

Adam::Adam(std::vector<nn::Variable> parameters, const Options& options)
    : options_(options) {
  check_options(options);
  set_parameters(std::move(parameters));
}

void Adam::set_parameters(std::vector<nn::Variable> parameters) {
  detail::check_parameters(parameters, kAdam);
  moments_ = detail::carried(parameters_, parameters, moments_);
  parameters_ = std::move(parameters);
}

void Adam::set_lr(double lr) {
  Options options = options_;
  options.lr = lr;
  check_options(options);
  options_ = options;
}

void Adam::zero_grad() {
  for (const nn::Variable& parameter : parameters_) parameter.zero_grad();
}

void Adam::step() {
  nn_kernels::AdamOptions how{options_.lr,
                              options_.beta1,
                              options_.beta2,
                              options_.eps,
                              options_.weight_decay,
                              false,
                              0};
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    Moments& m = moments_[i];
    detail::update(parameters_[i], [&](const Tensor& w, const Tensor& g) {
      if (m.step == 0) {
        m.exp_avg = Tensor::zeros(w.shape(), w.dtype());
        m.exp_avg_sq = Tensor::zeros(w.shape(), w.dtype());
      }
      how.step = ++m.step;
      nn_kernels::adam_(w, g, m.exp_avg, m.exp_avg_sq, how);
    });
  }
}

Value Adam::state_dict(bool copy) {
  Dict slots;
  for (std::size_t i = 0; i < moments_.size(); ++i) {
    const Moments& m = moments_[i];
    if (m.step == 0) continue;
    // A 0-d f32 tensor as torch's, while that counts exactly.
    auto step = static_cast<double>(m.step);
    DType dtype = step < (1 << 24) ? DType::kF32 : DType::kF64;
    slots.set(static_cast<std::int64_t>(i),
              Dict{{"step", Tensor::full({}, step, dtype)},
                   {"exp_avg", copy ? m.exp_avg.clone() : m.exp_avg},
                   {"exp_avg_sq", copy ? m.exp_avg_sq.clone() : m.exp_avg_sq}});
  }
  Dict group{{"lr", options_.lr},
             {"betas", Value::list({options_.beta1, options_.beta2}, true)},
             {"eps", options_.eps},
             {"weight_decay", options_.weight_decay},
             {"amsgrad", false},
             {"maximize", false},
             {"foreach", nullptr},
             {"capturable", false},
             {"differentiable", false},
             {"fused", nullptr},
             {"decoupled_weight_decay", false}};
  return detail::pack(std::move(slots), std::move(group), parameters_.size());
}

void Adam::check_state(const Value& state, const std::string& prefix, bool,
                       Mismatch& out) {
  auto saved = detail::read(state, adam_layout(), parameters_, prefix, out);
  if (!saved.group) return;
  try {
    (void)options_of(*saved.group, options_);
  } catch (const Error& error) {
    out.different.push_back(str(prefix, "param_groups.0: ", error.what()));
  }
}

void Adam::load_partial(const Value& state) {
  Mismatch ignored;  // check_state has reported it
  auto saved = detail::read(state, adam_layout(), parameters_, "", ignored);
  if (saved.group) options_ = options_of(*saved.group, options_);
  if (!saved.has_state) return;
  for (std::size_t i = 0; i < moments_.size(); ++i) {
    Moments& m = moments_[i];
    const Dict* slot = saved.slots[i];
    const Value* step = slot ? slot->find("step") : nullptr;
    const Value* mean = slot ? slot->find("exp_avg") : nullptr;
    const Value* square = slot ? slot->find("exp_avg_sq") : nullptr;
    if (!step || !mean || !square || count_of(*step) == 0) {
      m = Moments{};
      continue;
    }
    m.step = count_of(*step);
    m.exp_avg = detail::loaded(&m.exp_avg, mean->as_tensor());
    m.exp_avg_sq = detail::loaded(&m.exp_avg_sq, square->as_tensor());
  }
}

Value Adam::to_config() {
  return Dict{{"func", class_name()},
              {"lr", options_.lr},
              {"betas", Value::list({options_.beta1, options_.beta2})},
              {"eps", options_.eps},
              {"weight_decay", options_.weight_decay}};
}

}  // namespace ptutils::optim
