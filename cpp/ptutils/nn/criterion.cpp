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

Value CrossEntropyLoss::to_config() { return Dict{{"func", class_name()}}; }

Value CrossEntropyLoss::loss(const Value& outputs, const Value& targets) {
  return to_value(cross_entropy(variable_in(outputs),
                                targets.as_tensor("CrossEntropyLoss.target")));
}

}  // namespace ptutils::nn
