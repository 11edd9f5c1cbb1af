#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "module/check.h"
#include "module/classes.h"

using namespace ptutils;
using namespace test;

namespace {

std::string resolved(std::string_view name, std::string_view slot) {
  register_classes();
  const ClassInfo* info = registry().resolve(name, slot);
  return info ? info->name : "";
}

struct Other : Module {};

}  // namespace

TEST_CASE("a bare name is resolved by its slot") {
  CHECK(resolved("TestAdam", "optimizer") == "ptutils.optim.TestAdam");
  CHECK(resolved("TestAdam", "criterion").empty());
  CHECK(resolved("TestNet", "net") == "ptutils.nn.TestNet");
  CHECK(resolved("TestLoss", "criterion") == "ptutils.nn.TestLoss");
  for (const char* slot : {"dataprovider", "datasets", "dataset", "sampler",
                           "train", "val", "test", "data"})
    CHECK(resolved("TestDigits", slot) == "ptutils.data.TestDigits");
  CHECK(resolved("NaNWatcher", "callbacks") == "ptutils.callbacks.NaNWatcher");
}

TEST_CASE("prefixes of a slot are tried in their order") {
  CHECK(resolved("TestModel", "model") == "ptutils.session.TestModel");
  CHECK(resolved("TestModel", "trainer") == "ptutils.session.TestModel");
}

TEST_CASE("a dotted name is taken as it is, in any slot") {
  CHECK(resolved("ptutils.optim.TestAdam", "net") == "ptutils.optim.TestAdam");
  CHECK(resolved("ptutils.TestModel", "model") == "ptutils.TestModel");
  CHECK(resolved("optim.TestAdam", "optimizer").empty());
}

TEST_CASE("another case is accepted when it is unique") {
  CHECK(resolved("nanwatcher", "callbacks") == "ptutils.callbacks.NaNWatcher");
  CHECK(resolved("testadam", "optimizer") == "ptutils.optim.TestAdam");
  add_part("ptutils.optim.TESTADAM", {});
  CHECK(resolved("testadam", "optimizer").empty());
  CHECK(resolved("TESTADAM", "optimizer") == "ptutils.optim.TESTADAM");
}

TEST_CASE("in a slot of another name a unique class is found") {
  CHECK(resolved("TestDigits", "whatever") == "ptutils.data.TestDigits");
  CHECK(resolved("Twin", "whatever").empty());
  CHECK(resolved("Twin", "net") == "ptutils.nn.Twin");
  CHECK(resolved("Twin", "data") == "ptutils.data.Twin");
}

TEST_CASE("a slot lists its bare names, each once") {
  register_classes();
  auto names = registry().names("model");
  CHECK(std::count(names.begin(), names.end(), "TestModel") == 1);
  CHECK(std::count(names.begin(), names.end(), "TestNet") == 0);
  auto all = registry().names("whatever");
  CHECK(std::count(all.begin(), all.end(), "Twin") == 1);
}

TEST_CASE("a class added again replaces the first, a maker may be replaced") {
  Registry r;
  r.add({"ptutils.nn.A", {"x"}, nullptr});
  r.add({"ptutils.nn.A", {"y"}, nullptr});
  CHECK(r.find("ptutils.nn.A")->parameters == std::vector<std::string>{"y"});
  bool called = false;
  r.replace_maker("ptutils.nn.A", [&](const Arguments&) -> ModulePtr {
    called = true;
    return nullptr;
  });
  r.find("ptutils.nn.A")->make(Arguments({}, ""));
  CHECK(called);
  CHECK_ERROR(r.replace_maker("ptutils.nn.AA", nullptr), Kind::kNotFound,
              "no class 'ptutils.nn.AA'; did you mean ptutils.nn.A?");
}

TEST_CASE("a class that was not built in says what it needs") {
  Registry r;
  r.add_unavailable("ptutils.database.MongoInterface", "needs libmongoc");
  CHECK(r.unavailable("MongoInterface") == "needs libmongoc");
  CHECK(r.unavailable("mongointerface") == "needs libmongoc");
  CHECK(r.unavailable("ptutils.database.MongoInterface") == "needs libmongoc");
  CHECK(!r.unavailable("Mongo"));
}

TEST_CASE("arguments give values, defaults, and errors with their path") {
  Arguments a(Dict{{"lr", 3},
                   {"n", 4},
                   {"on", true},
                   {"s", "x"},
                   {"none", nullptr},
                   {"bad", "abc"}},
              "model.optimizer");
  CHECK(a.number("lr") == 3.0);
  CHECK(a.integer("n") == 4);
  CHECK(a.flag("on"));
  CHECK(a.text("s") == "x");
  CHECK(a.has("none"));
  CHECK(!a.has("nope"));
  CHECK(a.get("nope").is_null());
  CHECK(a.number("nope", .5) == .5);
  CHECK(a.number("none", .5) == .5);
  CHECK(a.text("nope", "d") == "d");
  CHECK(!a.flag("nope", false));
  CHECK(a.integer("nope", 7) == 7);
  CHECK_ERROR(a.number("bad"), Kind::kType,
              "[model.optimizer.bad] a number, not 'abc'");
  CHECK_ERROR(a.number("nope"), Kind::kType,
              "[model.optimizer] needs 'nope': a number");
  CHECK_ERROR(a.integer("none"), Kind::kType, "needs 'none': an integer");
  CHECK_ERROR(a.text("n", "d"), Kind::kType, "[model.optimizer.n] a string");
}

TEST_CASE("NumPy's scalars are numbers, arrays are not") {
  auto scalar = [](Tensor t) {
    t.numpy_scalar = true;
    return t;
  };
  Arguments a(Dict{{"lr", scalar(Tensor::scalar_of(.25))},
                   {"n", scalar(Tensor::scalar_of<std::int64_t>(5))},
                   {"on", scalar(Tensor::scalar_of<bool>(true))},
                   {"array", Tensor::scalar_of(.25)}},
              "");
  CHECK(a.number("lr") == .25);
  CHECK(a.integer("n") == 5);
  CHECK(a.number("n") == 5);
  CHECK(a.flag("on"));
  CHECK_ERROR(a.number("array"), Kind::kType, "[array] a number, not tensor");
  CHECK_ERROR(a.integer("lr"), Kind::kType, "[lr] an integer, not 0.25");
}

TEST_CASE("a module argument has its type checked") {
  auto part = std::make_shared<Part>("test.Part", Dict());
  Arguments a(Dict{{"net", handle(part)}, {"none", nullptr}, {"n", 3}},
              "model");
  CHECK(a.module("net") == part);
  CHECK(a.module<Part>("net") == part);
  CHECK(a.module("none") == nullptr);
  CHECK(a.module("nope") == nullptr);
  CHECK_ERROR(a.module<Other>("net"), Kind::kType,
              "[model.net] a test.Part does not fit here");
  CHECK_ERROR(a.module("n"), Kind::kType,
              "[model.n] a module (a configuration with 'func'), not 3");
}
