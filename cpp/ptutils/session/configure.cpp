#include <algorithm>

#include "ptutils/common/names.h"
#include "ptutils/module/configuration.h"
#include "ptutils/session/callbacks/nan_detector.h"
#include "ptutils/session/session.h"
#include "ptutils/session/streams.h"

// From a configuration or a file to a session.

namespace ptutils {

namespace {

const std::vector<std::string> kKeys = {
    "func",         "exp_id",      "seed",         "model",
    "dataprovider", "dbinterface", "train_params", "validation_params",
    "save_params",  "callbacks"};

std::shared_ptr<DBInterface> build_database(const Value& value,
                                            const std::string& fallback,
                                            bool trusted) {
  if (value.is_null()) return open_database(fallback);
  if (value.is_string()) return open_database(value.as_string());
  if (value.is_list()) {
    const auto& items = value.as_list().items;
    if (items.size() == 1) return build_database(items[0], fallback, trusted);
    fail(Kind::kValue, "dbinterface", "a list of ", items.size(),
         " databases: one is supported; give a path or one DBInterface");
  }
  BuildContext context;
  context.path = context.slot = "dbinterface";
  context.trusted = trusted;
  auto db =
      std::dynamic_pointer_cast<DBInterface>(configure_module(value, context));
  if (!db)
    fail(Kind::kType, "dbinterface", value.repr(60), " is not a DBInterface");
  return db;
}

/// The part of a slot: its "func" by default the one ptutils has.
template <class T>
std::shared_ptr<T> build_part(const Value* config, const char* slot,
                              const char* func, bool trusted) {
  if (!config || config->is_null()) return nullptr;
  if (ModulePtr built = module_in(*config)) {
    if (auto typed = std::dynamic_pointer_cast<T>(built)) return typed;
    fail(Kind::kType, slot, built->class_name(), " is not a ", func);
  }
  Value with_func = *config;
  Dict& dict = with_func.as_dict(slot);
  if (!dict.contains("func") && !dict.contains("class"))
    dict.set("func", Value(func));
  BuildContext context;
  context.path = context.slot = slot;
  context.trusted = trusted;
  ModulePtr made = configure_module(with_func, context);
  auto typed = std::dynamic_pointer_cast<T>(made);
  if (!typed)
    fail(Kind::kType, slot, made ? made->class_name() : "None", " is not a ",
         func);
  return typed;
}

void add_callbacks(Session& session, const Value* list, bool trusted) {
  if (!list || list->is_null()) return;
  std::int64_t index = 0;
  for (const Value& item : list->as_list("callbacks").items) {
    std::string path = str("callbacks[", index++, "]");
    Value config = item;
    Filter filter;
    if (config.is_dict()) filter = Filter::take_from(config.as_dict(), path);
    if (config.is_string()) config = Value(Dict{{"func", config}});
    BuildContext context;
    context.path = path;
    context.slot = "callbacks";
    context.trusted = trusted;
    auto callback =
        std::dynamic_pointer_cast<Callback>(configure_module(config, context));
    if (!callback) fail(Kind::kType, path, item.repr(60), " is not a Callback");
    session.callbacks().add(callback, filter);
  }
}

SessionFactory& session_factory() {
  static auto* factory = new SessionFactory();
  return *factory;
}

}  // namespace

void set_session_factory(SessionFactory factory) {
  session_factory() = std::move(factory);
}

std::shared_ptr<Session> Session::from_config(const Value& config, bool trusted,
                                              const std::string& default_db) {
  const Dict& dict = config.as_dict("configuration");
  check_keys(dict, kKeys, "configuration");
  for (const char* wanted : {"exp_id", "model", "dataprovider"})
    if (!dict.contains(wanted))
      fail(Kind::kKey, "configuration", "'", wanted, "' is missing");
  Options options;
  options.exp_id = dict.at("exp_id").as_string("exp_id");
  if (const Value* seed = dict.find("seed")) {
    if (seed->as_int("seed") < 0)
      fail(Kind::kValue, "seed", "is ", seed->as_int(), "; at least 0");
    options.seed = static_cast<std::uint64_t>(seed->as_int());
  }
  auto get = [&](const char* key) {
    const Value* found = dict.find(key);
    return found ? *found : Value();
  };
  options.train_params = get("train_params");
  options.validation_params = get("validation_params");
  options.save_params = get("save_params");
  // Before anything is built: bad settings should cost no data set.
  SessionSettings::read(options.train_params, options.validation_params,
                        options.save_params);
  seed_streams(options.seed);  // initialisers draw from them
  options.model =
      build_part<Model>(dict.find("model"), "model", "ptutils.Model", trusted);
  options.dataprovider =
      build_part<data::DataProvider>(dict.find("dataprovider"), "dataprovider",
                                     "ptutils.data.DataProvider", trusted);
  options.dbinterface = build_database(get("dbinterface"), default_db, trusted);
  auto session = session_factory()
                     ? session_factory()(std::move(options))
                     : std::make_shared<Session>(std::move(options));
  add_callbacks(*session, dict.find("callbacks"), trusted);
  return session;
}

namespace {

ModulePtr make_model(const Arguments& a) {
  return std::make_shared<Model>(a.module("net"), a.module("criterion"),
                                 a.module("optimizer"));
}

}  // namespace

void register_session(Registry& registry) {
  registry.add(
      {"ptutils.Model", {"net", "criterion", "optimizer"}, make_model});
  registry.add({"ptutils.callbacks.NaNDetector", {}, [](const Arguments&) {
                  return std::make_shared<NaNDetector>();
                }});
}

}  // namespace ptutils
