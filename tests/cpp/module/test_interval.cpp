#include <doctest/doctest.h>

#include "module/check.h"
#include "ptutils/module/interval.h"

using namespace ptutils;
using Unit = Interval::Unit;

namespace {

Interval parse(const Value& value) { return Interval::parse(value, "every"); }

/// Steps at which `interval` is due in `epochs` epochs of `length` steps.
std::vector<std::int64_t> due_steps(const Value& interval, std::int64_t length,
                                    std::int64_t epochs,
                                    bool length_known = true) {
  Due due(parse(interval));
  std::vector<std::int64_t> out;
  for (std::int64_t step = 1; step <= length * epochs; ++step) {
    Progress at;
    at.step = step;
    at.epoch = step / length;
    at.step_in_epoch = step % length;
    at.steps_per_epoch = length_known ? length : 0;
    if (due(at)) out.push_back(step);
    if (due(at)) out.push_back(-step);  // twice at one moment
  }
  return out;
}

using Steps = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("an interval is read in each of its forms") {
  struct Case {
    Value text;
    Unit unit;
    double amount;
  };
  for (const Case& c : std::vector<Case>{{500, Unit::kSteps, 500},
                                         {500.0, Unit::kSteps, 500},
                                         {"500", Unit::kSteps, 500},
                                         {"500 steps", Unit::kSteps, 500},
                                         {"1 step", Unit::kSteps, 1},
                                         {" 1  Epoch ", Unit::kEpochs, 1},
                                         {".5 epoch", Unit::kEpochs, .5},
                                         {"2 epochs", Unit::kEpochs, 2},
                                         {"10 min", Unit::kSeconds, 600},
                                         {"10min", Unit::kSeconds, 600},
                                         {"10 mins", Unit::kSeconds, 600},
                                         {"90 s", Unit::kSeconds, 90},
                                         {"90 sec", Unit::kSeconds, 90},
                                         {"90 seconds", Unit::kSeconds, 90},
                                         {"1.5 h", Unit::kSeconds, 5400},
                                         {"2 hours", Unit::kSeconds, 7200},
                                         {"1e3 steps", Unit::kSteps, 1000}}) {
    CAPTURE(c.text.repr());
    CHECK(parse(c.text).unit == c.unit);
    CHECK(parse(c.text).amount == c.amount);
    Interval again = parse(parse(c.text).to_value());
    CHECK(again.unit == c.unit);
    CHECK(again.amount == c.amount);
  }
  CHECK(parse(500).to_value().as_string() == "500 steps");
  CHECK(parse("600 s").to_value().as_string() == "10 min");
  CHECK(parse("1 epoch").to_value().as_string() == "1 epoch");
}

TEST_CASE("what is no interval is an error with the place and the forms") {
  for (const char* text : {"", "often", "10 parsecs", "steps", "-1 step", "0",
                           "0 steps", "1.5 steps", "nan epochs", "inf s",
                           "1e300 steps", "ss", "1 ss", "1 2 steps"})
    CHECK_ERROR(Interval::parse(text, "save_params.every"), Kind::kValue,
                "[save_params.every] ");
  CHECK_ERROR(parse("often"), Kind::kValue,
              "not 'often'; give 500, '500 steps', '1 epoch' or '10 min'");
  CHECK_ERROR(parse(true), Kind::kType, "not true");
  CHECK_ERROR(parse(nullptr), Kind::kType, "not null");
  CHECK_ERROR(parse(0), Kind::kValue, "more than nothing, not 0");
}

TEST_CASE("steps and epochs are due at their moments, each once") {
  CHECK(due_steps(3, 5, 2) == Steps{3, 6, 9});
  CHECK(due_steps("1 epoch", 5, 3) == Steps{5, 10, 15});
  CHECK(due_steps("2 epochs", 5, 5) == Steps{10, 20});
  CHECK(due_steps(".5 epoch", 10, 2) == Steps{5, 10, 15, 20});
  CHECK(due_steps(".5 epoch", 5, 2) == Steps{2, 5, 7, 10});
  CHECK(due_steps("1.5 epochs", 4, 3) == Steps{6, 12});
  CHECK(due_steps(".1 epoch", 10, 1) == Steps{1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  CHECK(due_steps(".05 epoch", 4, 1) == Steps{1, 2, 3, 4});
  CHECK(due_steps(".29 epoch", 100, 1) == Steps{29, 58, 87});
}

TEST_CASE("of epochs without a known length only the ends are moments") {
  CHECK(due_steps("1 epoch", 5, 2, false) == Steps{5, 10});
  CHECK(due_steps(".5 epoch", 5, 2, false) == Steps{5, 10});
  CHECK(due_steps("1.5 epochs", 5, 4, false) == Steps{10, 15});
}

TEST_CASE("a step that comes again after a rollback is due again") {
  Due due(parse(10));
  auto at = [&](std::int64_t step) {
    Progress p;
    p.step = step;
    return due(p);
  };
  CHECK(!at(0));
  CHECK(at(10));
  CHECK(!at(10));
  CHECK(!at(9));
  CHECK(at(10));
}

TEST_CASE("seconds count from the start, then from the last time") {
  Due due(parse("10 s"));
  auto at = [&](double seconds) {
    Progress p;
    p.step = 7;
    p.seconds = seconds;
    return due(p);
  };
  Progress begin;
  begin.seconds = 1000;
  due.start(begin);
  CHECK(!at(1009));
  CHECK(at(1010.5));
  CHECK(!at(1010.5));
  CHECK(!at(1020));
  CHECK(at(1021));
}
