#include "ptutils/module/nesting.h"
#include "ptutils/nn/layers.h"

namespace ptutils::nn {

namespace {

void check_layer(const ModulePtr& layer, std::size_t index) {
  if (!layer)
    fail(Kind::kType, "ptutils.nn.Sequential", "layers[", index,
         "] is empty: give a Module");
}

/// An error in a layer, with the way to it from the net that was called.
class LayerError : public Error {
 public:
  LayerError(Kind kind, const std::string& text, const std::string& path)
      : Error(kind, str(text, " (in layer ", path, ")")),
        text_(text),
        path_(path) {}
  LayerError below(std::size_t index) const {
    constexpr std::size_t kLongest = 60;
    return {kind(), text_,
            str(index, ".", path_.size() < kLongest ? path_ : "…")};
  }

 private:
  std::string text_, path_;
};

/// Layers that sequences which end now let go of; null outside.
thread_local std::vector<ModulePtr>* ending = nullptr;

}  // namespace

Sequential::Sequential(std::vector<ModulePtr> layers)
    : layers_(std::move(layers)) {
  for (std::size_t i = 0; i < layers_.size(); ++i) check_layer(layers_[i], i);
}

Sequential::~Sequential() {
  if (ending) {
    for (ModulePtr& layer : layers_) ending->push_back(std::move(layer));
    return;
  }
  ending = &layers_;
  while (!layers_.empty()) {
    ModulePtr layer = std::move(layers_.back());
    layers_.pop_back();
  }
  ending = nullptr;
}

void Sequential::fields(Fields& f) {
  for (std::size_t i = 0; i < layers_.size(); ++i)
    f(std::to_string(i), layers_[i]);
}

Value Sequential::to_config() {
  ptutils::detail::Nesting guard(*this);
  List layers;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    check_layer(layers_[i], i);
    layers.items.push_back(layers_[i]->to_config());
  }
  return Dict{{"func", class_name()}, {"layers", std::move(layers)}};
}

Variable Sequential::through(std::size_t index, const Variable& x) {
  check_layer(layers_[index], index);
  ModulePtr layer = layers_[index];  // which may be replaced meanwhile
  if (auto* native = dynamic_cast<Module*>(layer.get()))
    return native->forward(x);
  return variable_in(layer->call(wrap(x)));
}

Variable Sequential::forward(const Variable& x) {
  ptutils::detail::Nesting guard(*this);
  Variable out = x;
  std::size_t i = 0;
  try {
    for (; i < layers_.size(); ++i) out = through(i, out);
  } catch (const LayerError& error) {
    throw error.below(i);
  } catch (const Error& error) {
    if (error.kind() == Kind::kInterrupted) throw;
    throw LayerError(error.kind(), error.what(), std::to_string(i));
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
