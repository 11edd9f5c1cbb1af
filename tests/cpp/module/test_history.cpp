#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>
#include <vector>

#include "module/check.h"
#include "ptutils/module/history.h"

using namespace ptutils;

namespace {

void log(History& h, std::int64_t attempt, std::int64_t step, double value,
         std::string_view name = "train/loss", double time = 0) {
  h.log(name, {attempt, step, step / 10, time, value});
}

std::vector<std::int64_t> steps(const History& h, bool branches = false,
                                std::string_view name = "train/loss") {
  std::vector<std::int64_t> out;
  for (const auto& r : h.records(name, branches)) out.push_back(r.step);
  return out;
}

std::vector<double> values(const History& h) {
  std::vector<double> out;
  for (const char* name : {"train/loss", "even"})
    for (const auto& r : h.records(name, true)) out.push_back(r.value);
  return out;
}

std::size_t taken_count(const Value& taken, const char* name) {
  const Value* v = taken.find_path(str("metrics.", name, ".step"));
  return v ? static_cast<std::size_t>(v->as_tensor().numel()) : 0;
}

using Steps = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("records come back in order, by name") {
  History h;
  CHECK(h.empty());
  CHECK(std::isnan(h.last("train/loss")));
  for (int s = 1; s <= 3; ++s) log(h, 0, s, 1.0 / s);
  log(h, 0, 3, .5, "val/accuracy");
  CHECK(!h.empty());
  CHECK(steps(h) == Steps{1, 2, 3});
  CHECK(h.last("train/loss") == 1.0 / 3);
  CHECK(h.records("none").empty());
  CHECK(h.names() == std::vector<std::string>{"train/loss", "val/accuracy"});
  CHECK(h.names("val/*") == std::vector<std::string>{"val/accuracy"});
}

TEST_CASE("of two values at one step the last stands") {
  History h;
  log(h, 0, 1, 5);
  log(h, 0, 1, 6);
  CHECK(h.records("train/loss").size() == 1);
  CHECK(h.last("train/loss") == 6);
}

TEST_CASE("a step back without a new attempt is an error") {
  History h;
  log(h, 0, 9, 1);
  CHECK_ERROR(log(h, 0, 5, 1), Kind::kValue,
              "[History.log] 'train/loss' at attempt 0, step 5 comes after "
              "attempt 0, step 9; begin a new attempt");
  CHECK(steps(h) == Steps{9});
  h.begin_attempt(1, 4);
  log(h, 1, 5, 2);
  CHECK(steps(h) == Steps{5});
}

TEST_CASE("the current line leaves out what later attempts did again") {
  History h;
  for (int s = 1; s <= 10; ++s) log(h, 0, s, s);
  h.begin_attempt(1, 6);
  CHECK(steps(h) == Steps{1, 2, 3, 4, 5, 6});
  CHECK(h.last("train/loss") == 6);
  for (int s = 7; s <= 9; ++s) log(h, 1, s, 100 + s);
  CHECK(steps(h) == Steps{1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(h.last("train/loss") == 109);
  h.begin_attempt(2, 3);  // before attempt 1 began: all of it is left
  log(h, 2, 4, 204);
  CHECK(steps(h) == Steps{1, 2, 3, 4});
  CHECK(h.last("train/loss") == 204);
  CHECK(steps(h, true) == Steps{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 7, 8, 9, 4});
}

TEST_CASE("a later attempt that goes on further hides nothing") {
  History h;
  for (int s = 1; s <= 4; ++s) log(h, 0, s, s);
  h.begin_attempt(1, 4);
  h.begin_attempt(2, 4);
  CHECK(steps(h) == Steps{1, 2, 3, 4});
  CHECK(h.last("train/loss") == 4);
  h.begin_attempt(3, 0);  // from the start
  CHECK(steps(h).empty());
  CHECK(std::isnan(h.last("train/loss")));
}

TEST_CASE("at a step of two attempts the last value is the later attempt's") {
  History h;
  log(h, 0, 4, 1);
  h.begin_attempt(1, 4);
  log(h, 1, 4, 2);
  CHECK(h.last("train/loss") == 2);
  CHECK(h.records("train/loss").back().value == 2);
}

TEST_CASE("a take gives what is new, and no more") {
  History h;
  CHECK(h.take_new().is_null());
  for (int s = 1; s <= 5; ++s) log(h, 0, s, s);
  CHECK(taken_count(h.take_new(), "train/loss") == 5);
  CHECK(h.take_new().is_null());
  log(h, 0, 6, 6);
  log(h, 0, 6, 6, "other");
  Value taken = h.take_new();
  CHECK(taken_count(taken, "train/loss") == 1);
  CHECK(taken_count(taken, "other") == 1);
  log(h, 0, 6, 7);  // taken, and then said again
  taken = h.take_new();
  CHECK(taken_count(taken, "train/loss") == 1);
  CHECK(taken_count(taken, "other") == 0);
  h.begin_attempt(1, 2);
  taken = h.take_new();
  CHECK(taken.find_path("attempts.from")->as_tensor().item_i64() == 2);
  CHECK(taken.find_path("metrics")->as_dict().empty());
  CHECK(h.take_new().is_null());
}

TEST_CASE("parts that were taken give the whole, in any order") {
  History h;
  std::vector<Value> parts;
  for (int s = 1; s <= 9; ++s) {
    log(h, 0, s, s, "train/loss", s);
    if (s % 2 == 0) log(h, 0, s, s, "even", s);
    if (s == 5) log(h, 0, 5, 55, "train/loss", 5.5);
    if (s % 3 == 0) parts.push_back(h.take_new());
  }
  log(h, 0, 9, 99, "train/loss", 9.5);  // stands over a part already taken
  h.begin_attempt(1, 4);
  log(h, 1, 5, 105, "train/loss", 12);
  parts.push_back(h.take_new());
  for (auto order : {std::vector<int>{0, 1, 2, 3}, std::vector<int>{3, 2, 1, 0},
                     std::vector<int>{2, 0, 3, 1}}) {
    History back;
    for (int i : order) back.add(parts[static_cast<std::size_t>(i)]);
    CHECK(back.equal(h));
    CHECK(back.take_new().is_null());
    CHECK(steps(back) == steps(h));
    CHECK(values(back) == values(h));
  }
  History twice = h;
  for (const Value& part : parts) twice.add(part);
  CHECK(twice.equal(h));
}

TEST_CASE("what was added is not new, what is logged around it is") {
  History source, h;
  for (int s = 1; s <= 3; ++s) log(source, 0, s, s);
  log(h, 0, 2, 2, "train/loss", -1);
  log(h, 0, 5, 5);
  h.add(source.to_value());
  CHECK(steps(h) == Steps{1, 2, 3, 5});
  Value taken = h.take_new();
  CHECK(taken_count(taken, "train/loss") == 1);  // 2 came back, 5 is new
  CHECK(h.take_new().is_null());
}

TEST_CASE("a history comes back from its value, bits included") {
  History h;
  log(h, 0, 1, std::nan(""));
  log(h, 0, 2, -0.0);
  log(h, 0, 3, 1.0 / 3);
  h.begin_attempt(1, 2);
  History back = History::from_value(h.to_value());
  CHECK(back.equal(h));
  CHECK(back.to_value().identical(h.to_value()));
  CHECK(steps(back) == Steps{1, 2});
  CHECK(History::from_value(History().to_value()).empty());
}

TEST_CASE("histories are equal when their current lines are") {
  History a, b;
  log(a, 0, 1, 2, "x", 10);
  log(b, 0, 1, 2, "x", 20);
  CHECK(a.equal(b));
  CHECK(a.equal(a));
  log(b, 0, 2, 2, "x");
  CHECK(!a.equal(b));
  log(a, 0, 2, -2, "x");
  CHECK(!a.equal(b));
  History c = a;
  CHECK(c.equal(a));
  c.begin_attempt(1, 1);  // a killed run that did step 2 again
  CHECK(!c.equal(a));
  log(c, 1, 2, -2, "x");
  CHECK(c.equal(a));
  CHECK(a.equal(c));
  log(c, 1, 3, 1, "y");
  CHECK(!c.equal(a));
  CHECK(!a.equal(c));
  c.begin_attempt(2, 2);
  CHECK(c.equal(a));  // of "y" nothing is left
  History zero, minus;
  log(zero, 0, 1, 0.0);
  log(minus, 0, 1, -0.0);
  CHECK(!zero.equal(minus));
}

TEST_CASE("malformed columns are an error, and change nothing") {
  History h;
  log(h, 0, 1, 1);
  Value good = h.to_value();
  auto broken = [&](const char* path, Value value) {
    Value v = good;
    v.set_path(path, std::move(value));
    return v;
  };
  History target;
  CHECK_ERROR(target.add(3), Kind::kType, "a dict, not 3");
  CHECK_ERROR(target.add(broken("metrics.train/loss.step", 3)), Kind::kFormat,
              "[History.metrics.train/loss.step] a 1-d tensor of i64, not 3");
  CHECK_ERROR(target.add(broken("metrics.train/loss.step",
                                Tensor::zeros({2}, DType::kI64))),
              Kind::kFormat, "2 records, but 1 in the columns before it");
  CHECK_ERROR(target.add(broken("metrics.train/loss.value",
                                Tensor::zeros({1}, DType::kF32))),
              Kind::kFormat, "a 1-d tensor of f64");
  CHECK_ERROR(target.add(broken("metrics.train/loss.value",
                                Tensor::zeros({1, 1}, DType::kF64))),
              Kind::kFormat, "a 1-d tensor of f64");
  CHECK_ERROR(target.add(broken("attempts", Dict())), Kind::kFormat,
              "not nothing");
  CHECK(target.empty());
}

TEST_CASE("ten thousand logs take some ten milliseconds") {
  History h;
  std::vector<std::string> names{"train/loss", "train/lr", "train/grad_norm"};
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 30000; ++i)
    log(h, 0, i / 3, i, names[static_cast<std::size_t>(i % 3)]);
  std::chrono::duration<double> spent =
      std::chrono::steady_clock::now() - start;
  double each = spent.count() / 30000 * 1e6;
  MESSAGE(each, " us a log");
  CHECK(spent.count() < 3.0);  // far above: the machine is shared
}

TEST_CASE("threads log, read and take at once, and nothing is lost") {
  History h;
  constexpr int kThreads = 4, kLogs = 2000;
  std::atomic<std::size_t> taken{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      std::string name = str("metric", t);
      for (int i = 1; i <= kLogs; ++i) log(h, 0, i, i, name);
    });
  auto count = [](const Value& part) {
    std::size_t n = 0;
    if (!part.is_null())
      for (const auto& [key, value] : part.find_path("metrics")->as_dict())
        n += static_cast<std::size_t>(
            value.find_path("step")->as_tensor().numel());
    return n;
  };
  std::thread taker([&] {
    while (!stop) taken += count(h.take_new());
  });
  std::thread reader([&] {
    while (!stop) {
      History copy = h;
      (void)copy.equal(h);
      (void)h.last("metric0");
      (void)h.names("metric*");
      std::this_thread::yield();
    }
  });
  for (auto& thread : threads) thread.join();
  stop = true;
  taker.join();
  reader.join();
  taken += count(h.take_new());
  CHECK(taken == kThreads * kLogs);
}
