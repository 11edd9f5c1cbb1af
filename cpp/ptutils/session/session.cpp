#include "ptutils/session/session.h"

#include <algorithm>
#include <cmath>

#include "ptutils/common/log.h"
#include "ptutils/common/process.h"
#include "ptutils/nn/autograd.h"
#include "ptutils/session/exit_pause.h"
#include "ptutils/session/heartbeat.h"
#include "ptutils/session/signals.h"
#include "ptutils/session/streams.h"

// A session's state, what it logs, and its parts. Starting is in start.cpp, the
// loop in loop.cpp, saving in save.cpp, configurations in configure.cpp.

namespace ptutils {

namespace {

Value progress_to_value(const Progress& p,
                        const std::vector<std::string>& unvalidated) {
  Dict out{{"step", Value(p.step)},
           {"epoch", Value(p.epoch)},
           {"step_in_epoch", Value(p.step_in_epoch)}};
  if (!unvalidated.empty()) {
    List phases;
    for (const std::string& phase : unvalidated) phases.items.push_back(phase);
    out.set("unvalidated", std::move(phases));
  }
  return out;
}

void check_metric_name(std::string_view name) {
  const auto slash = name.find('/');
  if (name.empty() || slash == 0 || name.back() == '/')
    fail(Kind::kValue, "Session.log", "'", name,
         "' is no name of a metric: 'loss', or 'val/loss'");
}

}  // namespace

Session::Session(Options options)
    : options_(std::move(options)),
      settings_(SessionSettings::read(options_.train_params,
                                      options_.validation_params,
                                      options_.save_params)) {
  check_exp_id(options_.exp_id);
  if (!options_.dbinterface)
    fail(Kind::kValue, options_.exp_id,
         "has no dbinterface: give a path "
         "('runs.db') or a DBInterface");
  if (options_.dataprovider) options_.dataprovider->set_seed(options_.seed);
  store_ = std::make_unique<RunStore>(options_.dbinterface, options_.exp_id);
  status_.stage = "train";
}

Session::~Session() {
  if (left_to_parent() || !begun_) return;
  heartbeat_.reset();
  // Dropped in mid-run: the record says so, what was saved stays.
  abort("the session was dropped before its run had ended");
}

void Session::fields(Fields& f) {
  f("model", options_.model);
  f("dataprovider", options_.dataprovider);
  f("dbinterface", options_.dbinterface);
  f(
      "progress",
      [this] {
        if (phase_ == Phase::kUpdating)
          fail(Kind::kState, options_.exp_id,
               "is in the middle of a step, which no state can be gone on "
               "from: take it at end_of_training_step, or ask save() to");
        return progress_to_value(at_step(), unvalidated_);
      },
      [this](const Value& v) {
        const Dict& d = v.as_dict("progress");
        progress_.step = d.at("step").as_int("progress.step");
        progress_.epoch = d.at("epoch").as_int("progress.epoch");
        progress_.step_in_epoch =
            d.at("step_in_epoch").as_int("progress.step_in_epoch");
        unvalidated_.clear();
        if (const Value* phases = d.find("unvalidated"))
          for (const Value& phase : phases->as_list().items)
            unvalidated_.push_back(phase.as_string());
      });
  f(
      "streams", [] { return save_streams(); },
      [](const Value& v) { load_streams(v); });
  if (options_.dataprovider && options_.dataprovider->makes_requests())
    f("request", request_);
  // Present from the first loop on; a state that has it may come earlier.
  f(
      "loader",
      [this] {
        return get_loader_state_ ? get_loader_state_() : waiting_loader_state_;
      },
      [this](const Value& v) {
        if (set_loader_state_ && !v.is_null())
          set_loader_state_(v);
        else
          waiting_loader_state_ = v;
      });
}

void Session::load_partial(const Value& state) {
  if (phase_ == Phase::kUpdating)
    fail(Kind::kState, options_.exp_id,
         "is in the middle of a step: load the state at end_of_training_step");
  std::int64_t before = at_step().step;
  Module::load_partial(state);
  last_saved_step_ = -1;
  phase_ = Phase::kBetween;  // what was under way is no step of this state
  of_step_ = Dict();
  if (restoring_ || !begun_) return;
  moves_ += 1;
  if (progress_.step >= before) return;
  // Back in time: the steps since leave the current line.
  read_pending();
  begin_attempt(attempt_ + 1, progress_.step, "rollback");
  static const auto kRollback = Callbacks::intern("on_rollback");
  raise(kRollback, Value(Dict{{"from_step", Value(before)}}));
}

Status Session::status() const {
  std::lock_guard lock(status_mutex_);
  return status_;
}

Value Session::latest() const {
  std::lock_guard lock(status_mutex_);
  return latest_;
}

double Session::seconds() const {
  return seconds_before_ + (started_ > 0 ? now() - started_ : 0);
}

Progress Session::at_now() const {
  Progress p = progress_;
  p.seconds = seconds();
  p.attempt = attempt_;
  return p;
}

Progress Session::at_step() const {
  return phase_ == Phase::kGiven ? with_step() : at_now();
}

Progress Session::with_step() const {
  Progress p = at_now();
  p.step += 1;
  p.step_in_epoch += 1;
  if (p.steps_per_epoch > 0 && p.step_in_epoch >= p.steps_per_epoch) {
    p.step_in_epoch = 0;
    p.epoch += 1;
  }
  return p;
}

void Session::log(std::string_view name, const Value& value) {
  if (!begun_)
    fail(Kind::kState, options_.exp_id, "is not running: log within run() or ",
         "`with` (in a loop of your own also behind the loop)");
  require_own_process();
  check_metric_name(name);
  if (phase_ == Phase::kBetween && is_again()) return;  // its records are there
  std::string full(name);
  if (full.find('/') == std::string::npos) full = "train/" + full;
  if (phase_ != Phase::kBetween)
    of_step_.set(full.starts_with("train/") ? full.substr(6) : full, value);
  History::Record record;
  record.attempt = attempt_;
  record.step = progress_.step + (phase_ == Phase::kBetween ? 0 : 1);
  record.epoch = progress_.epoch;
  record.time = now();
  if (value.is_opaque()) {
    constexpr std::size_t kMostWaiting = 100;
    pending_.push_back({std::move(full), record, value});
    if (pending_.size() >= kMostWaiting) read_pending();
    return;
  }
  auto number = scalar_of(value);
  if (!number)
    fail(Kind::kType, "Session.log", full, " is ", value.repr(60),
         "; it must be a number or a tensor of one element");
  record.value = *number;
  history_.log(full, record);
  std::lock_guard lock(status_mutex_);
  latest_.as_dict().set(full, Value(*number));
}

void Session::read_pending() {
  if (pending_.empty()) return;
  std::vector<Pending> waiting;
  waiting.swap(pending_);
  std::vector<Value> values;
  values.reserve(waiting.size());
  for (const Pending& p : waiting) values.push_back(p.value);
  std::vector<double> numbers;
  bool foreign = false;
  for (const Value& v : values)
    foreign = foreign ||
              !std::dynamic_pointer_cast<nn::VariableHandle>(v.as_opaque());
  if (foreign && foreign_ops().read) {
    numbers = foreign_ops().read(values);
  } else {
    for (const Pending& p : waiting) {
      auto number = scalar_of(p.value);
      if (!number)
        fail(Kind::kType, "Session.log", p.name, " is ", p.value.repr(60),
             "; it must be a number or a tensor of one element");
      numbers.push_back(*number);
    }
  }
  std::lock_guard lock(status_mutex_);
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    waiting[i].record.value = numbers[i];
    history_.log(waiting[i].name, waiting[i].record);
    latest_.as_dict().set(waiting[i].name, Value(numbers[i]));
  }
}

