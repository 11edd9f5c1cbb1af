#include <algorithm>

#include "ptutils/common/fork.h"
#include "ptutils/common/log.h"
#include "ptutils/common/process.h"
#include "ptutils/session/exit_pause.h"
#include "ptutils/session/heartbeat.h"
#include "ptutils/session/metadata.h"
#include "ptutils/session/progress.h"
#include "ptutils/session/session.h"
#include "ptutils/session/signals.h"
#include "ptutils/session/streams.h"
#include "ptutils/tensor/random.h"

// How a run begins: the lease, the last state (resume.cpp) or the first, the
// record.

namespace ptutils {

namespace {

constexpr double kBeatSeconds = 1;

/// Adds what another language says of this process, dict by dict.
void merge(const Value& extra, Value& metadata) {
  if (!extra.is_dict()) return;
  for (const auto& [key, value] : extra.as_dict()) {
    Value& place = metadata.as_dict()[key];
    if (!place.is_dict() || !value.is_dict()) {
      place = value;
      continue;
    }
    for (const auto& [k, v] : value.as_dict()) place.as_dict().set(k, v);
  }
}

}  // namespace

/// In a forked child the run is the parent's: nothing of it is written or
/// waited for here.
bool Session::left_to_parent() noexcept {
  if (!begun_ || generation_ == fork_generation()) return false;
  begun_ = false;
  looping_ = false;
  phase_ = Phase::kBetween;
  (void)heartbeat_.release();  // its thread does not exist here
  (void)exit_pause_.release();
  // That thread may have held them when the process was forked.
  new (&status_mutex_) std::mutex;
  new (&flush_mutex_) std::mutex;
  new (&save_requests_) SaveRequests;
  step_thread_ = std::thread::id();
  signals_.reset();
  store_->release();
  return true;
}

void Session::require_own_process() {
  if (left_to_parent())
    fail(Kind::kState, options_.exp_id,
         "is running in the process that this one was forked from; a forked "
         "process has no part in it");
}

void Session::fail_running() const {
  fail(Kind::kState, options_.exp_id,
       "is running already in this process; a callback ends it by pause() or "
       "stop(), and goes back by load_state_dict()");
}

bool Session::begin(Mode mode) {
  static const auto kStart = Callbacks::intern("start_of_session");
  static const auto kStage = Callbacks::intern("start_of_stage");
  left_to_parent();
  if (begun_) fail_running();
  check_parts();
  if (mode == Mode::kResume && !store_->find())
    fail(Kind::kNotFound, options_.exp_id, "there is nothing to resume in ",
         options_.dbinterface->location());
  Status mine;
  mine.host = host_name();
  mine.boot = boot_id();
  mine.process = this_process();
  mine.heartbeat = now();
  std::optional<RunRecord> before = store_->acquire(mine);
  bool is_first = false;
  try {
    generation_ = fork_generation();
    begun_ = true;
    is_first = prepare(before, mode);
  } catch (...) {
    begun_ = false;
    heartbeat_.reset();
    // Put back what the record said; the lease is free again.
    bool given_back = true;
    try {
      if (before) {
        store_->write(*before);
      } else {
        options_.dbinterface->remove("run/" + options_.exp_id);
      }
    } catch (const std::exception& e) {
      given_back = false;
      log::warning(options_.exp_id,
                   ": the lease was not given back: ", e.what());
    }
    store_->release();
    std::lock_guard lock(status_mutex_);
    status_ = before ? before->status : Status();
    if (!given_back) {  // the record says that it began
      status_.state = Status::State::kComplete;
      status_.outcome = Status::Outcome::kFailure;
    }
    throw;
  }
  if (!begun_) return false;
  signals_ = std::make_unique<SignalGuard>();
  try {
    exit_pause_ = std::make_unique<ExitPause>([this] { pause(); });
    if (is_first) checkpoint();
    has_run_ = true;
    raise(kStart);
    raise(kStage);
    raise_edits();
  } catch (const std::exception& e) {
    abort(e.what());
    throw;
  }
  return true;
}

/// What can be known to be wrong before the lease is taken.
void Session::check_parts() const {
  if (settings_.validations.empty()) return;
  if (!options_.model || !options_.dataprovider)
    fail(Kind::kValue, "validation_params",
         "wants a model and a dataprovider; in a loop of your own: "
         "if s.every('1 epoch'): s.log({'val/accuracy': …})");
  auto phases = options_.dataprovider->phases();
  for (const auto& v : settings_.validations) {
    if (std::find(phases.begin(), phases.end(), v.phase) == phases.end())
      options_.dataprovider->provide(Value(v.phase));  // says what there is
    else if (v.phase == "train")
      fail(Kind::kValue, "validation_params",
           "'train' would take the batches that are to be trained on: give the "
           "data set under another name as well (train_eval: …)");
  }
}

bool Session::prepare(const std::optional<RunRecord>& before, Mode mode) {
  {
    std::lock_guard lock(status_mutex_);
    status_ = Status();
    status_.host = host_name();
    status_.boot = boot_id();
    status_.process = this_process();
    status_.where = "cpu";
    latest_ = Value(Dict());
  }
  requested_ = Request::kNone;
  lost_ = false;
  signal_ = 0;
  started_ = 0;
  phase_ = Phase::kBetween;
  of_step_ = Dict();
  ending_step_ = save_asked_ = false;
  waiting_parts_ = Dict();
  unvalidated_.clear();
  unraised_edits_ = List();
  ended_before_.reset();
  pending_.clear();
  request_ = Value();
  if (options_.dataprovider) set_steps_per_epoch(train_length());
  std::optional<CheckpointInfo> from;
  if (before && mode != Mode::kRestart) from = store_->newest(before->attempts);
  if (before && !from && mode == Mode::kResume)
    fail(Kind::kNotFound, options_.exp_id, "has no saved state to resume");
  record_ = before.value_or(RunRecord());
  record_.exp_id = options_.exp_id;
  if (!before) record_.created = now();
  std::optional<std::vector<Change>> changes;
  if (from) changes = restore_if_begun(*before, *from, mode);
  if (changes) {
    if (is_over(*before, mode)) {
      begun_ = false;
      give_back(*before);
      return false;
    }
    log_changes(*changes, from->step);
    if (before->status.state == Status::State::kComplete &&
        before->status.outcome != Status::Outcome::kFailure)
      ended_before_ = before;
    std::lock_guard lock(status_mutex_);
    if (before->latest.is_dict()) latest_ = before->latest;
  } else {
    start_new(before);
  }
  given_ = record_.given;
  save_process_metadata();
  start_clock();
  write_record();
  auto report =
      std::make_shared<ProgressReport>(options_.exp_id, show_progress_);
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
    if (options_.dbinterface->is_locked()) return;  // not to be waited for here
    flush_history(false);
    if (!lost_ && !store_->beat(now_status, latest)) lost_ = true;
  });
  return !changes;
}

