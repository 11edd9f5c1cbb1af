#include <cmath>
#include <csignal>

#include "ptutils/common/interrupt.h"
#include "ptutils/common/log.h"
#include "ptutils/common/names.h"
#include "ptutils/nn/autograd.h"
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

}  // namespace

void Session::run() {
  if (!options_.model || !options_.dataprovider)
    fail(Kind::kState, options_.exp_id,
         "run() wants a model and a "
         "dataprovider; for a loop of your own: with Session(…) as s: "
         "for batch in s.loop(loader)");
  if (begun_ || begin())
    train_loop(0);
  else
    log::info(options_.exp_id, ": ", status().summary());
}

void Session::resume() {
  if (begin(Mode::kResume))
    train_loop(0);
  else
    log::info(options_.exp_id, ": ", status().summary());
}

void Session::restart() {
  begin(Mode::kRestart);
  train_loop(0);
}

void Session::step(std::int64_t n) {
  if (n < 1) fail(Kind::kValue, "Session.step", "n is ", n, "; at least 1");
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
  try {
    observe_model();
    options_.model->train(true);
    auto loader = options_.dataprovider->provide(Value("train"));
    set_steps_per_epoch(loader->length());
    bool go_on = goes_on();
    std::int64_t last = progress_.step + limit;
    while (go_on && !done() && (limit == 0 || progress_.step < last)) {
      if (progress_.step_in_epoch == 0) raise(kEpoch);
      Value batch;
      if (loader->next(batch)) {
        train_step(batch, *loader);
        go_on = goes_on();
      } else if (progress_.step_in_epoch == 0) {
        fail(Kind::kValue, options_.exp_id, "the training data has no batches");
      } else {
        go_on = end_epoch();
      }
    }
    if (limit == 0 || done() || !go_on) finish(done());
  } catch (const std::exception& e) {
    if (begun_) abort(e.what());  // else: finish() has ended it, by a signal
    throw;
  }
}

void Session::train_step(const Value& batch, data::Loader& loader) {
  static const auto kStep = trigger("start_of_training_step");
  begin_step();
  raise(kStep);
  if (!in_step_) return;  // a callback went back: another batch is due
  Value metrics = options_.model->step(batch);
  bool ended = progress_.steps_per_epoch > 0 &&
               progress_.step_in_epoch + 1 >= progress_.steps_per_epoch;
  Value rest;
  if (ended && in_step_ && loader.next(rest))  // past the epoch's end
    fail(Kind::kState, options_.exp_id,
         "the loader gave more batches than "
         "its length ",
         progress_.steps_per_epoch);
  end_step(metrics, ended);
}

bool Session::goes_on() const {
  return requested_ == Request::kNone && SignalGuard::received() == 0;
}

void Session::begin_step() { in_step_ = true; }

bool Session::end_step(const Value& metrics, bool epoch_ended) {
  static const auto kEnd = trigger("end_of_training_step");
  if (!in_step_) return goes_on();  // an earlier state was loaded meanwhile
  if (metrics.is_dict())
    for (const auto& [key, value] : metrics.as_dict())
      log(to_string(key), value);
  in_step_ = false;
  progress_.step += 1;
  progress_.step_in_epoch += 1;
  if (epoch_ended) {  // counted before anybody looks or saves
    progress_.epoch += 1;
    progress_.step_in_epoch = 0;
  }
  update_status();
  Ending ending(*this);
  raise(kEnd, metrics);
  if (ending.moved()) return goes_on();  // a callback went back
  if (epoch_ended) return close_epoch();
  validate_due();
  if (ending.moved()) return goes_on();
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
  static const auto kEnd = trigger("end_of_epoch");
  Ending ending(*this);
  validate_due();
  if (ending.moved()) return goes_on();
  raise(kEnd);
  if (ending.moved()) return goes_on();
  save_due(true);
  check_lease();
  return goes_on();
}

void Session::check_lease() const {
  if (lost_)
    fail(Kind::kBusy, options_.exp_id,
         "another process has taken this run over (no heartbeat of ours for "
         "60 s): nothing more is written here");
}

void Session::validate_due() {
  Progress at = at_now();
  for (std::size_t i = 0; i < validation_due_.size(); ++i)
    if (validation_due_[i](at)) validate(settings_.validations[i].phase);
}

void Session::validate(const std::string& phase) {
  static const auto kStart = trigger("start_of_validation");
  static const auto kEnd = trigger("end_of_validation");
  if (!options_.model || !options_.dataprovider) return;
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
  while (loader->next(batch)) {
    means.add(options_.model->validate(batch));
    check_interrupt();
  }
  options_.model->train(true);
  {
    std::lock_guard lock(status_mutex_);
    status_.stage = "train";
  }
  Dict results = means.means();
  for (const auto& [key, value] : results)
    log(phase + "/" + to_string(key), value);
  raise(kEnd, Value(results));
}

void Session::finish(bool complete) {
  static const auto kPause = trigger("on_pause");
  static const auto kEnd = trigger("end_of_session");
  if (!begun_) return;
  in_step_ = false;
  signal_ = SignalGuard::received();
  bool stopped = requested_ == Request::kStop;
  bool paused = !complete && !stopped;
  if (paused) raise(kPause);
  save_asked_ = false;
  checkpoint(false);
  raise(kEnd);
  read_pending();
  if (complete) warn_of_best();
  settle_saves();
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
  if (!begun_) return;
  try {
    in_step_ = false;
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
    flush_history(true);
    end_run(Status::State::kComplete, Status::Outcome::kFailure);
  } catch (const std::exception& e) {
    begun_ = false;
    store_->release();
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
  signals_.reset();
  if (options_.model) options_.model->observer = nullptr;
  options_.dbinterface->sync();
  ended_config_ = effective_config();
  if (!lost_) write_record();
  store_->release();
}

/// A metric that never came is a misspelt one.
void Session::warn_of_best() {
  if (settings_.keep_best.empty() || record_.best.is_dict()) return;
  log::warning(options_.exp_id, ": save_params.keep_best: '",
               settings_.keep_best, "' was never logged",
               did_you_mean(settings_.keep_best, history_.names()));
}

}  // namespace ptutils
