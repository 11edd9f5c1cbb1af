#include <doctest/doctest.h>

#include "module/check.h"
#include "module/classes.h"
#include "ptutils/module/configuration.h"

using namespace ptutils;
using namespace test;

namespace {

BuildContext at(std::string path, std::string slot) {
  BuildContext context;
  context.path = std::move(path);
  context.slot = std::move(slot);
  return context;
}

Value build(const Value& config, const BuildContext& context = {}) {
  register_classes();
  return configure(config, context);
}

const Part& part(const Value* value) {
  REQUIRE(value);
  auto found = std::dynamic_pointer_cast<Part>(module_in(*value));
  REQUIRE(found);
  return *found;
}

Value config_of(std::vector<std::pair<std::string_view, Value>> entries) {
  Dict out;
  for (auto& [key, value] : entries) out[key] = std::move(value);
  return out;
}

Value func(std::string name) { return config_of({{"func", name}}); }

Value number(std::string_view text) {
  return text == "null" ? Value() : Value(text);
}

}  // namespace

TEST_CASE("a dict with func becomes the object, other values stay") {
  Value built = build(
      config_of({{"seed", 3},
                 {"note", "text"},
                 {"net", config_of({{"func", "TestNet"}, {"width", 10}})}}));
  CHECK(built.find_path("seed")->as_int() == 3);
  CHECK(built.find_path("note")->is_string());
  const Part& net = part(built.find_path("net"));
  CHECK(net.name == "ptutils.nn.TestNet");
  CHECK(net.values.at("width").as_int() == 10);
  CHECK(!net.values.contains("func"));
}

TEST_CASE("parts inside parts and lists are built first") {
  Value built = build(
      config_of(
          {{"func", "TestNet"},
           {"layers", Value::list({config_of({{"func", "TestLoss"}}), 2})}}),
      at("net", "net"));
  const Value& layers = part(&built).values.at("layers");
  CHECK(part(&layers.as_list().items[0]).name == "ptutils.nn.TestLoss");
  CHECK(layers.as_list().items[1].as_int() == 2);
}

TEST_CASE("the slot is the key; of a list or of datasets the parent's") {
  Value built = build(config_of(
      {{"datasets",
        config_of({{"noisy", config_of({{"func", "TestDigits"},
                                        {"transform", func("TestNet")}})}})},
       {"callbacks", Value::list({func("NaNWatcher")})}}));
  CHECK(part(built.find_path("datasets.noisy")).name ==
        "ptutils.data.TestDigits");
  CHECK(module_in(*built.find_path("callbacks.0"))->class_name() ==
        "ptutils.callbacks.NaNWatcher");
  CHECK_ERROR(build(config_of({{"optimizer", Value::list({func("TestNet")})}})),
              Kind::kNotFound, "[optimizer[0].func] no 'TestNet'");
}

TEST_CASE("a plain string is a class under callbacks only") {
  Value built = build(config_of({{"callbacks", Value::list({"nanwatcher"})},
                                 {"dbinterface", Value::list({"runs.db"})},
                                 {"criterion", "TestLoss"}}));
  CHECK(module_in(*built.find_path("callbacks.0")));
  CHECK(built.find_path("dbinterface.0")->as_string() == "runs.db");
  CHECK(built.find_path("criterion")->as_string() == "TestLoss");
  CHECK(module_in(
      *build(config_of({{"callbacks", "NaNWatcher"}})).find_path("callbacks")));
  register_classes();
  CHECK(configure_module("TestLoss", at("model.criterion", "criterion"))
            ->class_name() == "ptutils.nn.TestLoss");
}

TEST_CASE("an unknown class is an error with its path and the nearest names") {
  CHECK_ERROR(
      build(config_of({{"callbacks", Value::list({func("NanWacther")})}})),
      Kind::kNotFound,
      "[callbacks[0].func] no 'NanWacther'; did you mean NaNWatcher?");
  CHECK_ERROR(build(config_of({{"callbacks", Value::list({"NanWacther"})}})),
              Kind::kNotFound, "[callbacks[0]] no 'NanWacther'");
  CHECK_ERROR(build(config_of({{"func", 3}})), Kind::kType,
              "[func] the name of a class, not 3 (int)");
  CHECK_ERROR(build(func("no.such.Class"), at("net", "net")), Kind::kNotFound,
              "[net.func] no 'no.such.Class'");
}

