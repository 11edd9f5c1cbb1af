#include <doctest/doctest.h>

#include "module/check.h"
#include "module/classes.h"

using namespace ptutils;
using namespace test;

namespace {

using Names = std::vector<std::string>;

std::shared_ptr<Counter> counter(Names triggers = {"end_of_epoch"}) {
  return std::make_shared<Counter>("test.Counter", std::move(triggers));
}

Event at_step(std::int64_t step) {
  Event event;
  event.index = step;
  event.progress.step = step;
  return event;
}

Filter every_steps(std::int64_t n) {
  Filter f;
  f.every = Interval::parse(n, "every");
  return f;
}

}  // namespace

TEST_CASE("a trigger has one id, whatever its spelling") {
  auto id = Callbacks::intern("end_of_epoch");
  CHECK(Callbacks::intern("END_OF_EPOCH") == id);
  CHECK(Callbacks::intern("end-of epoch") == id);
  CHECK(Callbacks::intern("my_own") != id);
  CHECK(Callbacks::trigger_name(Callbacks::intern("My_Own")) == "my_own");
  CHECK(Callbacks::known_triggers().front() == "start_of_session");
  CHECK(Callbacks::known_triggers().size() == 18);
  CHECK_ERROR(Callbacks::intern(""), Kind::kValue, "a trigger needs a name");
  CHECK_ERROR(Callbacks::trigger_name(1 << 30), Kind::kIndex, "no trigger");
}

TEST_CASE("a callback hears its triggers and no others") {
  Callbacks c;
  auto heard = counter({"end_of_epoch", "my_own", "END_OF_EPOCH"});
  c.add(heard);
  CHECK(c.listening(Callbacks::intern("my_own")));
  CHECK(!c.listening(Callbacks::intern("start_of_epoch")));
  CHECK(!c.listening(Callbacks::intern("never_heard_of")));
  c.call("end_of_epoch", {});
  c.call("start_of_epoch", {});
  c.call("MY_OWN", {});
  CHECK(heard->told == Names{"end_of_epoch", "my_own"});
}

TEST_CASE("a callback without triggers is refused") {
  Callbacks c;
  CHECK_ERROR(c.add(counter({})), Kind::kValue,
              "[callbacks] a test.Counter has no trigger and would never run");
  CHECK_ERROR(c.add(std::shared_ptr<Callback>()), Kind::kValue, "not null");
  CHECK_ERROR(c.on("x", nullptr), Kind::kValue, "not null");
  CHECK(c.list().empty());
}

TEST_CASE("handlers run in order of registration, late names included") {
  register_classes();
  Callbacks c;
  std::string order;
  c.on("end_of_epoch", [&](const Event&) { order += "1"; });
  WithForeign foreign;
  foreign.classes->shadowing["Late"] = [&](const Dict&) {
    auto made = counter();
    made->then = [&](const Event&) { order += "2"; };
    return made;
  };
  c.add("Late");
  auto third = counter();
  third->then = [&](const Event&) { order += "3"; };
  c.add(third);
  CHECK(order.empty());
  c.call("end_of_epoch", {});
  CHECK(order == "123");
}

TEST_CASE("an error of a handler leaves the call at once") {
  Callbacks c;
  int after = 0;
  c.on("x", [](const Event&) { fail(Kind::kValue, "handler", "stop"); });
  c.on("x", [&](const Event&) { ++after; });
  CHECK_ERROR(c.call("x", {}), Kind::kValue, "[handler] stop");
  CHECK(after == 0);
}

TEST_CASE("a name that nobody knows is an error when it is added") {
  register_classes();
  Callbacks c;
  CHECK_ERROR(c.add("NanWacther"), Kind::kNotFound,
              "[callbacks] no 'NanWacther'; did you mean NaNWatcher?");
  CHECK_ERROR(c.add("NaNWatcher", Dict{{"evry", 1}}), Kind::kKey,
              "[ptutils.callbacks.NaNWatcher] unknown 'evry' (did you mean "
              "every?)");
  CHECK(c.list().empty());
}

TEST_CASE("the instance of a name is made at the first call or list") {
  register_classes();
  int alive = Counter::alive;
  {
    Callbacks c;
    c.add("nanwatcher", Dict{{"every", 3}});
    CHECK(Counter::alive == alive);
    CHECK(c.listening(Callbacks::intern("end_of_epoch")));
    CHECK(Counter::alive == alive + 1);
    CHECK(c.list().size() == 1);
    CHECK(c.list()[0]->class_name() == "ptutils.callbacks.NaNWatcher");
  }
  CHECK(Counter::alive == alive);
}

TEST_CASE("a class that the user defined meanwhile shadows the built-in") {
  register_classes();
  WithForeign foreign;
  Callbacks c;
  c.add("NaNWatcher");
  foreign.classes->shadowing["NaNWatcher"] = [](const Dict&) {
    return std::make_shared<Counter>("mine.NaNWatcher");
  };
  CHECK(c.list()[0]->class_name() == "mine.NaNWatcher");
}

