#include <cmath>
#include <limits>

#include "formats/support.h"
#include "ptutils/formats/json_text.h"

using namespace ptutils;
using namespace ptutils::testing;

namespace {
std::string parse_error(const std::string& text) {
  return message_of(Kind::kFormat, [&] { parse_json(text, "a.json"); });
}
}  // namespace

TEST_CASE("JSON numbers keep their type and every digit") {
  const auto same = [](const char* text, const Value& value) {
    CAPTURE(text);
    CHECK(parse_json(text).identical(value));
  };
  same("0", 0);
  same("-9223372036854775808", INT64_MIN);
  same("9223372036854775807", INT64_MAX);
  same("9223372036854775808", BigInt{"9223372036854775808"});
  same("18446744073709551615", BigInt{"18446744073709551615"});
  same("-9223372036854775809", BigInt{"-9223372036854775809"});
  same("123456789012345678901234567890",
       BigInt{"123456789012345678901234567890"});
  same("1.0", 1.0);
  same("-0.0", -0.0);
  same("1e5", 1e5);
  same("0.1", 0.1);
  same("5e-324", 5e-324);
  same("1e-999", 0.0);
  same("\"\\ud83d\\udc27\\u0000\"", std::string("\xF0\x9F\x90\xA7\0", 5));
}

TEST_CASE("malformed JSON is an error with its place") {
  CHECK_CONTAINS(parse_error("{\n  \"a\": 1,\n  \"b\" 2}"),
                 "[json] a.json: line 3, column");
  CHECK_CONTAINS(parse_error("1e999"), "too large for a double");
  CHECK_CONTAINS(parse_error(R"({"a":{"b":1,"b":2}})"),
                 "the key 'b' is there twice in 'a'");
  CHECK_CONTAINS(parse_error("[1] x"), "line 1, column");
  for (const char* bad :
       {"",        "[",          "{",           "[1,]",     "{\"a\"}",
        "nul",     "-NaN",       "aNaN",        "NaN1",     "0.0NaN",
        "[1 NaN]", "--Infinity", "5-Infinity",  "{NaN: 1}", "01",
        "+1",      "\"\xff\"",   "\"\\ud800\"", "'a'",      "1 2",
        "{1: 2}",  "\"a\nb\"",   "// x"})
    parse_error(bad);
}

TEST_CASE("what Python's json writes for infinities and NaN is read") {
  const Value value = parse_json(
      R"( {"NaN": NaN, "\"Infinity": [Infinity, -Infinity,NaN ,1], "b": "NaN"})");
  const Dict& dict = value.as_dict();
  CHECK(std::isnan(dict.at("NaN").as_double()));
  const auto& list = dict.at("\"Infinity").as_list().items;
  CHECK(list[0].as_double() == std::numeric_limits<double>::infinity());
  CHECK(list[1].as_double() == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(list[2].as_double()));
  CHECK(list[3].as_int() == 1);
  CHECK(dict.at("b").as_string() == "NaN");
}

TEST_CASE("nesting of JSON ends at 500") {
  const auto nest = [](std::size_t n) {
    return std::string(n, '[') + std::string(n, ']');
  };
  CHECK(to_json(parse_json(nest(500))) == nest(500));
  CHECK_CONTAINS(parse_error(nest(501)), "deeper than 500");
  parse_error(std::string(100000, '['));
  parse_error(nest(100000));
}

TEST_CASE("JSON is written with shortest numbers and escapes") {
  const Value value = Dict{{"a", Value::list({1, 0.1, 1e300, nullptr, true})},
                           {"b\n\"", "\x01/\xC3\xA9"},
                           {"c", Dict{}},
                           {"d", List{}}};
  CHECK(to_json(value) ==
        "{\"a\":[1,0.1,1.0e+300,null,true],\"b\\n\\\"\":\"\\u0001/\xC3\xA9\","
        "\"c\":{},\"d\":[]}");
  CHECK(to_json(Dict{{"a", Value::list({1})}, {"b", List{}}}, 2) ==
        "{\n  \"a\": [\n    1\n  ],\n  \"b\": []\n}");
  CHECK(parse_json(to_json(value, 2)).identical(value));
}

TEST_CASE("what JSON lacks is refused with its path") {
  const auto error = [](const Value& value) {
    return message_of(Kind::kType, [&] { to_json(value); });
  };
  CHECK_CONTAINS(error(Dict{{"a", Value::list({NAN})}}), "'a.0': JSON has no");
  CHECK_CONTAINS(error(Dict{{"a", Tensor()}}), "'a': JSON has no tensor");
  Dict numbered;
  numbered.set(std::int64_t{1}, 2);
  CHECK_CONTAINS(error(numbered), "a key in JSON is text");
}
