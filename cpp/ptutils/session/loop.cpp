#include <cmath>
#include <csignal>

#include "ptutils/common/interrupt.h"
#include "ptutils/common/log.h"
#include "ptutils/common/names.h"
#include "ptutils/nn/autograd.h"
#include "ptutils/session/exit_pause.h"
#include "ptutils/session/heartbeat.h"
#include "ptutils/session/session.h"
#include "ptutils/session/signals.h"

// The loop: steps, epochs, validation, and how a run ends.

namespace ptutils {

namespace {

Callbacks::TriggerId trigger(const char* name) {
  return Callbacks::intern(name);
}

/// Weighted means of what Model::validate gave, by name.
class Means {
 public:
  void add(const Value& metrics) {
    const Dict& d = metrics.as_dict("Model.validate");
    double count = 1;
    if (const Value* n = d.find("count")) count = n->as_double();
    for (const auto& [key, value] : d) {
      std::string name = to_string(key);
      if (name == "count") continue;
      auto number = scalar_of(value);
      if (!number)
        fail(Kind::kType, "Model.validate", "'", name, "' is ", value.repr(60),
             ", not a number");
      Value& sum = sums_[name];
      sum = Value((sum.is_null() ? 0.0 : sum.as_double()) + *number * count);
    }
    count_ += count;
  }
  Dict means() const {
    Dict out;
    for (const auto& [key, sum] : sums_)
      out.set(key, Value(sum.as_double() / count_));
    return out;
  }

