// What the fuzzers found (tests/fuzz); their inputs are in its corpus.
#include <cstdio>
#include <span>

#include "formats/support.h"
#include "ptutils/common/hash.h"
#include "ptutils/formats/flatten.h"
#include "ptutils/formats/tf_example.h"
#include "ptutils/formats/yaml_text.h"

using namespace ptutils;
using namespace ptutils::testing;

TEST_CASE("a checksum over what JSON lacks is damage, not a wrong type") {
  TempDir dir;
  spill(dir / "x.yaml", "__ptutils__: 2\nsum: a\nvalue: {3: .inf}\n");
  CHECK_CONTAINS(
      message_of(Kind::kFormat,
                 [&] { codec("yaml").read(dir / "x.yaml", {.verify = true}); }),
      "checksum differs");
}

TEST_CASE("checksums of a skeleton that are no text are damage") {
  auto none = [](const std::string&) { return Value(); };
  CHECK(unflatten(sealed(flatten(nullptr)), none, {}, true).is_null());
  const std::string_view body = R"(","sums":0,"value":null})";
  char sum[17];
  std::snprintf(
      sum, sizeof sum, "%016llx",
      static_cast<unsigned long long>(hash64(std::as_bytes(std::span(body)))));
  const std::string text = str(R"({"version":2,"sum":")", sum, body);
  CHECK_CONTAINS(
      message_of(Kind::kFormat, [&] { unflatten(text, none, {}, true); }),
      "no list of them");
}

TEST_CASE("hexadecimal numbers of many digits are exact") {
  auto digits = [](const std::string& text) {
    return parse_yaml(text).as_bigint().digits;
  };
  CHECK(digits("0x33B2E3C9FD0803CE8000000") == "1" + std::string(27, '0'));
  CHECK(digits("0x00000000033b2e3c9fd0803ce8000001") ==
        "1" + std::string(26, '0') + "1");
  CHECK(digits("0o2000000000000000000000000") == "9444732965739290427392");
  CHECK(parse_yaml("0x0000000000000000").as_int() == 0);
  CHECK(parse_yaml("0x123456789g").is_string());
  CHECK(digits("0x1" + std::string(4095, '0')).size() == 4931);
}

TEST_CASE("an Example of very many names is read in no time") {
  TfExample example;
  std::vector<std::string> names;
  for (int i = 0; i < 100'000; ++i) names.push_back(str("name ", i));
  for (const std::string& name : names)
    example.emplace_back(name, std::vector<std::int64_t>{1});
  example.emplace_back(names[3], std::vector<std::int64_t>{2});
  const std::string text = serialize_example(example);
  const TfExample read = parse_example(text, {});
  REQUIRE(read.size() == names.size());
  CHECK(read[3].first == names[3]);
  CHECK(std::get<2>(read[3].second) == std::vector<std::int64_t>{2});
}
