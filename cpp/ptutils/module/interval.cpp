#include "ptutils/module/interval.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <utility>

namespace ptutils {
namespace {

[[noreturn]] void fail_form(Kind kind, const Value& value,
                            std::string_view where, std::string_view what) {
  fail(kind, where, what, ", not ", value.repr(60),
       "; give 500, '500 steps', '1 epoch' or '10 min' (units: step, epoch, "
       "s, sec, min, h)");
}

struct UnitName {
  std::string_view name;
  Interval::Unit unit;
  double factor;
};
constexpr UnitName kUnits[] = {
    {"", Interval::Unit::kSteps, 1},
    {"step", Interval::Unit::kSteps, 1},
    {"epoch", Interval::Unit::kEpochs, 1},
    {"s", Interval::Unit::kSeconds, 1},
    {"sec", Interval::Unit::kSeconds, 1},
    {"second", Interval::Unit::kSeconds, 1},
    {"min", Interval::Unit::kSeconds, 60},
    {"minute", Interval::Unit::kSeconds, 60},
    {"h", Interval::Unit::kSeconds, 3600},
    {"hour", Interval::Unit::kSeconds, 3600},
};

const UnitName* find_unit(std::string_view text) {
  for (const UnitName& unit : kUnits)
    if (text == unit.name) return &unit;
  if (text.size() < 2 || text.back() != 's') return nullptr;
  text.remove_suffix(1);
  for (const UnitName& unit : kUnits)
    if (text == unit.name && unit.name != "s") return &unit;
  return nullptr;
}

Interval parse_text(const Value& value, std::string_view where) {
  std::string text;
  for (char c : value.as_string())
    text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::string_view rest = text;
  auto trim = [&rest] {
    while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t'))
      rest.remove_prefix(1);
    while (!rest.empty() && (rest.back() == ' ' || rest.back() == '\t'))
      rest.remove_suffix(1);
  };
  trim();
  double amount = 0;
  auto [end, error] =
      std::from_chars(rest.data(), rest.data() + rest.size(), amount);
  if (error != std::errc())
    fail_form(Kind::kValue, value, where, "a span of training");
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  trim();
  const UnitName* unit = find_unit(rest);
  if (!unit) fail_form(Kind::kValue, value, where, "a span of training");
  return {unit->unit, amount * unit->factor};
}

/// Epochs done as a fraction, where the length of one is known.
double epochs_done(const Progress& at) {
  double part = at.steps_per_epoch > 0
                    ? static_cast<double>(at.step_in_epoch) /
                          static_cast<double>(at.steps_per_epoch)
                    : 0;
  return static_cast<double>(at.epoch) + part;
}

bool epochs_due(double amount, const Progress& at) {
  if (at.step <= 0) return false;
  bool ended = at.step_in_epoch == 0 && at.epoch > 0;
  if (amount == std::floor(amount))
    return ended && at.epoch % static_cast<std::int64_t>(amount) == 0;
  auto epoch = static_cast<double>(at.epoch);
  if (at.steps_per_epoch <= 0)  // only the ends of epochs are known
    return ended &&
           std::floor(epoch / amount) > std::floor((epoch - 1) / amount);
  // The k-th moment is the step floor(k * span).
  double span = amount * static_cast<double>(at.steps_per_epoch);
  double step =
      std::round(epochs_done(at) * static_cast<double>(at.steps_per_epoch));
  constexpr double kRounding = 1e-6;  // .29 * 100 is 28.999999999999996
  double k = std::max(1.0, std::ceil((step - kRounding) / span));
  double moment = std::floor(k * span + kRounding);
  return step >= 1 && moment == step;
}

}  // namespace

Interval Interval::parse(const Value& value, std::string_view where) {
  Interval out;
  if (value.is_number())
    out.amount = value.as_double();
  else if (value.is_string())
    out = parse_text(value, where);
  else
    fail_form(Kind::kType, value, where, "a span of training");
  if (!std::isfinite(out.amount) || out.amount <= 0)
    fail_form(Kind::kValue, value, where, "more than nothing");
  // Steps and whole epochs are counted in int64.
  if (out.amount > 1e15)
    fail_form(Kind::kValue, value, where, "a smaller span");
  if (out.unit == Unit::kSteps && out.amount != std::floor(out.amount))
    fail_form(Kind::kValue, value, where, "a whole number of steps");
  return out;
}

Value Interval::to_value() const {
  double shown = amount;
  std::string_view word = unit == Unit::kSteps ? " step" : " epoch";
  bool plural = amount != 1;
  if (unit == Unit::kSeconds) {
    plural = false;
    word = " s";
    if (std::fmod(amount, 3600) == 0)
      shown = amount / 3600, word = " h";
    else if (std::fmod(amount, 60) == 0)
      shown = amount / 60, word = " min";
  }
  std::string number = shown == std::floor(shown)
                           ? str(static_cast<std::int64_t>(shown))
                           : str(shown);
  return str(number, word, plural ? "s" : "");
}

bool Due::operator()(const Progress& at) {
  if (every_.amount <= 0) return false;
  if (every_.unit == Interval::Unit::kSeconds) {
    if (at.seconds - last_seconds_ < every_.amount) return false;
    last_seconds_ = at.seconds;
    return true;
  }
  // The last step that was judged, due or not: after a rollback the steps come
  // again, and are due again.
  if (at.step == last_step_ && at.attempt == last_attempt_) return false;
  last_step_ = at.step;
  last_attempt_ = at.attempt;
  if (every_.unit == Interval::Unit::kEpochs)
    return epochs_due(every_.amount, at);
  return at.step > 0 && at.step % static_cast<std::int64_t>(every_.amount) == 0;
}

void Due::start(const Progress& at) { last_seconds_ = at.seconds; }

}  // namespace ptutils