TEST_CASE("a name that cannot be made fails at each call, with the reason") {
  register_classes();
  Callbacks c;
  c.add("Quiet");
  CHECK_ERROR(c.list(), Kind::kValue, "has no trigger");
  CHECK_ERROR(c.call("end_of_epoch", {}), Kind::kValue, "has no trigger");
  c.clear();
  CHECK(c.list().empty());
  WithForeign foreign;
  foreign.classes->importable["my.Net"] = [](const Dict& d) {
    return std::make_shared<Part>("my.Net", d);
  };
  CHECK_ERROR(c.add("my.Net"), Kind::kType,
              "is a my.Net, which is no callback");
}

TEST_CASE("handlers may add, remove and clear while they run") {
  Callbacks c;
  std::string order;
  auto first = counter({"x"}), second = counter({"x"});
  first->then = [&](const Event&) {
    order += "1";
    c.remove(*second);
    c.on("x", [&](const Event&) { order += "n"; });
    c.remove(*first);  // itself
    first.reset();
  };
  second->then = [&](const Event&) { order += "2"; };
  c.add(first);
  c.add(second);
  c.call("x", {});
  CHECK(order == "1");  // the removed is silent, the new waits
  c.call("x", {});
  CHECK(order == "1n");
  c.on("x", [&](const Event&) { c.clear(); });
  c.on("x", [&](const Event&) { order += "never"; });
  c.call("x", {});
  CHECK(order == "1nn");
  CHECK(!c.listening(Callbacks::intern("x")));
}

TEST_CASE("an event tells its trigger") {
  Callbacks c;
  Names told;
  c.on("some_trigger", [&](const Event& e) {
    told.push_back(std::string(e.trigger));
    CHECK(e.index == 7);
  });
  c.call("some_trigger", at_step(7));
  CHECK(told == Names{"some_trigger"});
}

TEST_CASE("filters: every, at, before, after") {
  auto heard = [](const Filter& filter) {
    Callbacks c;
    std::vector<std::int64_t> steps;
    auto callback = counter({"a", "b"});
    callback->then = [&](const Event& e) { steps.push_back(e.index); };
    c.add(callback, filter);
    for (std::int64_t s = 1; s <= 6; ++s) c.call("a", at_step(s));
    c.call("b", at_step(6));  // its filter is its own
    return steps;
  };
  using Steps = std::vector<std::int64_t>;
  CHECK(heard(every_steps(2)) == Steps{2, 4, 6, 6});
  Filter at, before, after;
  at.at = Interval::parse(3, "at");
  before.before = Interval::parse(3, "before");
  after.after = Interval::parse(5, "after");
  CHECK(heard(at) == Steps{3, 6});
  CHECK(heard(before) == Steps{1, 2});
  CHECK(heard(after) == Steps{5, 6, 6});
  after.every = Interval::parse(3, "every");
  CHECK(heard(after) == Steps{6, 6});
  CHECK(heard({}).size() == 7);
}

TEST_CASE("epochs and seconds filter too") {
  Filter f;
  f.after = Interval::parse("1.5 epochs", "after");
  int count = 0;
  Handler handler = filtered(f, [&](const Event&) { ++count; });
  Event e;
  e.progress = {7, 1, 2, 5, 0};
  handler(e);
  CHECK(count == 0);
  e.progress.step_in_epoch = 3;
  handler(e);
  CHECK(count == 1);
  Filter seconds;
  seconds.every = Interval::parse("10 s", "every");
  Handler timed = filtered(seconds, [&](const Event&) { ++count; });
  for (double s : {1000.0, 1009.0, 1010.0, 1019.0, 1020.0}) {
    e.progress.seconds = s;
    timed(e);
  }
  CHECK(count == 3);  // counted from the first moment it saw
}

TEST_CASE("every wraps a function") {
  int count = 0;
  Handler handler = every(3, [&](const Event&) { ++count; });
  for (std::int64_t s = 1; s <= 9; ++s) handler(at_step(s));
  CHECK(count == 3);
  CHECK_ERROR(every(0, handler), Kind::kValue, "[every] more than nothing");
}

TEST_CASE("a visitor sees the callbacks, and may replace or drop them") {
  Callbacks c;
  auto first = counter({"x"}), second = counter({"x"});
  c.add(first);
  c.visit([&](ChildSlot& slot) {
    CHECK(slot.use_count() == 2);  // the registry holds exactly one
    slot.set(second);
  });
  c.call("x", {});
  CHECK(first->told.empty());
  CHECK(second->told.size() == 1);
  c.visit([](ChildSlot& slot) { slot.set(nullptr); });
  c.call("x", {});
  CHECK(second->told.size() == 1);
  CHECK(second.use_count() == 1);
}
