#include "ptutils/session/store.h"

#include <algorithm>
#include <cmath>

#include "ptutils/common/process.h"

namespace ptutils {

namespace {

std::string record_id(const std::string& exp_id) { return "run/" + exp_id; }

Value of_kind(const char* kind, const std::string& exp_id) {
  return Value(Dict{{"kind", Value(kind)}, {"exp_id", Value(exp_id)}});
}

Value attempts_to_value(const std::vector<Attempt>& attempts) {
  List out;
  for (const Attempt& a : attempts)
    out.items.push_back(Value(Dict{{"attempt", Value(a.attempt)},
                                   {"from_step", Value(a.from_step)},
                                   {"kind", Value(a.kind)},
                                   {"started", Value(a.started)}}));
  return Value(std::move(out));
}

std::vector<Attempt> attempts_from_value(const Value& value) {
  std::vector<Attempt> out;
  for (const Value& item : value.as_list("attempts").items) {
    const Dict& d = item.as_dict("attempts");
    out.push_back({d.at("attempt").as_int(), d.at("from_step").as_int(),
                   d.at("kind").as_string(), d.at("started").as_double()});
  }
  return out;
}

std::string clock_time(double seconds) {
  auto t = static_cast<std::time_t>(seconds);
  std::tm parts{};
  localtime_r(&t, &parts);
  char text[16];
  std::strftime(text, sizeof text, "%H:%M:%S", &parts);
  return text;
}

}  // namespace

Value RunRecord::to_value() const {
  return Value(Dict{{"_id", Value(record_id(exp_id))},
                    {"kind", Value("run")},
                    {"exp_id", Value(exp_id)},
                    {"status", status.to_value()},
                    {"config", config},
                    {"edits", Value(edits)},
                    {"attempts", attempts_to_value(attempts)},
                    {"best", best},
                    {"latest", latest},
                    {"created", Value(created)},
                    {"parent", Value(parent)}});
}

RunRecord RunRecord::from_value(const Value& document) {
  const Dict& d = document.as_dict("run");
  RunRecord out;
  out.exp_id = d.at("exp_id").as_string();
  out.status = Status::from_value(d.at("status"));
  out.config = d.at("config");
  out.edits = d.at("edits").as_list();
  out.attempts = attempts_from_value(d.at("attempts"));
  out.best = d.at("best");
  out.latest = d.at("latest");
  out.created = d.at("created").as_double();
  out.parent = d.at("parent").as_string();
  return out;
}

RunStore::RunStore(std::shared_ptr<DBInterface> db, std::string exp_id)
    : db_(std::move(db)), exp_id_(std::move(exp_id)) {}

std::optional<RunRecord> RunStore::find() const {
  auto found = db_->find(Value(Dict{{"_id", Value(record_id(exp_id_))}}));
  if (found.empty()) return std::nullopt;
  return RunRecord::from_value(found.front());
}

std::optional<RunRecord> RunStore::acquire(const Status& mine) {
  // Compare and set on the token: of two processes exactly one wins.
  for (int round = 0; round < 5; ++round) {
    std::string token = new_id();
    auto found = db_->find(Value(Dict{{"_id", Value(record_id(exp_id_))}}));
    if (found.empty()) {
      RunRecord fresh;
      fresh.exp_id = exp_id_;
      fresh.status = mine;
      fresh.status.state = Status::State::kPending;
      fresh.created = now();
      Value document = fresh.to_value();
      document.as_dict()["token"] = token;
      if (!db_->insert(document)) continue;  // another was quicker: look again
      token_ = token;
      return std::nullopt;
    }
    const Value* held = found.front().as_dict().find("token");
    RunRecord record = RunRecord::from_value(found.front());
    const Status& s = record.status;
    bool taken = s.state == Status::State::kInProgress ||
                 (s.state == Status::State::kPending && s.process.pid != 0);
    Status as_running = s;
    as_running.state = Status::State::kInProgress;
    if (taken && !as_running.lost())
      fail(Kind::kBusy, exp_id_, "is running on ", s.host, ", pid ",
           s.process.pid, " (heartbeat ", clock_time(s.heartbeat),
           "): stop it there, or choose another exp_id");
    Value query(Dict{{"_id", Value(record_id(exp_id_))},
                     {"token", held ? *held : Value()}});
    Status starting = s;
    starting.heartbeat = mine.heartbeat;
    starting.host = mine.host;
    starting.boot = mine.boot;
    starting.process = mine.process;
    starting.state = Status::State::kPending;
    if (!db_->update(query, Value(Dict{{"token", Value(token)},
                                       {"status", starting.to_value()}})))
      continue;
    token_ = token;
    return record;
  }
  fail(Kind::kBusy, exp_id_, "several processes are starting it at once: try "
       "again in a moment");
}

bool RunStore::write(const RunRecord& record) {
  Value document = record.to_value();
  Dict& fields = document.as_dict();
  fields.erase("_id");
  return db_->update(Value(Dict{{"_id", Value(record_id(exp_id_))},
                                {"token", Value(token_)}}),
                     document);
}

bool RunStore::beat(const Status& status, const Value& latest) {
  return db_->update(Value(Dict{{"_id", Value(record_id(exp_id_))},
                                {"token", Value(token_)}}),
                     Value(Dict{{"status", status.to_value()},
                                {"latest", latest}}));
}

std::string RunStore::save_checkpoint(const Value& document) {
  return db_->save(document, true);
}

std::vector<CheckpointInfo> RunStore::checkpoints() const {
  FindOptions options;
  options.projection = Value(Dict{{"attempt", Value(1)}, {"step", Value(1)},
                                  {"time", Value(1)}});
  std::vector<CheckpointInfo> out;
  for (const Value& found : db_->find(of_kind("checkpoint", exp_id_), options)) {
    const Dict& d = found.as_dict();
    out.push_back({d.at("_id").as_string(), d.at("attempt").as_int(),
                   d.at("step").as_int(), d.at("time").as_double()});
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const CheckpointInfo& a, const CheckpointInfo& b) {
                     return std::pair(a.attempt, a.step) <
                            std::pair(b.attempt, b.step);
                   });
  return out;
}

