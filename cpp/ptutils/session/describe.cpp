#include "ptutils/session/session.h"

// What a session is, as a configuration: the whole of it, or (for the record,
// which must always be writable) what its parts can say.

namespace ptutils {

namespace {

Value described(Module& part);

/// Its data sets by phase; the batch size counts when a run is resumed.
Value described_provider(data::DataProvider& provider) {
  Dict out{{"func", Value(provider.class_name())}}, datasets;
  for (const std::string& phase : provider.phases()) {
    auto loader = provider.provide(Value(phase));
    auto ours = std::dynamic_pointer_cast<data::DataLoader>(loader);
    datasets.set(phase, described(ours ? *ours->dataset()
                                       : static_cast<Module&>(*loader)));
    if (ours && phase == "train")
      out.set("batch_size", Value(ours->options().batch_size));
  }
  out.set("datasets", Value(std::move(datasets)));
  return Value(std::move(out));
}

/// Its configuration; of a part that has none, the class and its children.
Value described(Module& part) {
  try {
    return part.to_config();
  } catch (const Error& e) {
    if (e.kind() != Kind::kState) throw;
  }
  if (auto* provider = dynamic_cast<data::DataProvider*>(&part))
    return described_provider(*provider);
  Dict out{{"func", Value(part.class_name())}};
  for (auto& [name, child] : part.named_children())
    if (!name.starts_with("callbacks.")) out.set(name, described(*child));
  return Value(std::move(out));
}

}  // namespace

Value Session::to_config() {
  return write_config([](Module& part) { return part.to_config(); });
}

Value Session::effective_config() {
  try {
    return to_config();  // a subclass may say it in its own way
  } catch (const Error& e) {
    if (e.kind() != Kind::kState) throw;
  }
  return write_config(described);
}

Value Session::write_config(const std::function<Value(Module&)>& describe) {
  Dict out{{"func", Value(class_name())},
           {"exp_id", Value(options_.exp_id)},
           {"seed", Value(options_.seed)}};
  if (options_.model) out["model"] = describe(*options_.model);
  if (options_.dataprovider)
    out["dataprovider"] = describe(*options_.dataprovider);
  for (auto& [name, child] : named_children()) {
    if (name == "model" || name == "dataprovider" || name == "dbinterface" ||
        name.starts_with("callbacks."))
      continue;
    out.set(name, describe(*child));  // a user's own part
  }
  for (auto& [name, value] : {std::pair<const char*, const Value&>{
                                  "train_params", options_.train_params},
                              {"validation_params", options_.validation_params},
                              {"save_params", options_.save_params}})
    if (!value.is_null()) out[name] = value;
  List callbacks_config;
  if (has_callbacks()) callbacks_config = callbacks().to_config();
  if (!callbacks_config.items.empty())
    out["callbacks"] = Value(std::move(callbacks_config));
  return Value(std::move(out));
}

}  // namespace ptutils
