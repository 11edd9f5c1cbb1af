#include <cmath>

#include "formats/support.h"
#include "ptutils/formats/yaml_text.h"

using namespace ptutils;
using namespace ptutils::testing;

namespace {
std::string yaml_error(const std::string& text) {
  return message_of(Kind::kFormat, [&] { parse_yaml(text, "a.yaml"); });
}
}  // namespace

TEST_CASE("YAML scalars have the types of the 1.2 core schema") {
  const auto same = [](const char* text, const Value& value) {
    CAPTURE(text);
    CHECK(parse_yaml(text).identical(value));
  };
  for (const char* null : {"", "~", "null", "Null", "NULL", "# comment"})
    same(null, nullptr);
  same("true", true);
  same("False", false);
  for (const char* text :
       {"no", "yes", "on", "off", "y", "1_000", "12:30:00", "2026-01-01", "0b1",
        "1e", "0x", "0o8", "-0x1f", "1.2.3", "nan", "inf", ".e5"})
    same(text, text);
  same("'1'", "1");
  same("\"true\"", "true");
  same("!!str 1", "1");
  same("! 1", "1");
  same("!!int 3", 3);
  same("!!float 3", 3.0);
  same("12", 12);
  same("+12", 12);
  same("-12", -12);
  same("010", 10);
  same("0o10", 8);
  same("0x1F", 31);
  same("0xffffffffffffffffff", BigInt{"4722366482869645213695"});
  same("9223372036854775808", BigInt{"9223372036854775808"});
  same("-9223372036854775808", INT64_MIN);
  same("1e-4", 1e-4);
  same("1.", 1.0);
  same(".5", 0.5);
  same("-.5e+3", -500.0);
  same("1e-999", 0.0);
  same("0e999999999999999999999", 0.0);
  same(".inf", INFINITY);
  same("-.INF", -INFINITY);
  CHECK(std::isnan(parse_yaml(".NaN").as_double()));
}

TEST_CASE("YAML anchors, aliases and merge keys work") {
  const Value value = parse_yaml(
      "base: &base {lr: 0.1, steps: 5}\n"
      "more: &more {steps: 7, seed: 1}\n"
      "run:\n  steps: 9\n  <<: [*base, *more]\n"
      "same: *base\n\"<<\": text\n");
  CHECK(value.as_dict().at("run").identical(
      Dict{{"steps", 9}, {"lr", 0.1}, {"seed", 1}}));
  CHECK(value.as_dict().at("same").identical(Dict{{"lr", 0.1}, {"steps", 5}}));
  CHECK(value.as_dict().at("<<").identical("text"));
}

TEST_CASE("YAML keys are text or integers") {
  Dict expected;
  expected.set(std::int64_t{3}, "a");
  expected.set("3", "b");
  CHECK(parse_yaml("3: a\n'3': b").identical(expected));
  CHECK_CONTAINS(yaml_error("true: 1"), "a key is a bool");
  CHECK_CONTAINS(yaml_error("[1]: 2"), "a key is a list");
}

TEST_CASE("malformed YAML is an error with file, line and column") {
  CHECK_CONTAINS(yaml_error("a: 1\nb: [1, 2\nc: 3"),
                 "[yaml] a.yaml: line 3, column 2: ");
  CHECK_CONTAINS(yaml_error("a: 1\nb: 2\na: 3"),
                 "line 3, column 1: the key 'a' is there twice");
  CHECK_CONTAINS(yaml_error("a: !!python/object:os.system [x]"),
                 "python/object:os.system' is refused");
  CHECK_CONTAINS(yaml_error("a: !cls {}"), "'!cls' is refused");
  CHECK_CONTAINS(yaml_error("a: 1e999"), "too large for a double");
  CHECK_CONTAINS(yaml_error("a: !!int x"), "'x' is no int");
  CHECK_CONTAINS(yaml_error("a\n---\nb"), "a second document");
  CHECK_CONTAINS(yaml_error("a: &x [*x]"), "own anchor");
  CHECK_CONTAINS(yaml_error("a: *nowhere"), "line 1, column 4");
  CHECK_CONTAINS(yaml_error("a: \x04 b"), "line 1: a control character");
  CHECK_CONTAINS(yaml_error("a: \xff"), "not UTF-8");
  CHECK_CONTAINS(yaml_error("a: {<<: 3}"), "<< merges dicts");
  yaml_error(std::string(100000, '['));
  yaml_error("a: b: c");
  yaml_error("\t- a");
  std::string blocks;
  for (int i = 0; i < 2000; ++i) blocks += "- ";
  yaml_error(blocks);
}

TEST_CASE("an alias bomb is refused") {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb +=
        "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 0; k < 8; ++k) bomb += ", " + before;
    bomb += "]\n";
  }
  CHECK_CONTAINS(yaml_error(bomb), "expand to more than");
}

TEST_CASE("YAML is written so that it reads back") {
  Dict optimizer{
      {"lr", 1e-3}, {"name", "Adam"}, {"betas", Value::list({0.9, 0.999})}};
  optimizer.set(std::int64_t{0}, "zero");
  const Value value =
      Dict{{"exp_id", "fashion-cnn"},
           {"optimizer", optimizer},
           {"callbacks",
            Value::list({"NaNDetector", Dict{{"func", "Stop"}, {"n", 3}},
                         Value::list({Value::list({1})})})},
           {"empty", List{}},
           {"none", nullptr},
           {"inf", -INFINITY},
           {"text", "no"},
           {std::string(5000, 'k'), Dict{{"deep", 1}}},
           {"big", BigInt{"9223372036854775808"}}};
  const std::string text = to_yaml(value);
  CHECK_CONTAINS(text,
                 "exp_id: fashion-cnn\n"
                 "optimizer:\n"
                 "  lr: 0.001\n"
                 "  name: Adam\n"
                 "  betas: [0.9, 0.999]\n"
                 "  0: zero\n"
                 "callbacks:\n"
                 "  - NaNDetector\n"
                 "  - func: Stop\n"
                 "    n: 3\n"
                 "  - - [1]\n"
                 "empty: []\n"
                 "none: null\n"
                 "inf: -.inf\n"
                 "text: \"no\"\n");
  CHECK(parse_yaml(text).identical(value));
}

TEST_CASE("a value of the command line is typed as in YAML") {
  const auto same = [](const char* text, const Value& value) {
    CAPTURE(text);
    CHECK(parse_scalar(text).identical(value));
  };
  same("[1, a, 2.5]", Value::list({1, "a", 2.5}));
  same("{a: [true]}", Dict{{"a", Value::list({true})}});
  same("1e-3", 1e-3);
  same("true", true);
  same("null", nullptr);
  same("text", "text");
  same("'7'", "7");
  same("a: b", "a: b");
  same("10 min", "10 min");
  same("*star", "*star");
  same("mongodb://host:1/db", "mongodb://host:1/db");
  CHECK_CONTAINS(message_of(Kind::kFormat, [] { parse_scalar("[1, "); }),
                 "[yaml] command line: ");
}
