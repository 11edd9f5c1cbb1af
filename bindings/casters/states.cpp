#include "casters/states.h"

#include "casters/child.h"
#include "ptutils/module/codec.h"

namespace ptutils::bindings {

namespace {

template <class F>
void for_each_item(Value& value, F&& f) {
  if (value.is_list())
    for (Value& item : value.as_list().items) f(item);
  else if (value.is_dict())
    for (auto& [key, item] : value.as_dict()) f(item);
}

ModulePtr module_of(const Value& value) {
  if (ModulePtr module = module_in(value)) return module;
  auto object = std::dynamic_pointer_cast<PyOpaque>(value.as_opaque());
  if (!object || !is_child(object->object())) return nullptr;
  return child_in(object->object(), "state");
}

}  // namespace

Value with_states(Value value, bool copy) {
  if (value.is_opaque()) {
    ModulePtr module = module_of(value);
    return module ? module->state_dict(copy) : value;
  }
  for_each_item(value, [&](Value& item) {
    if (item.is_opaque() || item.is_list() || item.is_dict())
      item = with_states(std::move(item), copy);
  });
  return value;
}

Value with_origin(Value value, Origin origin) {
  if (value.is_tensor()) {
    Tensor& tensor = value.as_tensor();
    tensor.origin = origin;
    if (origin != Origin::kNumpy) tensor.numpy_scalar = false;
    return value;
  }
  for_each_item(
      value, [&](Value& item) { item = with_origin(std::move(item), origin); });
  return value;
}

Value with_deferred_in_dicts(Value value, bool in_dict) {
  if (value.is_opaque()) {
    auto deferred = std::dynamic_pointer_cast<Deferred>(value.as_opaque());
    return deferred && !in_dict ? Value(deferred->get()) : value;
  }
  const bool keeps = value.is_dict() &&
                     value.as_dict().kind != DictKind::kOrdered &&
                     value.as_dict().kind != DictKind::kCounter;
  for_each_item(value, [&](Value& item) {
    item = with_deferred_in_dicts(std::move(item), keeps);
  });
  return value;
}

}  // namespace ptutils::bindings
