#include "ptutils/nn/optim_state.h"
#include "ptutils/tensor/nn_kernels.h"

namespace ptutils::optim {

namespace {

constexpr std::string_view kSgd = "ptutils.optim.SGD";

const detail::Layout& sgd_layout() {
  static const detail::Layout layout = {
      {"lr", "momentum", "dampening", "weight_decay", "nesterov"},
      {"maximize", "differentiable"},
      {"momentum_buffer"}};
  return layout;
}

void check_options(const SGD::Options& o) {
  detail::check_not_below_0(kSgd, "lr", o.lr);
  detail::check_not_below_0(kSgd, "momentum", o.momentum);
  detail::check_not_below_0(kSgd, "weight_decay", o.weight_decay);
  if (o.nesterov && (o.momentum <= 0 || o.dampening != 0))
    fail(Kind::kValue, kSgd,
         "nesterov=true needs a momentum above 0 and no dampening, not "
         "momentum=",
         o.momentum, ", dampening=", o.dampening);
}

SGD::Options options_of(const Dict& group, SGD::Options o) {
  o.lr = detail::number(group, "lr", o.lr);
  o.momentum = detail::number(group, "momentum", o.momentum);
  o.dampening = detail::number(group, "dampening", o.dampening);
  o.weight_decay = detail::number(group, "weight_decay", o.weight_decay);
  o.nesterov = detail::flag(group, "nesterov", o.nesterov);
  check_options(o);
  return o;
}

}  // namespace

SGD::SGD(std::vector<nn::Variable> parameters, const Options& options)
    : options_(options) {
  check_options(options);
  set_parameters(std::move(parameters));
}

void SGD::set_parameters(std::vector<nn::Variable> parameters) {
  detail::check_parameters(parameters, kSgd);
  momentum_ = detail::carried(parameters_, parameters, momentum_);
  parameters_ = std::move(parameters);
}

void SGD::set_lr(double lr) {
  Options options = options_;
  options.lr = lr;
  check_options(options);
  options_ = options;
}

void SGD::zero_grad() {
  for (const nn::Variable& parameter : parameters_) parameter.zero_grad();
}

void SGD::step() {
  nn_kernels::SgdOptions how{options_.lr,        options_.momentum,
                             options_.dampening, options_.weight_decay,
                             options_.nesterov,  false};
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    detail::update(parameters_[i], [&](const Tensor& w, const Tensor& g) {
      if (options_.momentum == 0) return nn_kernels::sgd_(w, g, w, how);
      how.first_step = !momentum_[i];
      if (how.first_step) momentum_[i] = Tensor::empty(w.shape(), w.dtype());
      nn_kernels::sgd_(w, g, *momentum_[i], how);
    });
  }
}

Value SGD::state_dict(bool copy) {
  Dict slots;
  for (std::size_t i = 0; i < momentum_.size(); ++i) {
    if (!momentum_[i]) continue;
    Tensor buffer = copy ? momentum_[i]->clone() : *momentum_[i];
    slots.set(static_cast<std::int64_t>(i),
              Dict{{"momentum_buffer", std::move(buffer)}});
  }
  Dict group{{"lr", options_.lr},
             {"momentum", options_.momentum},
             {"dampening", options_.dampening},
             {"weight_decay", options_.weight_decay},
             {"nesterov", options_.nesterov},
             {"maximize", false},
             {"foreach", nullptr},
             {"differentiable", false},
             {"fused", nullptr}};
  return detail::pack(std::move(slots), std::move(group), parameters_.size());
}

void SGD::check_state(const Value& state, const std::string& prefix, bool,
                      Mismatch& out) {
  auto saved = detail::read(state, sgd_layout(), parameters_, prefix, out);
  if (!saved.group) return;
  try {
    (void)options_of(*saved.group, options_);
  } catch (const Error& error) {
    out.different.push_back(str(prefix, "param_groups.0: ", error.what()));
  }
}

void SGD::load_partial(const Value& state) {
  Mismatch ignored;  // check_state has reported it
  auto saved = detail::read(state, sgd_layout(), parameters_, "", ignored);
  if (saved.group) options_ = options_of(*saved.group, options_);
  if (!saved.has_state) return;
  for (std::size_t i = 0; i < momentum_.size(); ++i) {
    const Value* buffer =
        saved.slots[i] ? saved.slots[i]->find("momentum_buffer") : nullptr;
    if (!buffer || buffer->is_null()) {
      momentum_[i].reset();
    } else {
      momentum_[i] = detail::loaded(momentum_[i] ? &*momentum_[i] : nullptr,
                                    buffer->as_tensor());
    }
  }
}

Value SGD::to_config() {
  return Dict{{"func", class_name()},
              {"lr", options_.lr},
              {"momentum", options_.momentum},
              {"dampening", options_.dampening},
              {"weight_decay", options_.weight_decay},
              {"nesterov", options_.nesterov}};
}

}  // namespace ptutils::optim