TEST_CASE("a class that was not built in names what it needs") {
  register_classes();
  registry().add_unavailable("TestMongo",
                             "needs libmongoc (-DPTUTILS_MONGO=ON)");
  CHECK_ERROR(build(config_of({{"dbinterface", func("TestMongo")}})),
              Kind::kNotImplemented,
              "[dbinterface.func] 'TestMongo' needs libmongoc");
}

TEST_CASE("unknown arguments are one error with the nearest names") {
  CHECK_ERROR(build(config_of({{"optimizer", config_of({{"func", "TestAdam"},
                                                        {"lrr", 1},
                                                        {"beta", 2},
                                                        {"zzzzzz", 3}})}})),
              Kind::kKey,
              "[optimizer] unknown 'lrr' (did you mean lr?), 'beta' (did you "
              "mean betas?), 'zzzzzz'; known: lr, betas");
  CHECK_ERROR(build(config_of({{"criterion",
                                config_of({{"func", "TestLoss"}, {"x", 1}})}})),
              Kind::kKey, "unknown 'x'; it takes none");
  CHECK(part(&static_cast<const Value&>(
                 build(config_of({{"func", "TestFree"}, {"any", 1}}),
                       at("net", "net"))))
            .values.contains("any"));
}

TEST_CASE("expresso's package, class and kwargs are func") {
  Value built = build(
      config_of({{"optimizer", config_of({{"package", "ptutils.optim"},
                                          {"class", "TestAdam"},
                                          {"kwargs", config_of({{"lr", 1}})}})},
                 {"criterion", config_of({{"package", nullptr},
                                          {"class", "TestLoss"},
                                          {"kwargs", nullptr}})}}));
  CHECK(part(built.find_path("optimizer")).values.at("lr").as_int() == 1);
  CHECK(part(built.find_path("criterion")).name == "ptutils.nn.TestLoss");
  // Data with such keys is data.
  Value data = config_of({{"class", "bird"}, {"kwargs", 3}});
  CHECK(build(config_of({{"x", data}})).find_path("x")->identical(data));
  Value alone = config_of({{"class", "TestLoss"}});
  CHECK(build(alone).identical(alone));
}

TEST_CASE("what was built already stays") {
  auto made = std::make_shared<Part>("test.Part", Dict());
  Value built = build(config_of({{"func", "TestModel"}, {"net", handle(made)}}),
                      at("model", "model"));
  CHECK(module_in(part(&built).values.at("net")) == made);
  register_classes();
  CHECK(configure_module(handle(made), {}) == made);
  CHECK_ERROR(configure_module(3, at("model.net", "net")), Kind::kType,
              "[model.net] a module (a dict with 'func', or a class name), "
              "not 3 (int)");
}

TEST_CASE("the user's class shadows a built-in one") {
  WithForeign foreign;
  foreign.classes->shadowing["TestNet"] = [](const Dict& d) {
    return std::make_shared<Part>("mine.TestNet", d);
  };
  Value built = build(
      config_of({{"net", config_of({{"func", "TestNet"}, {"mine", 1}})}}));
  CHECK(part(built.find_path("net")).name == "mine.TestNet");
}

TEST_CASE("for a foreign net the other library's optimizer goes first") {
  WithForeign foreign;
  auto theirs = [](const Dict& d) {
    return std::make_shared<Part>("torch.optim.TestAdam", d);
  };
  foreign.classes->importable["TestAdam"] = theirs;
  foreign.classes->importable["torch.nn.Net"] = [](const Dict& d) {
    return std::make_shared<Part>("torch.nn.Net", d);
  };
  auto model = [&](const char* net, const char* optimizer) {
    Value built = build(
        config_of({{"model", config_of({{"optimizer", func(optimizer)},
                                        {"net", func(net)},
                                        {"criterion", func("TestLoss")}})}}));
    CHECK(part(built.find_path("model.criterion")).name ==
          "ptutils.nn.TestLoss");  // asked, not there, so ours
    return part(built.find_path("model.optimizer")).name;
  };
  CHECK(model("torch.nn.Net", "TestAdam") == "torch.optim.TestAdam");
  CHECK(model("TestNet", "TestAdam") == "ptutils.optim.TestAdam");
  CHECK(model("torch.nn.Net", "ptutils.optim.TestAdam") ==
        "ptutils.optim.TestAdam");
  CHECK(foreign.classes->asked.front() == "net:torch.nn.Net");
}

