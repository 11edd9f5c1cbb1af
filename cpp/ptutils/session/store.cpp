#include "ptutils/session/store.h"

#include <algorithm>
#include <ctime>
#include <limits>
#include <mutex>
#include <set>

#include "ptutils/common/fork.h"
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

/// A token in the record: who holds the current one may write. Those of this
/// process are known, so that a run whose end could not be written (a full
/// disk) can be taken up here again; its process is alive, after all.
class RunStore::Lease {
 public:
  Lease() : token_(new_id()) {
    std::lock_guard lock(mutex());
    held().insert(token_);
  }
  ~Lease() {
    std::lock_guard lock(mutex());
    held().erase(token_);
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  const std::string& token() const { return token_; }
  /// Of this process, and no object has it any more.
  static bool abandoned(const Status& status, const Value* token) {
    ProcessId mine = this_process();
    if (status.host != host_name() || status.boot != boot_id() ||
        status.process.pid != mine.pid || status.process.start != mine.start)
      return false;
    std::lock_guard lock(mutex());
    return !token || !token->is_string() ||
           !held().contains(token->as_string());
  }

 private:
  static std::mutex& mutex() {
    static auto& one = *[] {
      auto* fresh = new std::mutex();
      hold_over_fork(*fresh);
      return fresh;
    }();
    return one;
  }
  static std::set<std::string>& held() {
    static auto& all = *new std::set<std::string>();
    return all;
  }
  std::string token_;
};

Value RunRecord::to_value() const {
  return Value(Dict{{"_id", Value(record_id(exp_id))},
                    {"kind", Value("run")},
                    {"exp_id", Value(exp_id)},
                    {"status", status.to_value()},
                    {"config", config},
                    {"given", given},
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
  const Value* given = d.find("given");
  out.given = given ? *given : out.config;
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
  // Compare and set on the token: of two processes exactly one wins. In
  // progress from here on, so that it reads as lost should we die at once.
  for (int round = 0; round < 5; ++round) {
    auto lease = std::make_shared<Lease>();
    auto found = db_->find(Value(Dict{{"_id", Value(record_id(exp_id_))}}));
    if (found.empty()) {
      RunRecord fresh;
      fresh.exp_id = exp_id_;
      fresh.status = mine;
      fresh.status.state = Status::State::kInProgress;
      fresh.created = now();
      Value document = fresh.to_value();
      document.as_dict()["token"] = lease->token();
      if (!db_->insert(document)) continue;  // another was quicker: look again
      lease_ = std::move(lease);
      return std::nullopt;
    }
    const Value* held = found.front().as_dict().find("token");
    RunRecord record = RunRecord::from_value(found.front());
    const Status& s = record.status;
    if (s.state == Status::State::kInProgress && !s.lost() &&
        !Lease::abandoned(s, held))
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
    starting.state = Status::State::kInProgress;
    starting.outcome = Status::Outcome::kNone;
    if (!db_->update(query, Value(Dict{{"token", Value(lease->token())},
                                       {"status", starting.to_value()}})))
      continue;
    lease_ = std::move(lease);
    return record;
  }
  fail(Kind::kBusy, exp_id_,
       "several processes are starting it at once: try "
       "again in a moment");
}

bool RunStore::write(const RunRecord& record) {
  if (!lease_) return false;
  Value document = record.to_value();
  Dict& fields = document.as_dict();
  fields.erase("_id");
  return db_->update(Value(Dict{{"_id", Value(record_id(exp_id_))},
                                {"token", Value(lease_->token())}}),
                     document);
}

bool RunStore::beat(const Status& status, const Value& latest) {
  if (!lease_) return false;
  return db_->update(
      Value(Dict{{"_id", Value(record_id(exp_id_))},
                 {"token", Value(lease_->token())}}),
      Value(Dict{{"status", status.to_value()}, {"latest", latest}}));
}

std::string RunStore::save_checkpoint(const Value& document) {
  return db_->save(document, true);
}

std::vector<CheckpointInfo> RunStore::checkpoints() const {
  FindOptions options;
  options.projection = Value(
      Dict{{"attempt", Value(1)}, {"step", Value(1)}, {"time", Value(1)}});
  std::vector<CheckpointInfo> out;
  for (const Value& found :
       db_->find(of_kind("checkpoint", exp_id_), options)) {
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

namespace {

/// Attempts before the last restart have lines of their own.
bool begins_anew(const Attempt& attempt) {
  return attempt.kind == "new" || attempt.kind == "restarted";
}

/// Those on the current line, newest first.
std::vector<CheckpointInfo> current_line(const std::vector<CheckpointInfo>& all,
                                         const std::vector<Attempt>& attempts) {
  std::vector<CheckpointInfo> out;
  std::int64_t limit = std::numeric_limits<std::int64_t>::max();
  for (auto line = attempts.rbegin(); line != attempts.rend(); ++line) {
    for (auto it = all.rbegin(); it != all.rend(); ++it)
      if (it->attempt == line->attempt && it->step <= limit) out.push_back(*it);
    limit = std::min(limit, line->from_step);
    if (begins_anew(*line)) break;
  }
  return out;
}

}  // namespace

std::optional<CheckpointInfo> RunStore::newest(
    const std::vector<Attempt>& attempts) const {
  auto line = current_line(checkpoints(), attempts);
  return line.empty() ? std::nullopt : std::optional(line.front());
}

void RunStore::retain(const std::vector<Attempt>& attempts, std::int64_t keep,
                      const std::string& best) const {
  auto all = checkpoints();
  auto line = current_line(all, attempts);
  std::set<std::string> wanted{best};
  std::int64_t steps = 0;  // the one of step 0 is beyond the count
  for (const CheckpointInfo& c : line)
    if (c.step == 0 || steps++ < keep) wanted.insert(c.id);
  std::int64_t first = 0;
  for (const Attempt& a : attempts)
    if (begins_anew(a)) first = a.attempt;
  for (const CheckpointInfo& c : all)
    if (c.attempt >= first && !wanted.contains(c.id)) db_->remove(c.id);
}

Value RunStore::load_checkpoint(const std::string& id) const {
  return db_->load_from_id(id);
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
