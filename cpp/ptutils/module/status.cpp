#include "ptutils/module/status.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <iterator>

#include "ptutils/common/names.h"

namespace ptutils {
namespace {

constexpr double kSilent = 60;  // seconds without heartbeat, on another host

constexpr std::string_view kStates[] = {"pending", "in-progress", "paused",
                                        "complete"};
constexpr std::string_view kOutcomes[] = {"", "success", "failure", "stopped"};
constexpr std::string_view kRuns[] = {"new", "resumed", "restarted", "re-run"};

template <class Enum, std::size_t n>
std::string_view word(Enum value, const std::string_view (&words)[n]) {
  return words[static_cast<std::size_t>(value)];
}

template <class Enum, std::size_t n>
void parse_word(const Dict& dict, std::string_view key,
                const std::string_view (&words)[n], Enum& out) {
  const Value* value = dict.find(key);
  if (!value || value->is_null()) return;
  std::string where = str("Status.", key);
  const std::string& text = value->as_string(where);
  auto found = std::find(std::begin(words), std::end(words), text);
  if (found == std::end(words))
    fail(Kind::kFormat, where, "unknown word '", text, "'",
         did_you_mean(text, {std::begin(words), std::end(words)}));
  out = static_cast<Enum>(found - std::begin(words));
}

/// "12:04", with the date when it is not within the last day.
std::string clock_time(double seconds) {
  auto time = static_cast<std::time_t>(seconds);
  std::tm local{};
  localtime_r(&time, &local);
  char text[32];
  bool recent = now() - seconds < 86400;
  std::strftime(text, sizeof text, recent ? "%H:%M" : "%Y-%m-%d %H:%M", &local);
  return text;
}

void take(const Dict& dict, std::string_view key, std::string& out) {
  const Value* v = dict.find(key);
  if (v && !v->is_null()) out = v->as_string(str("Status.", key));
}
void take(const Dict& dict, std::string_view key, std::int64_t& out) {
  const Value* v = dict.find(key);
  if (v && !v->is_null()) out = v->as_int(str("Status.", key));
}
void take(const Dict& dict, std::string_view key, double& out) {
  const Value* v = dict.find(key);
  if (v && !v->is_null()) out = v->as_double(str("Status.", key));
}

}  // namespace

bool Status::lost() const {
  if (state != State::kInProgress) return false;
  if (host == host_name() && boot == boot_id()) return !is_alive(process);
  return now() - heartbeat > kSilent;
}

double Status::percent() const {
  if (state == State::kComplete && outcome == Outcome::kSuccess) return 100;
  if (total_steps <= 0) return -1;
  double part = static_cast<double>(step) / static_cast<double>(total_steps);
  return std::clamp(100 * part, 0.0, 100.0);
}

std::string Status::summary() const {
  std::string out(word(state, kStates));
  auto add = [&out](const std::string& part) { out += " · " + part; };
  if (outcome != Outcome::kNone) add(std::string(word(outcome, kOutcomes)));
  add(std::string(word(run, kRuns)));
  if (attempt > 0) add(str("attempt ", attempt));
  add(str(step, step == 1 ? " step" : " steps"));
  add(format_duration(seconds));
  if (state == State::kPending && !reason.empty()) add(reason);
  return out;
}

std::string Status::column() const {
  std::string text(word(state, kStates));
  switch (state) {
    case State::kPending:
      return reason.empty() ? text : text + ": " + reason;
    case State::kPaused:
      return text;
    case State::kComplete:
      if (outcome == Outcome::kNone) return text;
      return str(text, " (", word(outcome, kOutcomes), ")");
    case State::kInProgress:
      break;
  }
  if (lost()) {
    std::string since = heartbeat > 0
                            ? "no heartbeat since " + clock_time(heartbeat)
                            : "no heartbeat";
    return str("lost (", since, ", pid ", process.pid, ")");
  }
  if (run == Run::kNew && attempt == 0) return text;
  return str(text, " (", word(run, kRuns), ", attempt ", attempt, ")");
}

Value Status::to_value() const {
  Dict out;
  out["state"] = word(state, kStates);
  out["outcome"] =
      outcome == Outcome::kNone ? Value() : Value(word(outcome, kOutcomes));
  out["kind"] = word(run, kRuns);
  out["attempt"] = attempt;
  out["reason"] = reason;
  out["stage"] = stage;
  out["step"] = step;
  out["epoch"] = epoch;
  out["total_steps"] = total_steps;
  out["seconds"] = seconds;
  out["eta"] = eta < 0 ? Value() : Value(eta);
  out["heartbeat"] = heartbeat;
  out["host"] = host;
  out["boot"] = boot;
  out["pid"] = process.pid;
  out["pid_start"] = process.start;
  out["where"] = where;
  out["exception"] = exception;
  return out;
}

Status Status::from_value(const Value& value) {
  const Dict& dict = value.as_dict("Status");
  Status out;
  parse_word(dict, "state", kStates, out.state);
  parse_word(dict, "outcome", kOutcomes, out.outcome);
  parse_word(dict, "kind", kRuns, out.run);
  take(dict, "attempt", out.attempt);
  take(dict, "reason", out.reason);
  take(dict, "stage", out.stage);
  take(dict, "step", out.step);
  take(dict, "epoch", out.epoch);
  take(dict, "total_steps", out.total_steps);
  take(dict, "seconds", out.seconds);
  take(dict, "eta", out.eta);
  take(dict, "heartbeat", out.heartbeat);
  take(dict, "host", out.host);
  take(dict, "boot", out.boot);
  take(dict, "pid", out.process.pid);
  take(dict, "pid_start", out.process.start);
  take(dict, "where", out.where);
  take(dict, "exception", out.exception);
  return out;
}

std::string format_duration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e15) return "-";
  auto whole = static_cast<std::int64_t>(seconds);
  std::int64_t days = whole / 86400;
  char clock[32];
  std::snprintf(clock, sizeof clock, "%d:%02d:%02d",
                static_cast<int>(whole % 86400 / 3600),
                static_cast<int>(whole % 3600 / 60),
                static_cast<int>(whole % 60));
  if (days == 0) return clock;
  return str(days, days == 1 ? " day " : " days ", clock);
}

}  // namespace ptutils
