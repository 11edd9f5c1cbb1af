#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "ptutils/common/interrupt.h"
#include "ptutils/common/log.h"
#include "ptutils/common/process.h"
#include "ptutils/module/configuration.h"
#include "ptutils/session/session.h"
#include "ptutils/session/signals.h"

// Saving: history, checkpoints, the best one, the record.

namespace ptutils {

namespace {
constexpr double kFlushSeconds = 5;
constexpr std::chrono::seconds kLongestStep{60};
}  // namespace

void Session::flush_history(bool at_once) {
  std::lock_guard lock(flush_mutex_);
  if (lost_) return;
  if (!at_once && now() - last_flush_ < kFlushSeconds) return;
  last_flush_ = now();
  Value columns = history_.take_new();
  if (!columns.is_null()) patiently([&] { store_->save_history(columns); });
}

/// Another process may keep the database locked for longer than a call of it
/// waits: no reason for the run to fail.
void Session::patiently(const std::function<void()>& call) {
  for (;;) {
    try {
      return call();
    } catch (const Error& error) {
      if (error.kind() != Kind::kBusy || SignalGuard::received() != 0) throw;
      log::debug(options_.exp_id, ": waits: ", error.what());
    }
    check_interrupt();
  }
}

void Session::save_due(bool epoch_ended) {
  bool due = (*save_due_)(at_now());
  if (!settings_.save_every && epoch_ended) due = true;
  if (save_asked_.exchange(false)) due = true;
  Value best;
  if (!settings_.keep_best.empty()) {
    read_pending();
    // Logged at this very step, and better than what there was.
    auto records = history_.last_record(settings_.keep_best);
    if (records && records->attempt == attempt_ &&
        records->step == progress_.step) {
      double before = record_.best.is_dict()
                          ? record_.best.as_dict().at("value").as_double()
                          : std::nan("");
      double value = records->value;
      if (!std::isnan(value) &&
          (std::isnan(before) ||
           (settings_.best_is_largest ? value > before : value < before)))
        best = Value(Dict{{"metric", Value(settings_.keep_best)},
                          {"value", Value(value)},
                          {"step", Value(progress_.step)}});
    }
  }
  if (due || !best.is_null()) checkpoint(std::move(best));
}

void Session::save() {
  if (!begun_)
    fail(Kind::kState, options_.exp_id, "is not running: nothing to save");
  require_own_process();
  const std::thread::id stepping = step_thread_;
  if (stepping != std::thread::id() && stepping != std::this_thread::get_id())
    return save_by_step_thread();
  if (phase_ != Phase::kBetween || ending_step_) {
    save_asked_ = true;
  } else {
    checkpoint();
  }
}

/// Only that thread knows when there is a whole state.
void Session::save_by_step_thread() {
  std::unique_lock lock(save_requests_.mutex);
  const std::int64_t mine = ++save_requests_.asked;
  save_requests_.over = false;
  save_asked_ = true;
  wait(
      save_requests_.changed, lock,
      [&] { return save_requests_.served >= mine || save_requests_.over; },
      kLongestStep);
  if (save_requests_.served >= mine) return;
  if (save_requests_.over)
    fail(Kind::kState, options_.exp_id, "the run ended before it could save");
  fail(Kind::kBusy, options_.exp_id,
       "no step has ended for a minute; it is saved when this one has");
}

void Session::serve_saves(std::int64_t asked) {
  {
    std::lock_guard lock(save_requests_.mutex);
    save_requests_.served = asked;
  }
  save_requests_.changed.notify_all();
}

void Session::end_save_requests() {
  step_thread_ = std::thread::id();
  {
    std::lock_guard lock(save_requests_.mutex);
    save_requests_.over = true;
  }
  save_requests_.changed.notify_all();
}

void Session::checkpoint(Value best) {
  static const auto kBefore = Callbacks::intern("before_save");
  static const auto kAfter = Callbacks::intern("after_save");
  const std::int64_t asked = [&] {
    std::lock_guard lock(save_requests_.mutex);
    return save_requests_.asked;
  }();
  if (last_saved_step_ == progress_.step && best.is_null())
    return serve_saves(asked);
  raise(kBefore);
  read_pending();
  settle_saves(false);
  flush_history(true);
  std::string id = new_id();
  if (!best.is_null()) {
    best.as_dict()["checkpoint"] = id;
    record_.best = std::move(best);
  }
  record_changes();
  Dict document{{"_id", Value(id)},
                {"kind", Value("checkpoint")},
                {"exp_id", Value(options_.exp_id)},
                {"attempt", Value(attempt_)},
                {"step", Value(progress_.step)},
                {"epoch", Value(progress_.epoch)},
                {"time", Value(now())},
                {"seconds", Value(seconds())},
                {"best", record_.best},
                {"config", record_.config},
                {"given", record_.given},
                {"edits", Value(record_.edits)},
                {"state", state_to_save()}};
  const Value whole(std::move(document));
  patiently([&] { store_->save_checkpoint(whole); });
  last_saved_step_ = progress_.step;
  saves_unsettled_ = true;
  raise(kAfter);
  serve_saves(asked);
}

/// With what waits for its attribute: it is not lost.
Value Session::state_to_save() {
  Value state = state_dict(true);
  for (const auto& [name, part] : waiting_parts_)
    if (!state.as_dict().contains(to_string(name)))
      state.as_dict().set(name, part);
  return state;
}

void Session::record_changes() {
  // What changed behind the session's back since the last save.
  Value config = effective_config();
  for (const Change& change : compare(record_.config, config))
    add_edit(change, progress_.step, "unattributed");
  record_.config = std::move(config);
  raise_edits();
}

void Session::add_edit(const Change& change, std::int64_t step,
                       const char* cause) {
  Value edit(Dict{{"session", Value(options_.exp_id)},
                  {"attempt", Value(attempt_)},
                  {"step", Value(step)},
                  {"path", Value(change.path)},
                  {"old", change.before},
                  {"new", change.after},
                  {"cause", Value(cause)}});
  // A resume that was killed before its first save is made once more.
  for (const Value& known : record_.edits.items)
    if (known.identical(edit)) return;
  unraised_edits_.items.push_back(edit);
  record_.edits.items.push_back(std::move(edit));
}

void Session::raise_edits() {
  static const auto kEdit = Callbacks::intern("on_edit");
  for (const Value& edit : std::exchange(unraised_edits_, List()).items) {
    Dict told;
    for (const char* name : {"path", "old", "new", "cause"})
      told.set(name, edit.as_dict().at(name));
    raise(kEdit, Value(std::move(told)));
  }
}

/// Waits until what was queued is durable, then lets older checkpoints go and
/// names the best one in the record. Unless it is to `wait`: another time,
/// where another process keeps the database locked.
void Session::settle_saves(bool wait) {
  if (!saves_unsettled_ || (!wait && options_.dbinterface->is_locked())) return;
  auto settle = [this] {
    options_.dbinterface->sync();
    settle_best();
    const Value* best = record_.best.find_path("checkpoint");
    write_record(false);
    store_->retain(record_.attempts, settings_.keep_last,
                   best ? best->as_string() : "");
    saves_unsettled_ = false;
  };
  try {
    if (wait) return patiently(settle);
    settle();
  } catch (const Error& error) {
    if (wait || error.kind() != Kind::kBusy) {
      saves_unsettled_ = false;
      throw;
    }
  }
}

/// A best one counts when its checkpoint is there; one that could not be saved
/// gives way to the one before it.
void Session::settle_best() {
  if (record_.best.identical(stored_best_)) return;
  const Value* id = record_.best.find_path("checkpoint");
  auto all = store_->checkpoints();
  if (id && std::any_of(all.begin(), all.end(), [&](const CheckpointInfo& c) {
        return c.id == id->as_string();
      }))
    stored_best_ = record_.best;
  else
    record_.best = stored_best_;
}

void Session::write_record(bool patient) {
  {
    std::lock_guard lock(status_mutex_);
    record_.status = status_;
    record_.latest = latest_;
  }
  Value best = std::exchange(record_.best, stored_best_);
  bool mine = true;
  try {
    auto write = [&] { mine = store_->write(record_); };
    if (patient)
      patiently(write);
    else
      write();
  } catch (...) {
    record_.best = std::move(best);
    throw;
  }
  record_.best = std::move(best);
  if (!mine) lost_ = true;
}

}  // namespace ptutils
