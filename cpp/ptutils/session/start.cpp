#include <algorithm>

#include "ptutils/common/log.h"
#include "ptutils/common/names.h"
#include "ptutils/common/process.h"
#include "ptutils/module/configuration.h"
#include "ptutils/session/heartbeat.h"
#include "ptutils/session/metadata.h"
#include "ptutils/session/progress.h"
#include "ptutils/session/session.h"
#include "ptutils/session/signals.h"
#include "ptutils/session/streams.h"

// How a run begins: the lease, the last state or the first, the record.

namespace ptutils {

namespace {

constexpr double kBeatSeconds = 1;

/// A part that apply at once and are no difference of structure.
bool is_free(const Change& change) {
  return change.path.starts_with("callbacks") || change.path == "exp_id";
}

std::string describe(const std::vector<Change>& changes) {
  std::string out;
  for (const Change& c : changes)
    out += str("\n  ", c.path, ": ", c.before.repr(60), " -> ",
               c.after.repr(60));
  return out;
}

/// "model.optimizer.lr" -> where a saved state keeps it: in the groups of the
/// optimizer. Empty when the path is not an optimizer's option.
void apply_to_optimizer_state(const Change& change, Value& state) {
  auto dot = change.path.rfind('.');
  if (dot == std::string::npos) return;
  Value* part = const_cast<Value*>(
      state.find_path(std::string_view(change.path).substr(0, dot)));
  if (!part || !part->is_dict()) return;
  Value* groups = part->as_dict().find("param_groups");
  if (!groups || !groups->is_list()) return;
  std::string option = change.path.substr(dot + 1);
  for (Value& group : groups->as_list().items)
    if (group.is_dict() && group.as_dict().contains(option))
      group.as_dict()[option] = change.after;
}

/// Another batch size: the loaders go on behind the last sample that was given.
void rescale_positions(const Change& change, Value& state) {
  if (change.path != "dataprovider.batch_size" || !change.before.is_int() ||
      !change.after.is_int())
    return;
  Value* loaders = const_cast<Value*>(state.find_path("dataprovider"));
  if (!loaders || !loaders->is_dict()) return;
  for (auto& [phase, loader] : loaders->as_dict()) {
    if (!loader.is_dict()) continue;
    Value* batch = loader.as_dict().find("batch");
    if (batch && batch->is_int())
      *batch = Value(batch->as_int() * change.before.as_int() /
                     std::max<std::int64_t>(change.after.as_int(), 1));
  }
}

}  // namespace

bool Session::begin(Mode mode) {
  if (begun_)
    fail(Kind::kState, options_.exp_id, "is running already in this process");
  std::optional<RunRecord> before = store_->find();
  if (mode == Mode::kResume && !before)
    fail(Kind::kNotFound, options_.exp_id, "there is nothing to resume in ",
         options_.dbinterface->location());
  Status mine;
  mine.host = host_name();
  mine.boot = boot_id();
  mine.process = this_process();
  mine.heartbeat = now();
  before = store_->acquire(mine);
  try {
    begun_ = true;
    prepare(before, mode);
  } catch (...) {
    begun_ = false;
    // Put back what the record said; the lease is free again.
    try {
      if (before) {
        store_->write(*before);
      } else {
        options_.dbinterface->remove("run/" + options_.exp_id);
      }
    } catch (const std::exception& e) {
      log::warning(options_.exp_id, ": the lease was not given back: ",
                   e.what());
    }
    throw;
  }
  if (!begun_) return false;
  signals_ = std::make_unique<SignalGuard>();
  return true;
}

void Session::prepare(const std::optional<RunRecord>& before, Mode mode) {
  Status& s = status_;
  s = Status();
  s.host = host_name();
  s.boot = boot_id();
  s.process = this_process();
  s.where = "cpu";
  latest_ = Value(Dict());
  requested_ = Request::kNone;
  signal_ = 0;
  if (options_.dataprovider)
    set_steps_per_epoch(
        options_.dataprovider->provide(Value("train"))->length());
  std::optional<CheckpointInfo> from;
  if (before && mode != Mode::kRestart) from = store_->newest(before->attempts);
  record_ = before.value_or(RunRecord());
  record_.exp_id = options_.exp_id;
  if (!before) record_.created = now();
  if (before && !from && mode == Mode::kResume)
    fail(Kind::kNotFound, options_.exp_id, "has no saved state to resume");
  if (from) {
    restore(*before);
    bool complete = before->status.state == Status::State::kComplete &&
                    before->status.outcome != Status::Outcome::kFailure;
    bool own_loop = !options_.model || !options_.dataprovider;
    if (complete && done() && !own_loop) {
      status_ = before->status;
      write_record();
      begun_ = false;
      return;
    }
  } else {
    std::int64_t attempt =
        before && !before->attempts.empty()
            ? before->attempts.back().attempt + 1
            : 0;
    start_new(before && !before->attempts.empty() ? Status::Run::kRestarted
                                                  : Status::Run::kNew,
              attempt);
  }
  Value metadata = process_metadata();
  metadata.as_dict()["attempt"] = attempt_;
  metadata.as_dict()["seed"] = options_.seed;
  if (extra_metadata_.is_dict())
    for (const auto& [key, value] : extra_metadata_.as_dict()) {
      Value& place = metadata.as_dict()[key];
      if (!place.is_dict() || !value.is_dict()) {
        place = value;
        continue;
      }
      for (const auto& [k, v] : value.as_dict()) place.as_dict().set(k, v);
    }
  store_->save_metadata(metadata);
  {
    std::lock_guard lock(status_mutex_);
    status_.state = Status::State::kInProgress;
    status_.outcome = Status::Outcome::kNone;
    status_.heartbeat = now();
  }
  started_ = now();
  first_step_ = progress_.step;
  validation_due_.clear();
  for (const auto& v : settings_.validations) {
    validation_due_.emplace_back(v.every);
    validation_due_.back().start(progress_);
  }
  every_due_.clear();
  save_due_ = std::make_unique<Due>(settings_.save_every.value_or(
      Interval{Interval::Unit::kSeconds, 300}));
  save_due_->start(progress_);
  update_status();
  write_record();
  if (!from) checkpoint(false);
  auto report = std::make_shared<ProgressReport>(options_.exp_id,
                                                 show_progress_);
  heartbeat_ = std::make_unique<Heartbeat>(kBeatSeconds, [this, report] {
    Status now_status;
    Value latest;
    {
      std::lock_guard lock(status_mutex_);
      status_.heartbeat = now();
      now_status = status_;
      latest = latest_;
    }
    report->show(now_status, latest);
    flush_history(false);
    if (!store_->beat(now_status, latest)) requested_ = Request::kLost;
  });
}

void Session::start_new(Status::Run run, std::int64_t attempt) {
  seed_streams(options_.seed);
  std::int64_t steps_per_epoch = progress_.steps_per_epoch;
  progress_ = Progress();
  progress_.steps_per_epoch = steps_per_epoch;
  seconds_before_ = 0;
  history_ = attempt > 0 ? store_->load_history() : History();
  record_.config = to_config();
  record_.best = Value();
  record_.edits = List();
  status_.run = run;
  last_saved_step_ = -1;
  begin_attempt(attempt, 0, run == Status::Run::kNew ? "new" : "restarted");
}

void Session::begin_attempt(std::int64_t attempt, std::int64_t from_step,
                            const char* kind) {
  attempt_ = attempt;
  history_.begin_attempt(attempt, from_step);
  record_.attempts.push_back({attempt, from_step, kind, now()});
  if (started_ > 0) {  // in mid-run: others see it at once
    update_status();
    write_record();
  }
}

void Session::restore(const RunRecord& before) {
  auto from = store_->newest(before.attempts);
  Value document = store_->load_checkpoint(from->id);
  const Dict& d = document.as_dict();
  Value state = d.at("state");
  compare_configuration(before, *from, state);
  restoring_ = true;
  struct Reset {
    bool& flag;
    ~Reset() { flag = false; }
  } reset{restoring_};
  load_state_dict(state);
  history_ = store_->load_history();
  seconds_before_ = d.at("seconds").as_double();
  record_.best = d.at("best");
  last_saved_step_ = progress_.step;
  status_.run = Status::Run::kResumed;
  attempt_ = before.attempts.back().attempt;
  // Steps beyond the checkpoint are done again: another attempt, so that no
  // step counts twice. From a pause there are none.
  bool beyond = before.status.step > from->step ||
                from->attempt != attempt_;
  for (const std::string& name : history_.names())
    for (const History::Record& r : history_.records(name, true))
      beyond = beyond || (r.attempt == attempt_ && r.step > from->step);
  started_ = 0;
  if (beyond) begin_attempt(attempt_ + 1, from->step, "resumed");
  log::info(options_.exp_id, ": resumed at step ", progress_.step,
            ", attempt ", attempt_);
}

void Session::compare_configuration(const RunRecord& before,
                                    const CheckpointInfo& from, Value& state) {
  Value config = to_config();
  std::vector<Change> structural, values;
  for (Change& change : compare(before.config, config)) {
    if (is_structural(change) && !is_free(change))
      structural.push_back(std::move(change));
    else
      values.push_back(std::move(change));
  }
  if (!structural.empty())
    fail(Kind::kState, options_.exp_id,
         "exists in ", options_.dbinterface->location(),
         " with another structure:", describe(structural),
         "\n  choose another exp_id, or give back the structure it has");
  for (const Change& change : values) {
    apply_to_optimizer_state(change, state);
    rescale_positions(change, state);
    record_.edits.items.push_back(
        Value(Dict{{"session", Value(options_.exp_id)},
                   {"attempt", Value(before.attempts.back().attempt)},
                   {"step", Value(from.step)},
                   {"path", Value(change.path)},
                   {"old", change.before},
                   {"new", change.after},
                   {"cause", Value("changed on resume")}}));
    log::info(options_.exp_id, ": ", change.path, " ", change.before.repr(40),
              " -> ", change.after.repr(40), " from step ", from.step);
  }
  record_.config = std::move(config);
}

}  // namespace ptutils