bool Session::every(const Value& interval) {
  Interval parsed = Interval::parse(interval, "every");
  Progress at = phase_ == Phase::kBetween ? at_now() : with_step();
  if (parsed.unit == Interval::Unit::kEpochs && at.steps_per_epoch <= 0)
    fail(Kind::kState, "Session.every", "'", interval.repr(40),
         "' needs a loader with a length; give steps instead");
  std::string key = interval.repr();
  auto found = std::find_if(asked_.begin(), asked_.end(),
                            [&](const Asked& a) { return a.interval == key; });
  if (found == asked_.end()) {
    asked_.push_back({key, Due(parsed)});
    found = std::prev(asked_.end());
    found->due.start(at);
  }
  // Two places of one loop may ask for the same interval.
  if (found->attempt != attempt_ || found->step != at.step) {
    found->answer = found->due(at);
    found->attempt = attempt_;
    found->step = at.step;
  }
  return found->answer;
}

bool Session::is_again() const {
  return ended_before_ && progress_.step == first_step_;
}

bool Session::stays_stopped() {
  if (!is_again() || ended_before_->status.outcome != Status::Outcome::kStopped)
    return false;
  update_status();
  return status().total_steps == ended_before_->status.total_steps;
}

void Session::set_aim(std::int64_t num_epochs, std::int64_t num_steps) {
  settings_.num_epochs = num_epochs;
  settings_.num_steps = num_steps;
}

