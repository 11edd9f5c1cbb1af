#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ptutils/nn/layers.h"

namespace ptutils::optim {

/// torch's optimizers: same formulas, defaults and state_dict layout
/// ({"state": {0: {…}}, "param_groups": [{"lr": …, "params": [0, …]}]}), so
/// that states go between the two. One parameter group. Options of torch's that
/// do not exist here (amsgrad, maximize …) are written as off; a state that has
/// one switched on does not load. Kind::kValue for impossible options.
class PTUTILS_API Optimizer : public Module {
 public:
  std::string class_name() const override { return "ptutils.optim.Optimizer"; }
  /// What it updates; a configuration builds it without and the Model binds it.
  /// Options stay, and so does the state of parameters that it had before.
  /// Kind::kValue for one that is given twice.
  virtual void set_parameters(std::vector<nn::Variable> parameters) = 0;
  virtual std::vector<nn::Variable> parameters() const = 0;
  virtual void zero_grad() = 0;
  virtual void step() = 0;  ///< parameters without a gradient are left alone
  Value call(const Value& arguments) override;  ///< step(), without arguments
  virtual double lr() const = 0;
  virtual void set_lr(double lr) = 0;
};

class PTUTILS_API SGD : public Optimizer {
 public:
  struct Options {
    double lr = 1e-3;
    double momentum = 0;
    double dampening = 0;
    double weight_decay = 0;
    bool nesterov = false;
  };
  SGD(std::vector<nn::Variable> parameters, const Options& options);
  std::string class_name() const override { return "ptutils.optim.SGD"; }
  Value state_dict(bool copy = true) override;
  void check_state(const Value& state, const std::string& prefix, bool strict,
                   Mismatch& out) override;
  void load_partial(const Value& state) override;
  Value to_config() override;
  void set_parameters(std::vector<nn::Variable> parameters) override;
  std::vector<nn::Variable> parameters() const override { return parameters_; }
  void zero_grad() override;
  void step() override;
  double lr() const override { return options_.lr; }
  void set_lr(double lr) override;

 private:
  Options options_;
  std::vector<nn::Variable> parameters_;
  std::vector<std::optional<Tensor>> momentum_;  // none until its first step
};

class PTUTILS_API Adam : public Optimizer {
 public:
  struct Options {
    double lr = 1e-3;
    double beta1 = 0.9, beta2 = 0.999;
    double eps = 1e-8;
    double weight_decay = 0;
  };
  Adam(std::vector<nn::Variable> parameters, const Options& options);
  std::string class_name() const override { return "ptutils.optim.Adam"; }
  Value state_dict(bool copy = true) override;
  void check_state(const Value& state, const std::string& prefix, bool strict,
                   Mismatch& out) override;
  void load_partial(const Value& state) override;
  Value to_config() override;
  void set_parameters(std::vector<nn::Variable> parameters) override;
  std::vector<nn::Variable> parameters() const override { return parameters_; }
  void zero_grad() override;
  void step() override;
  double lr() const override { return options_.lr; }
  void set_lr(double lr) override;

 private:
  struct Moments {
    std::int64_t step = 0;
    Tensor exp_avg, exp_avg_sq;
  };
  Options options_;
  std::vector<nn::Variable> parameters_;
  std::vector<Moments> moments_;
};

PTUTILS_API void register_optim(Registry& registry);

}  // namespace ptutils::optim
