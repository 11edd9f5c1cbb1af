#include <unordered_set>

#include "ptutils/module/nesting.h"
#include "ptutils/nn/layers.h"

namespace ptutils::nn {

namespace {

using Named = std::vector<std::pair<std::string, Variable>>;

class Collector {
 public:
  void walk(ptutils::Module& module, const std::string& prefix) {
    if (!modules_.insert(&module).second) return;
    ptutils::detail::Nesting guard(module);
    if (auto* layer = dynamic_cast<Module*>(&module))
      for (auto& [name, parameter] : layer->own_parameters())
        if (parameter.defined() && nodes_.insert(parameter.node().get()).second)
          out.emplace_back(prefix + name, parameter);
    for (auto& [name, child] : module.named_children())
      walk(*child, prefix + name + ".");
  }
  Named out;

 private:
  std::unordered_set<const ptutils::Module*> modules_;
  std::unordered_set<const detail::Node*> nodes_;
};

}  // namespace

Named named_parameters(ptutils::Module& root) {
  Collector collector;
  collector.walk(root, "");
  return std::move(collector.out);
}

Named Module::named_parameters() { return nn::named_parameters(*this); }

std::vector<Variable> Module::parameters() {
  std::vector<Variable> out;
  for (auto& [name, parameter] : named_parameters()) out.push_back(parameter);
  return out;
}

}  // namespace ptutils::nn