/// The run stays as it was.
void Session::give_back(const RunRecord& before) {
  store_->write(before);
  store_->release();
  std::lock_guard lock(status_mutex_);
  status_ = before.status;
  if (before.latest.is_dict()) latest_ = before.latest;
}

/// A complete run with nothing left to do. One that was stopped goes on only
/// when that is asked for, or when its aims have changed.
bool Session::is_over(const RunRecord& before, Mode mode) const {
  using Outcome = Status::Outcome;
  const Status& s = before.status;
  if (s.state != Status::State::kComplete || s.outcome == Outcome::kFailure)
    return false;
  if (!options_.model || !options_.dataprovider) return false;  // own loop
  if (s.outcome == Outcome::kStopped && mode == Mode::kAuto) {
    auto changes = compare(before.given, record_.given);
    return std::none_of(changes.begin(), changes.end(), [](const Change& c) {
      return c.path.starts_with("train_params");
    });
  }
  return done();
}

void Session::save_process_metadata() {
  Value metadata = process_metadata();
  metadata.as_dict()["attempt"] = attempt_;
  metadata.as_dict()["seed"] = options_.seed;
  merge(extra_metadata_, metadata);
  store_->save_metadata(metadata);
}

/// From here on time counts, and the moments of validation and saving.
void Session::start_clock() {
  started_ = now();
  last_flush_ = started_;
  first_step_ = progress_.step;
  Progress at = at_now();
  validation_due_.clear();
  for (const auto& v : settings_.validations) {
    validation_due_.emplace_back(v.every);
    validation_due_.back().start(at);
  }
  asked_.clear();
  save_due_ = std::make_unique<Due>(
      settings_.save_every.value_or(Interval{Interval::Unit::kSeconds, 300}));
  save_due_->start(at);
  {
    std::lock_guard lock(status_mutex_);
    status_.state = Status::State::kInProgress;
    status_.outcome = Status::Outcome::kNone;
    status_.heartbeat = now();
  }
  update_status();
}

std::uint64_t Session::run_key() const {
  return Random::named(options_.seed, "run").key();
}

void Session::start_new(const std::optional<RunRecord>& before) {
  history_ = before ? store_->load_history() : History();
  // One that died before anything was saved has done nothing.
  bool is_new = !before || before->attempts.empty() ||
                (history_.empty() && store_->checkpoints().empty());
  if (has_run_ && before) back_to_start(*before);
  std::int64_t steps_per_epoch = progress_.steps_per_epoch;
  progress_ = Progress();
  progress_.steps_per_epoch = steps_per_epoch;
  seed_streams(run_key());
  seconds_before_ = 0;
  record_.given = record_.config = effective_config();
  record_.best = stored_best_ = Value();
  record_.edits = List();
  last_saved_step_ = -1;
  if (is_new) {
    record_.attempts.clear();
    history_ = History();
  }
  {
    std::lock_guard lock(status_mutex_);
    status_.run = is_new ? Status::Run::kNew : Status::Run::kRestarted;
  }
  begin_attempt(is_new ? 0 : record_.attempts.back().attempt + 1, 0,
                is_new ? "new" : "restarted");
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

}  // namespace ptutils
