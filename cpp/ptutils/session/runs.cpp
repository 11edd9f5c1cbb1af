#include "ptutils/session/runs.h"

#include <algorithm>

#include "ptutils/common/names.h"
#include "ptutils/module/configuration.h"
#include "ptutils/session/model.h"
#include "ptutils/tensor/random.h"

namespace ptutils {

namespace {

/// What a run is asked for by one word, and where its document has it.
constexpr std::pair<std::string_view, std::string_view> kWords[] = {
    {"status", "status.state"}, {"outcome", "status.outcome"},
    {"stage", "status.stage"},  {"step", "status.step"},
    {"epoch", "status.epoch"},  {"attempt", "status.attempt"},
    {"host", "status.host"},    {"duration", "status.seconds"},
    {"best", "best.value"},     {"exp_id", "exp_id"},
    {"created", "created"},     {"parent", "parent"}};

/// The place in a run's document of what a query names: a word above, a metric
/// (its last value), a path of the document, or one of the configuration.
std::string place_of(const std::string& path) {
  for (const auto& [word, place] : kWords)
    if (path == word) return std::string(place);
  for (std::string_view own : {"_id", "status.", "config.", "best.", "latest.",
                               "attempts", "edits", "$"})
    if (path.starts_with(own)) return path;
  return (path.find('/') == std::string::npos ? "config." : "latest.") + path;
}

/// The names in a query, but for those that may be missing ($exists).
void add_names(const Value& query, std::vector<std::string>& out) {
  for (const auto& [key, value] : query.as_dict()) {
    const std::string name = to_string(key);
    if (!name.starts_with("$")) {
      if (!value.is_dict() || !value.as_dict().contains("$exists"))
        out.push_back(name);
    } else if (value.is_list()) {
      for (const Value& part : value.as_list().items)
        if (part.is_dict()) add_names(part, out);
    }
  }
}

void add_paths(const Value& value, const std::string& path,
               std::vector<std::string>& out) {
  if (!path.empty()) out.push_back(path);
  if (!value.is_dict()) return;
  for (const auto& [key, item] : value.as_dict())
    add_paths(item,
              path.empty() ? to_string(key) : str(path, ".", to_string(key)),
              out);
}

/// Kind::kKey for a name that none of the runs has.
void check_names(const Value& query, const std::vector<Run>& runs) {
  std::vector<std::string> names, known;
  add_names(query, names);
  for (const std::string& name : names) {
    const std::string place = place_of(name);
    if (std::any_of(runs.begin(), runs.end(), [&](const Run& run) {
          return run.record().to_value().find_path(place);
        }))
      continue;
    for (const Run& run : runs) {
      add_paths(run.config(), "", known);
      add_paths(run.record().latest, "", known);
    }
    for (const auto& [word, _] : kWords) known.emplace_back(word);
    std::sort(known.begin(), known.end());
    known.erase(std::unique(known.begin(), known.end()), known.end());
    fail(Kind::kKey, name, "no run has it", did_you_mean(name, known));
  }
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
      out.set(place_of(path), value);
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
  std::vector<Run> out = documents(configuration_query(query));
  if (out.empty())
    if (const std::vector<Run> all = documents(Value(Dict())); !all.empty())
      check_names(query, all);
  return out;
}

}  // namespace ptutils
