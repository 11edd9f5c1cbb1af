#include "ptutils/nn/layers.h"

namespace ptutils::nn {

namespace {

void check_layer(const ModulePtr& layer, std::size_t index) {
  if (!layer)
    fail(Kind::kType, "ptutils.nn.Sequential", "layers[", index,
         "] is empty: give a Module");
}

}  // namespace

Sequential::Sequential(std::vector<ModulePtr> layers)
    : layers_(std::move(layers)) {
  for (std::size_t i = 0; i < layers_.size(); ++i) check_layer(layers_[i], i);
}

void Sequential::fields(Fields& f) {
  for (std::size_t i = 0; i < layers_.size(); ++i)
    f(std::to_string(i), layers_[i]);
}

Value Sequential::to_config() {
  List layers;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    check_layer(layers_[i], i);
    layers.items.push_back(layers_[i]->to_config());
  }
  return Dict{{"func", class_name()}, {"layers", std::move(layers)}};
}

Variable Sequential::forward(const Variable& x) {
  Variable out = x;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    check_layer(layers_[i], i);
    if (auto* layer = dynamic_cast<Module*>(layers_[i].get())) {
      out = layer->forward(out);
    } else {
      out = variable_in(layers_[i]->call(wrap(out)));
    }
  }
  return out;
}

ModulePtr Sequential::at(std::int64_t index) const {
  auto size = static_cast<std::int64_t>(layers_.size());
  std::int64_t at = index < 0 ? index + size : index;
  if (at < 0 || at >= size)
    fail(Kind::kIndex, "ptutils.nn.Sequential", "index ", index,
         " is out of range: it has ", size, " layers");
  return layers_[static_cast<std::size_t>(at)];
}

void Sequential::append(ModulePtr layer) {
  check_layer(layer, layers_.size());
  layers_.push_back(std::move(layer));
}

}  // namespace ptutils::nn