std::optional<CheckpointInfo> RunStore::newest(
    const std::vector<Attempt>& attempts) const {
  auto all = checkpoints();
  std::int64_t limit = std::numeric_limits<std::int64_t>::max();
  for (auto line = attempts.rbegin(); line != attempts.rend(); ++line) {
    for (auto it = all.rbegin(); it != all.rend(); ++it)
      if (it->attempt == line->attempt && it->step <= limit) return *it;
    limit = std::min(limit, line->from_step);
  }
  return std::nullopt;
}

Value RunStore::load_checkpoint(const std::string& id) const {
  return db_->load_from_id(id);
}

void RunStore::retain(std::int64_t keep, const std::string& best) const {
  auto all = checkpoints();
  auto count = static_cast<std::int64_t>(all.size());
  for (std::int64_t i = 0; i + keep < count; ++i)
    if (all[static_cast<std::size_t>(i)].id != best)
      db_->remove(all[static_cast<std::size_t>(i)].id);
}

void RunStore::save_history(const Value& columns) {
  Value document = of_kind("history", exp_id_);
  document.as_dict()["columns"] = columns;
  db_->save(document, true);
}

History RunStore::load_history() const {
  History out;
  for (const Value& found : db_->find(of_kind("history", exp_id_)))
    out.add(found.as_dict().at("columns"));
  return out;
}

void RunStore::save_metadata(const Value& metadata) {
  Value document = of_kind("metadata", exp_id_);
  for (const auto& [key, value] : metadata.as_dict())
    document.as_dict().set(key, value);
  db_->save(document, true);
}

std::vector<Value> RunStore::metadata() const {
  return db_->find(of_kind("metadata", exp_id_));
}

}  // namespace ptutils