TEST_CASE("keys keep their order though the net is built first") {
  Value built = build(
      config_of({{"optimizer", func("TestAdam")}, {"net", func("TestNet")}}),
      at("model", "model"));
  CHECK(built.as_dict().keys() == std::vector<std::string>{"optimizer", "net"});
}

TEST_CASE("an override sets a value where its parent is") {
  Value config =
      config_of({{"model", config_of({{"optimizer", config_of({{"lr", 1}})}})},
                 {"callbacks", Value::list({config_of({{"func", "A"}})})}});
  apply_override(config, "model.optimizer.lr=3e-4", number);
  CHECK(config.find_path("model.optimizer.lr")->as_string() == "3e-4");
  apply_override(config, "model.optimizer.momentum=a=b", number);
  CHECK(config.find_path("model.optimizer.momentum")->as_string() == "a=b");
  apply_override(config, " seed =null", number);
  CHECK(config.find_path("seed")->is_null());
  apply_override(config, "callbacks.0.func=B", number);
  CHECK(config.find_path("callbacks.0.func")->as_string() == "B");
}

TEST_CASE("an override that fits nowhere says where and what is near") {
  Value config =
      config_of({{"model", config_of({{"optimizer", config_of({{"lr", 1}})}})},
                 {"callbacks", Value::list({config_of({{"func", "A"}})})}});
  Value before = config;
  auto override = [&](const char* text) {
    apply_override(config, text, number);
  };
  CHECK_ERROR(override("model.optimzer.lr=1"), Kind::kKey,
              "[model.optimzer.lr] no 'optimzer' in model; did you mean "
              "optimizer?");
  CHECK_ERROR(override("modle.optimizer.lr=1"), Kind::kKey,
              "no 'modle' in the configuration; did you mean model?");
  CHECK_ERROR(override("callbacks.1.func=1"), Kind::kKey,
              "no '1' in callbacks; it has 1 items, from 0");
  CHECK_ERROR(override("model.optimizer.lr.x=1"), Kind::kType,
              "[model.optimizer.lr] is 1 (int)");
  CHECK_ERROR(override("lr"), Kind::kValue,
              "'lr' is no assignment; write path=value");
  CHECK_ERROR(override("=3"), Kind::kValue, "no assignment");
  CHECK(config.identical(before));
}

TEST_CASE("two configurations are compared leaf by leaf") {
  Value before = config_of({{"lr", 1},
                            {"net", config_of({{"func", "A"}, {"width", 3}})},
                            {"list", Value::list({1, 2})},
                            {"gone", "x"}});
  Value after = config_of({{"net", config_of({{"func", "B"}, {"width", 3}})},
                           {"lr", 1},
                           {"list", Value::list({1, 3, 4}, true)},
                           {"new", config_of({{"func", "C"}})}});
  auto changes = compare(before, after);
  std::string paths;
  for (const Change& c : changes) paths += c.path + " ";
  CHECK(paths == "net.func list.1 list.2 gone new ");
  CHECK(changes[0].before.as_string() == "A");
  CHECK(changes[0].after.as_string() == "B");
  CHECK(changes[2].before.is_null());
  CHECK(changes[3].after.is_null());
  CHECK(compare(before, before).empty());
  CHECK(compare(1, 2).front().path.empty());
  Value rebuilt = before;
  for (const Change& c : compare(before, config_of({{"lr", 2}, {"net", 3}})))
    rebuilt.set_path(c.path, c.after);
  CHECK(rebuilt.find_path("lr")->as_int() == 2);
  CHECK(rebuilt.find_path("net")->as_int() == 3);
}

TEST_CASE("a change of structure is told from a change of a value") {
  auto structural = [](const char* path, Value before, Value after) {
    return is_structural({path, std::move(before), std::move(after)});
  };
  CHECK(structural("net.func", "A", "B"));
  CHECK(structural("net.class", "A", "B"));
  CHECK(structural("model.ema", {}, func("Ema")));
  CHECK(structural("layers.2", func("A"), {}));
  CHECK(structural("parts", Value::list({func("A")}), {}));
  CHECK(!structural("optimizer.lr", 1, 2));
  CHECK(!structural("train_params", {}, config_of({{"num_epochs", 2}})));
  CHECK(!structural("callbacks.0", {}, func("NaNDetector")));
  CHECK(!structural("callbacks.0.func", "A", "B"));
}
