#include "ptutils/session/runs.h"

#include <algorithm>

#include "ptutils/common/names.h"
#include "ptutils/module/configuration.h"
#include "ptutils/session/model.h"
#include "ptutils/tensor/random.h"

namespace ptutils {

namespace {

/// Fields of the run document that a query may name as they are; any other
/// path is one of the configuration.
bool is_record_field(std::string_view path) {
  for (std::string_view own :
       {"_id", "exp_id", "status", "config", "best", "latest", "created",
        "parent", "attempts", "edits"})
    if (path == own || (path.starts_with(own) && path.size() > own.size() &&
                        path[own.size()] == '.'))
      return true;
  return path.starts_with("$");
}

Value configuration_query(const Value& query) {
  Dict out;
  for (const auto& [key, value] : query.as_dict("query")) {
    std::string path = to_string(key);
    if (path.starts_with("$") && value.is_list()) {  // $and, $or
      List parts;
      for (const Value& part : value.as_list().items)
        parts.items.push_back(configuration_query(part));
      out.set(path, Value(std::move(parts)));
    } else {
      out.set(is_record_field(path) ? path : "config." + path, value);
    }
  }
  return Value(std::move(out));
}

/// The line of a recorded exception that says what it was.
std::string cause_of(const std::string& exception) {
  if (!exception.starts_with("Traceback"))
    return exception.substr(0, exception.find('\n'));
  const std::string lines =
      exception.substr(0, exception.find_last_not_of('\n') + 1);
  return lines.substr(lines.rfind('\n') + 1);
}

}  // namespace

Run::Run(std::shared_ptr<DBInterface> db, RunRecord record)
    : db_(std::move(db)),
      record_(std::move(record)),
      store_(db_, record_.exp_id) {}

History Run::history() const { return store_.load_history(); }
std::vector<Value> Run::metadata() const { return store_.metadata(); }
std::vector<CheckpointInfo> Run::checkpoints() const {
  return store_.checkpoints();
}

void Run::fail_no_best() const {
  const Value* metric = record_.config.find_path("save_params.keep_best");
  if (!metric || metric->is_null())
    fail(Kind::kNotFound, exp_id(),
         "has no best checkpoint: run it with "
         "save_params: {keep_best: val/accuracy}, or load at='last'");
  std::string why;
  if (record_.status.outcome == Status::Outcome::kFailure)
    why = "; the run failed: " + cause_of(record_.status.exception);
  fail(Kind::kNotFound, exp_id(), "has no best checkpoint: none of keep_best ",
       metric->repr(60), " is stored", why, "; load at='last'");
}

Value Run::checkpoint(At at) const {
  if (at == At::kBest) {
    const Value* id = record_.best.is_dict()
                          ? record_.best.as_dict().find("checkpoint")
                          : nullptr;
    if (!id) fail_no_best();
    return store_.load_checkpoint(id->as_string());
  }
  auto newest = store_.newest(record_.attempts);
  if (!newest) fail(Kind::kNotFound, exp_id(), "has no checkpoint");
  return store_.load_checkpoint(newest->id);
}

Value Run::state(At at) const { return checkpoint(at).as_dict().at("state"); }

ModulePtr Run::load(const std::string& path, At at, bool trusted,
                    ModulePtr into) const {
  Value saved = checkpoint(at);
  const Value* state = saved.as_dict().at("state").find_path(path);
  if (!state)
    fail(Kind::kKey, exp_id(), "the state has no '", path, "'",
         did_you_mean(path, saved.as_dict().at("state").as_dict().keys()));
  ModulePtr module = std::move(into);
  const std::string slot = path.substr(path.rfind('.') + 1);
  if (!module && slot == "optimizer" && path.size() > slot.size()) {
    // It is nothing without the net whose parameters it has.
    auto model = std::dynamic_pointer_cast<Model>(
        load(path.substr(0, path.size() - slot.size() - 1), at, trusted));
    if (model && model->optimizer) return model->optimizer;
  }
  if (!module) {
    const Value* config = saved.as_dict().at("config").find_path(path);
    if (!config)
      fail(Kind::kKey, exp_id(), "the configuration has no '", path,
           "': give the object to load into (net=…)");
    BuildContext context;
    context.path = path;
    context.slot = slot;
    context.trusted = trusted;
    // Initialisers draw; a run that goes on beside this must not notice.
    Random stream = default_random();
    module = configure_module(*config, context);
    default_random() = stream;
  }
  module->load_state_dict(*state);
  return module;
}

Value Run::diff(const Run& other) const {
  Dict out;
  for (const Change& change : compare(config(), other.config()))
    if (change.path != "exp_id")
      out.set(change.path, Value::list({change.before, change.after}, true));
  return Value(std::move(out));
}

std::vector<Run> Runs::documents(const Value& query) const {
  Value whole = query;
  whole.as_dict()["kind"] = "run";
  std::vector<Run> out;
  for (const Value& document : db_->find(whole))
    out.emplace_back(db_, RunRecord::from_value(document));
  return out;
}

Run Runs::operator[](std::string_view exp_id) const {
  auto found = documents(Value(Dict{{"exp_id", Value(exp_id)}}));
  if (!found.empty()) return std::move(found.front());
  std::vector<std::string> known;
  for (const Run& run : documents(Value(Dict()))) known.push_back(run.exp_id());
  fail(Kind::kNotFound, db_->location(), "no run '", exp_id, "'",
       known.empty() ? "; it has no runs" : did_you_mean(exp_id, known));
}

std::vector<Run> Runs::match(std::string_view glob) const {
  std::vector<Run> out;
  for (Run& run : documents(Value(Dict())))
    if (glob_match(glob, run.exp_id())) out.push_back(std::move(run));
  return out;
}

std::vector<Run> Runs::find(const Value& query) const {
  return documents(configuration_query(query));
}

}  // namespace ptutils