 private:
  Dict sums_;
  double count_ = 0;
};

/// A net of torch's is given torch's tensors, where nobody asked for others.
void hand_over(Value& batch, const Model& model, const data::Loader& loader) {
  if (model.foreign() && !loader.says_output())
    data::set_origin(batch, Origin::kTorch);
}

}  // namespace

void Session::run() {
  if (!options_.model || !options_.dataprovider)
    fail(Kind::kState, options_.exp_id,
         "run() wants a model and a "
         "dataprovider; for a loop of your own: with Session(…) as s: "
         "for batch in s.loop(loader)");
  require_idle();
  Stepping stepping(*this);
  if (begun_ || begin())
    train_loop(0);
  else
    log::info(options_.exp_id, ": ", status().summary());
}

/// Not from within its own loop.
void Session::require_idle() {
  require_own_process();
  if (looping_) fail_running();
}

void Session::resume() {
  Stepping stepping(*this);
  if (begin(Mode::kResume))
    train_loop(0);
  else
    log::info(options_.exp_id, ": ", status().summary());
}

void Session::restart() {
  Stepping stepping(*this);
  begin(Mode::kRestart);
  train_loop(0);
}

void Session::step(std::int64_t n) {
  if (n < 1) fail(Kind::kValue, "Session.step", "n is ", n, "; at least 1");
  require_idle();
  Stepping stepping(*this);
  if (begun_ || begin()) train_loop(n);
}

void Session::observe_model() {
  static const auto kForward = trigger("after_forward");
  static const auto kBackward = trigger("after_backward");
  if (!callbacks().listening(kForward) && !callbacks().listening(kBackward)) {
    options_.model->observer = nullptr;
    return;
  }
  options_.model->observer = [this](std::string_view moment) {
    raise(moment == "after_forward" ? kForward : kBackward);
  };
}

void Session::train_loop(std::int64_t limit) {
  static const auto kEpoch = trigger("start_of_epoch");
  While looping(looping_);
  try {
    observe_model();
    options_.model->train(true);
    const bool asks = options_.dataprovider->makes_requests();
    if (asks) options_.model->keep_outputs = true;
    auto loader = train_loader();
    set_steps_per_epoch(train_length());
    bool go_on = unvalidated_.empty() || finish_moment();
    go_on = go_on && goes_on();
    std::int64_t last = progress_.step + limit;
    while (go_on && !done() && (limit == 0 || progress_.step < last)) {
      if (progress_.step_in_epoch == 0) raise(kEpoch);
      // A loader that does not know its length may have no batch left.
      const bool known = progress_.steps_per_epoch > 0;
      if (known && !start_step()) continue;
      if (asks) loader = train_loader();
      Value batch;
      if (loader->next(batch)) {
        if (!known && !start_step()) continue;
        hand_over(batch, *options_.model, *loader);
        train_step(batch, *loader);
        go_on = goes_on();
      } else if (progress_.step_in_epoch == 0) {
        fail(Kind::kValue, options_.exp_id, "the training data has no batches");
      } else {
        go_on = end_epoch();
      }
    }
    const bool complete = done() && unvalidated_.empty();
    if (limit == 0 || complete || !go_on) finish(complete);
  } catch (const std::exception& e) {
    if (begun_) abort(e.what());  // else: finish() has ended it, by a signal
    throw;
  }
}

/// Batches of an epoch; < 0: unknown.
std::int64_t Session::train_length() {
  data::DataProvider& provider = *options_.dataprovider;
  return provider.makes_requests() ? -1
                                   : provider.provide(Value("train"))->length();
}

/// Of the next step.
std::shared_ptr<data::Loader> Session::train_loader() {
  data::DataProvider& provider = *options_.dataprovider;
  if (!provider.makes_requests()) return provider.provide(Value("train"));
  if (request_.is_null()) ask_for_data();
  return provider.provide(request_);
}

/// What the step that ended makes of the next one's data.
void Session::ask_for_data() {
  if (!options_.dataprovider || !options_.dataprovider->makes_requests())
    return;
  request_ = options_.dataprovider->request(*this).clone();
}

bool Session::start_step() {
  static const auto kStep = trigger("start_of_training_step");
  require_own_process();
  const std::int64_t moves = moves_;
  phase_ = Phase::kStarting;
  raise(kStep);
  return moves == moves_;  // else a callback went back: another batch is due
}

void Session::train_step(const Value& batch, data::Loader& loader) {
  phase_ = Phase::kUpdating;
  Value metrics = options_.model->step(batch);
  phase_ = Phase::kGiven;
  bool ended = progress_.steps_per_epoch > 0 &&
               progress_.step_in_epoch + 1 >= progress_.steps_per_epoch;
  Value rest;
  if (ended && loader.next(rest))  // past the epoch's end
    fail(Kind::kState, options_.exp_id,
         "the loader gave more batches than "
         "its length ",
         progress_.steps_per_epoch);
  end_step(metrics, ended);
}

bool Session::goes_on() const {
  return requested_ == Request::kNone && SignalGuard::received() == 0;
}

void Session::begin_step() {
  require_own_process();
  step_thread_ = std::this_thread::get_id();
  phase_ = Phase::kGiven;
}

bool Session::end_step(const Value& metrics, bool epoch_ended) {
  static const auto kEnd = trigger("end_of_training_step");
  require_own_process();
  if (phase_ == Phase::kBetween)
    return goes_on();  // an earlier state was loaded meanwhile
  if (metrics.is_dict())
    for (const auto& [key, value] : metrics.as_dict())
      log(to_string(key), value);
  const Value logged(std::exchange(of_step_, Dict()));
  phase_ = Phase::kBetween;
  progress_.step += 1;
  progress_.step_in_epoch += 1;
  if (epoch_ended) {  // counted before anybody looks or saves
    progress_.epoch += 1;
    progress_.step_in_epoch = 0;
  }
  update_status();
  Ending ending(*this);
  raise(kEnd, logged);
  if (ending.moved()) return goes_on();  // a callback went back
  ask_for_data();
  if (epoch_ended) return close_epoch();
  if (!validate_due() || ending.moved()) return goes_on();
  save_due(false);
  check_lease();
  return goes_on();
}

bool Session::end_epoch() {
  progress_.epoch += 1;
  progress_.step_in_epoch = 0;
  last_saved_step_ = -1;  // what was saved at this step has another epoch
  update_status();
  return close_epoch();
}

bool Session::close_epoch() {
  Ending ending(*this);
  if (!validate_due() || ending.moved()) return goes_on();
  return end_of_epoch(ending);
}

bool Session::end_of_epoch(const Ending& ending) {
  static const auto kEnd = trigger("end_of_epoch");
  raise(kEnd);
  if (ending.moved()) return goes_on();
  save_due(true);
  check_lease();
  return goes_on();
}

/// What a pause cut off in a validation: the rest of the step's or epoch's end.
bool Session::finish_moment() {
  Ending ending(*this);
  if (!validate_rest() || ending.moved()) return goes_on();
  if (progress_.step_in_epoch == 0) return end_of_epoch(ending);
  save_due(false);
  return goes_on();
}

void Session::check_lease() const {
  if (lost_)
    fail(Kind::kBusy, options_.exp_id,
         "another process has taken this run over (no heartbeat of ours for "
         "60 s): nothing more is written here");
}

/// False: an end was asked for meanwhile, and what is left is done when the run
/// goes on.
bool Session::validate_due() {
  Progress at = at_now();
  for (std::size_t i = 0; i < validation_due_.size(); ++i)
    if (validation_due_[i](at))
      unvalidated_.push_back(settings_.validations[i].phase);
  return validate_rest();
}

bool Session::validate_rest() {
  const std::int64_t moves = moves_;
  while (!unvalidated_.empty()) {
    if (!validate(unvalidated_.front())) return false;
    if (moves != moves_) return true;  // back in time, with its own list
    unvalidated_.erase(unvalidated_.begin());
  }
  return true;
}

bool Session::validate(const std::string& phase) {
  static const auto kStart = trigger("start_of_validation");
  static const auto kEnd = trigger("end_of_validation");
  if (!options_.model || !options_.dataprovider) return true;
  raise(kStart);
  {
    std::lock_guard lock(status_mutex_);
    status_.stage = phase;
  }
  options_.model->train(false);
  auto loader = options_.dataprovider->provide(Value(phase));
  loader->rewind();
  Means means;
  Value batch;
  // A pause that was asked for before waits for the result; a signal does not.
  const bool asked = requested_ != Request::kNone;
  auto cut_off = [&] {
    return SignalGuard::received() != 0 ||
           (!asked && requested_ != Request::kNone);
  };
  while (!cut_off() && loader->next(batch)) {
    hand_over(batch, *options_.model, *loader);
    means.add(options_.model->validate(batch));
    check_interrupt();
  }
  options_.model->train(true);
  {
    std::lock_guard lock(status_mutex_);
    status_.stage = "train";
  }
  if (cut_off()) return false;  // half of the data: no result
  Dict results = means.means();
  for (const auto& [key, value] : results)
    log(phase + "/" + to_string(key), value);
  raise(kEnd, Value(results));
  return true;
}

void Session::finish(bool complete) {
  static const auto kPause = trigger("on_pause");
  static const auto kStage = trigger("end_of_stage");
  static const auto kEnd = trigger("end_of_session");
  if (left_to_parent() || !begun_) return;
  phase_ = Phase::kBetween;
  signal_ = SignalGuard::received();
  if (is_again() && (complete || stays_stopped())) {
    heartbeat_.reset();
    signals_.reset();
    begun_ = false;
    started_ = 0;
    give_back(*ended_before_);
    exit_pause_.reset();
    return;
  }
  raise(kStage);
  bool stopped = requested_ == Request::kStop;
  bool paused = !complete && !stopped;
  if (paused) raise(kPause);
  save_asked_ = false;
  checkpoint();
  raise(kEnd);
  read_pending();
  if (complete) warn_of_best();
  settle_saves(true);
  flush_history(true);  // what was logged since the last step
  if (paused)
    end_run(Status::State::kPaused, Status::Outcome::kNone);
  else
    end_run(Status::State::kComplete,
            stopped ? Status::Outcome::kStopped : Status::Outcome::kSuccess);
  if (signal_ != 0 && paused)
    fail(Kind::kInterrupted, options_.exp_id, "paused at step ", progress_.step,
         " by ", signal_ == SIGTERM ? "SIGTERM" : "SIGINT");
}

void Session::abort(const std::string& exception) noexcept {
  static const auto kException = trigger("on_exception");
  if (left_to_parent() || !begun_) return;
  try {
    phase_ = Phase::kBetween;
    try {
      raise(kException, Value(Dict{{"exception", Value(exception)}}));
      read_pending();
    } catch (const std::exception& e) {
      log::warning(options_.exp_id, ": while ending: ", e.what());
    }
    {
      std::lock_guard lock(status_mutex_);
      status_.exception = exception;
    }
    if (SignalGuard::received() != 0 && options_.dbinterface->is_locked())
      fail(Kind::kBusy, options_.dbinterface->location(),
           "another process keeps it locked");
    flush_history(true);
    end_run(Status::State::kComplete, Status::Outcome::kFailure);
  } catch (const std::exception& e) {
    heartbeat_.reset();
    begun_ = false;
    end_save_requests();
    signals_.reset();
    store_->release();
    exit_pause_.reset();
    log::error(options_.exp_id,
               ": the failure could not be recorded: ", e.what());
  }
}

void Session::end_run(Status::State state, Status::Outcome outcome) {
  heartbeat_.reset();
  update_status();
  {
    std::lock_guard lock(status_mutex_);
    status_.state = state;
    status_.outcome = outcome;
    status_.heartbeat = now();
    status_.eta = -1;
  }
  seconds_before_ = status().seconds;
  started_ = 0;
  begun_ = false;
  end_save_requests();
  if (options_.model) options_.model->observer = nullptr;
  struct LetGo {
    Session& session;
    ~LetGo() {
      session.signals_.reset();
      session.store_->release();
      session.exit_pause_.reset();
    }
  } let_go{*this};
  const std::exception_ptr unsaved = sync_at_end();
  ended_config_ = effective_config();
  if (!lost_) write_record();
  if (unsaved && outcome != Status::Outcome::kFailure)
    std::rethrow_exception(unsaved);
}

/// A run whose last saves are not stored has failed, whatever it was to be; its
/// record is small, and may still find room.
std::exception_ptr Session::sync_at_end() {
  try {
    patiently([this] { options_.dbinterface->sync(); });
    settle_best();
    return nullptr;
  } catch (const std::exception& e) {
    if (options_.dbinterface->is_locked()) throw;
    log::error(options_.exp_id, ": not all is stored: ", e.what());
    record_.best = stored_best_;
    std::lock_guard lock(status_mutex_);
    status_.state = Status::State::kComplete;
    status_.outcome = Status::Outcome::kFailure;
    if (status_.exception.empty()) status_.exception = e.what();
    return std::current_exception();
  }
}

/// A metric that never came is a misspelt one.
void Session::warn_of_best() {
  if (settings_.keep_best.empty() || record_.best.is_dict()) return;
  log::warning(options_.exp_id, ": save_params.keep_best: '",
               settings_.keep_best, "' was never logged",
               did_you_mean(settings_.keep_best, history_.names()));
}

}  // namespace ptutils