void Session::set_steps_per_epoch(std::int64_t n) {
  progress_.steps_per_epoch = std::max<std::int64_t>(n, 0);
}

void Session::set_steps_left(std::int64_t n) {
  if (n >= 0 && progress_.steps_per_epoch > 0)
    progress_.step_in_epoch =
        std::max<std::int64_t>(progress_.steps_per_epoch - n, 0);
}

void Session::set_loader_state(std::function<Value()> get,
                               std::function<void(const Value&)> set) {
  get_loader_state_ = std::move(get);
  set_loader_state_ = std::move(set);
  if (set_loader_state_ && !waiting_loader_state_.is_null()) {
    Value waiting = std::move(waiting_loader_state_);
    waiting_loader_state_ = Value();
    set_loader_state_(waiting);
  }
}

bool Session::done() const {
  if (settings_.num_steps > 0 && progress_.step >= settings_.num_steps)
    return true;
  return settings_.num_epochs > 0 && progress_.epoch >= settings_.num_epochs;
}

void Session::raise(Callbacks::TriggerId trigger, const Value& metrics) {
  if (!callbacks().listening(trigger)) return;
  Event event;
  event.trigger = Callbacks::trigger_name(trigger);
  event.index = progress_.step;
  event.epoch = progress_.epoch;
  event.attempt = attempt_;
  event.source = this;
  event.progress = at_now();
  event.arguments = metrics.is_dict() ? metrics : Value(Dict());
  if (metrics.is_dict())
    if (const Value* loss = metrics.as_dict().find("loss");
        loss && loss->is_tensor())
      event.loss = loss->as_tensor();
  callbacks().call(trigger, event);
}

void Session::update_status() {
  std::lock_guard lock(status_mutex_);
  status_.attempt = attempt_;
  status_.step = progress_.step;
  status_.epoch = progress_.epoch;
  std::int64_t total = settings_.num_steps;
  if (settings_.num_epochs > 0 && progress_.steps_per_epoch > 0) {
    std::int64_t by_epochs = settings_.num_epochs * progress_.steps_per_epoch;
    total = total > 0 ? std::min(total, by_epochs) : by_epochs;
  }
  status_.total_steps = total;
  double here = started_ > 0 ? now() - started_ : 0;
  status_.seconds = seconds_before_ + here;
  std::int64_t done_here = progress_.step - first_step_;
  status_.eta = -1;
  if (total > 0 && done_here > 0)
    status_.eta =
        here / static_cast<double>(done_here) *
        static_cast<double>(std::max<std::int64_t>(total - progress_.step, 0));
}

}  // namespace ptutils
