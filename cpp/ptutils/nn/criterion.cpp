#include "ptutils/nn/layers.h"

namespace ptutils::nn {

Value Criterion::call(const Value& arguments) {
  if (arguments.is_dict()) {
    const Dict& named = arguments.as_dict();
    return loss(named.at("input"), named.at("target"));
  }
  if (!arguments.is_list() || arguments.as_list().items.size() != 2)
    fail(Kind::kType, class_name(),
         "takes two arguments, input and target, not ", arguments.repr());
  const auto& items = arguments.as_list().items;
  return loss(items[0], items[1]);
}

/// What differs from the defaults.
Value CrossEntropyLoss::to_config() {
  Dict out{{"func", class_name()}};
  if (!options.weight.empty()) {
    List weight;
    for (double w : options.weight) weight.items.emplace_back(w);
    out["weight"] = Value(std::move(weight));
  }
  const CrossEntropyOptions usual;
  if (options.ignore_index != usual.ignore_index)
    out["ignore_index"] = options.ignore_index;
  if (options.reduction != usual.reduction)
    out["reduction"] = std::string(name(options.reduction));
  if (options.label_smoothing != usual.label_smoothing)
    out["label_smoothing"] = options.label_smoothing;
  return out;
}

Value CrossEntropyLoss::loss(const Value& outputs, const Value& targets) {
  return to_value(cross_entropy(variable_in(outputs),
                                targets.as_tensor("CrossEntropyLoss.target"),
                                options));
}

}  // namespace ptutils::nn
