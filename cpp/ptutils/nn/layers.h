#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ptutils/module/registry.h"
#include "ptutils/nn/autograd.h"

/// Layers with torch's names, defaults, initialisation ranges and state keys.
/// Parameters are f32; f64 ones may be put in their place by set_data. What
/// goes in has the parameters' dtype.
namespace ptutils::nn {

/// The parameters of every nn::Module in a tree by dotted name
/// ("net.0.weight"), in torch's order: own ones first, then the children's.
/// What is shared (a layer or a parameter in two places) appears once, under
/// its first name.
PTUTILS_API std::vector<std::pair<std::string, Variable>> named_parameters(
    ptutils::Module& root);

/// A layer: forward on Variables. `call` (Module) takes a Tensor or a Variable
/// in a Value and gives a Variable (a Tensor when no gradient is recorded).
class PTUTILS_API Module : public ptutils::Module {
 public:
  virtual Variable forward(const Variable& x) = 0;
  Variable operator()(const Variable& x) { return forward(x); }
  Tensor operator()(const Tensor& x);  ///< without a tape
  Value call(const Value& arguments) override;

  /// This subtree's parameters by dotted name ("0.weight"), in torch's order.
  std::vector<std::pair<std::string, Variable>> named_parameters();
  std::vector<Variable> parameters();
  /// Own parameters only, by attribute name.
  virtual std::vector<std::pair<std::string, Variable>> own_parameters() {
    return {};
  }
};

/// x (…, in_features) -> (…, out_features); weight (out, in) and bias (out)
/// drawn from U(-1/sqrt(in), 1/sqrt(in)), as torch.nn.Linear.
class PTUTILS_API Linear : public Module {
 public:
  Linear(std::int64_t in_features, std::int64_t out_features, bool bias = true);
  std::string class_name() const override { return "ptutils.nn.Linear"; }
  void fields(Fields& f) override;  // weight, bias
  Value to_config() override;
  Variable forward(const Variable& x) override;
  std::vector<std::pair<std::string, Variable>> own_parameters() override;

  Variable weight, bias;
};

class PTUTILS_API ReLU : public Module {
 public:
  std::string class_name() const override { return "ptutils.nn.ReLU"; }
  Value to_config() override;
  Variable forward(const Variable& x) override;
};

/// (n, a, b, …) -> (n, a*b*…), as torch.nn.Flatten.
class PTUTILS_API Flatten : public Module {
 public:
  explicit Flatten(std::int64_t start_dim = 1, std::int64_t end_dim = -1);
  std::string class_name() const override { return "ptutils.nn.Flatten"; }
  Value to_config() override;
  Variable forward(const Variable& x) override;

 private:
  std::int64_t start_dim_, end_dim_;
};

/// Only while training() is true.
class PTUTILS_API Dropout : public Module {
 public:
  explicit Dropout(double p = 0.5);
  std::string class_name() const override { return "ptutils.nn.Dropout"; }
  Value to_config() override;
  Variable forward(const Variable& x) override;

 private:
  double p_;
};

/// Layers one after the other; children "0", "1", … A layer may be any Module
/// whose call takes and gives a Variable (a Python subclass).
class PTUTILS_API Sequential : public Module {
 public:
  explicit Sequential(std::vector<ModulePtr> layers = {});
  ~Sequential() override;  // frees a deep chain without recursion
  std::string class_name() const override { return "ptutils.nn.Sequential"; }
  void fields(Fields& f) override;
  Value to_config() override;  ///< {func, layers: […]}
  Variable forward(const Variable& x) override;
  std::size_t size() const { return layers_.size(); }
  ModulePtr at(std::int64_t index) const;  ///< negative from the end
  void append(ModulePtr layer);

 private:
  Variable through(std::size_t index, const Variable& x);

  std::vector<ModulePtr> layers_;
};

/// A loss: call takes {"input", "target"} positionally as a list.
class PTUTILS_API Criterion : public ptutils::Module {
 public:
  std::string class_name() const override { return "ptutils.nn.Criterion"; }
  /// 0-d. `outputs` is what the net gave (wrap()), `targets` a Tensor.
  virtual Value loss(const Value& outputs, const Value& targets) = 0;
  Value call(const Value& arguments) override;
};

class PTUTILS_API CrossEntropyLoss : public Criterion {
 public:
  explicit CrossEntropyLoss(CrossEntropyOptions options = {})
      : options(std::move(options)) {}
  std::string class_name() const override {
    return "ptutils.nn.CrossEntropyLoss";
  }
  Value to_config() override;
  Value loss(const Value& outputs, const Value& targets) override;

  CrossEntropyOptions options;
};

PTUTILS_API void register_nn(Registry& registry);

}  // namespace ptutils::nn
