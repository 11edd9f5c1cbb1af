#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ptutils/module/module.h"
#include "ptutils/module/registry.h"

namespace ptutils {

/// What a net of another library needs beside Module's own functions. Installed
/// by the bindings (torch); values carry its objects.
struct ForeignOps {
  std::function<Value(Module& net, const Value& inputs, bool grad)> forward;
  std::function<Value(Module& criterion, const Value& outputs,
                      const Value& targets)>
      loss;
  std::function<void(const Value& loss)> backward;
  std::function<void(Module& optimizer)> zero_grad;
  std::function<void(Module& optimizer)> step;
  /// The loss without its graph, still on its device.
  std::function<Value(const Value& loss)> detach;
  /// Share of targets that the largest output names; nullopt: not classes.
  std::function<std::optional<double>(const Value& outputs,
                                      const Value& targets)>
      accuracy;
  /// Scalars as numbers, all in one transfer from their device.
  std::function<std::vector<double>(const std::vector<Value>&)> read;
};
PTUTILS_API void set_foreign_ops(ForeignOps ops);
PTUTILS_API const ForeignOps& foreign_ops();

/// A real number, 0-d tensor, Variable or scalar of another library; nullopt
/// when it is none. Reads from its device.
PTUTILS_API std::optional<double> scalar_of(const Value& value);

/// net, criterion and optimizer, and what one training step does with them:
///
///     outputs = forward(inputs); l = loss(outputs, targets)
///     optimize(l)  =  zero_grad, compute_gradients(l), apply_gradients()
///
/// Every function may be overridden alone. A batch is a pair (inputs, targets)
/// or a dict with those two names.
class PTUTILS_API Model : public Module {
 public:
  Model() = default;
  /// criterion and optimizer may be null (a net that is only evaluated). A
  /// native optimizer without parameters gets the net's.
  Model(ModulePtr net, ModulePtr criterion, ModulePtr optimizer);
  std::string class_name() const override { return "ptutils.Model"; }
  void fields(Fields& f) override;  // net, criterion, optimizer
  Value to_config() override;
  Value call(const Value& arguments) override;  ///< forward

  virtual Value forward(const Value& inputs);
  virtual Value loss(const Value& outputs, const Value& targets);
  virtual void compute_gradients(const Value& loss);
  virtual void apply_gradients();
  virtual void optimize(const Value& loss);
  /// One training step; returns what is logged under "train/": at least
  /// {"loss": 0-d}.
  virtual Value step(const Value& batch);
  /// One validation batch without gradients: {"loss", "accuracy" (classes),
  /// "count"}; means over the batch, weighted by count.
  virtual Value validate(const Value& batch);

  /// Hands the net's parameters to a native optimizer that has none.
  void bind();
  /// Another net: a native optimizer of all parameters of the one before gets
  /// those of this one.
  void set_net(ModulePtr net);
  /// The net is an object of another library.
  bool foreign() const;

  ModulePtr net, criterion, optimizer;
  /// Whether step() keeps what forward gave, without its graph. A session sets
  /// it where data requests may depend on it.
  bool keep_outputs = false;
  Value outputs;  ///< of the last step, where kept; not part of the state
  /// Told "after_forward" and "after_backward" in a step, when somebody
  /// listens.
  std::function<void(std::string_view moment)> observer;
};

/// (inputs, targets) of a batch; Kind::kType says what a batch is.
PTUTILS_API std::pair<Value, Value> split_batch(const Value& batch);

}  // namespace ptutils
