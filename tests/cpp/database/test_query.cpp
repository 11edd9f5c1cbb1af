// The matcher against the semantics that MongoDB's manual documents.
#include <limits>

#include "ptutils/database/query.h"
#include "support.h"

using namespace ptutils;
using test::error_of;
using test::json;

namespace {

struct Row {
  const char* query;
  const char* document;
  bool match;
};

void check_all(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    CAPTURE(row.query);
    CAPTURE(row.document);
    CHECK(matches(json(row.query), json(row.document)) == row.match);
  }
}

}  // namespace

TEST_CASE("equality and null") {
  check_all({
      {R"({})", R"({"a": 1})", true},
      {R"({"a": 1})", R"({"a": 1})", true},
      {R"({"a": 1})", R"({"a": 1.0})", true},
      {R"({"a": 1})", R"({"a": true})", false},
      {R"({"a": "1"})", R"({"a": 1})", false},
      {R"({"a": {"$eq": 1}})", R"({"a": 1})", true},
      {R"({"a": 1, "b": 2})", R"({"a": 1, "b": 3})", false},
      {R"({"a": null})", R"({"a": null})", true},
      {R"({"a": null})", R"({"b": 1})", true},
      {R"({"a": null})", R"({"a": 0})", false},
      {R"({"a": null})", R"({"a": [1, null]})", true},
      {R"({"a.b": null})", R"({"a": 5})", true},
      {R"({"a.b": null})", R"({"a": []})", false},
      {R"({"a.b": null})", R"({"a": [{"b": 1}, {}]})", true},
      {R"({"a": {"$ne": null}})", R"({"b": 1})", false},
      {R"({"a": {"b": 1}})", R"({"a": {"b": 1}})", true},
      {R"({"a": {"b": 1}})", R"({"a": {"b": 1, "c": 2}})", false},
      {R"({"a": {"b": 1, "c": 2}})", R"({"a": {"c": 2, "b": 1}})", false},
      {R"({"a": {"b": 1}})", R"({"a": {"b": 1.0}})", true},
  });
}

TEST_CASE("lists match by element, and as a whole") {
  check_all({
      {R"({"a": 2})", R"({"a": [1, 2]})", true},
      {R"({"a": 3})", R"({"a": [1, 2]})", false},
      {R"({"a": [1, 2]})", R"({"a": [1, 2]})", true},
      {R"({"a": [2, 1]})", R"({"a": [1, 2]})", false},
      {R"({"a": [1, 2]})", R"({"a": [[1, 2], 3]})", true},
      {R"({"a": 1})", R"({"a": [[1]]})", false},
      {R"({"a": {"$gt": 1, "$lt": 3}})", R"({"a": [0, 5]})", true},
      {R"({"a": {"$ne": 2}})", R"({"a": [1, 2]})", false},
      {R"({"a": {"$nin": [2, 9]}})", R"({"a": [1, 2]})", false},
      {R"({"a.0": 1})", R"({"a": [1, 2]})", true},
      {R"({"a.1": 1})", R"({"a": [1, 2]})", false},
      {R"({"a.1": [2, 4]})", R"({"a": [5, [2, 4]]})", true},
      {R"({"a.1": 4})", R"({"a": [5, {"1": 4}]})", true},
      {R"({"a.b": 2})", R"({"a": [{"b": 1}, {"b": 2}]})", true},
      {R"({"a.1.b": 1})", R"({"a": [{"b": 1}, {"b": 2}]})", false},
      {R"({"a.1.b": 2})", R"({"a": [{"b": 1}, {"b": 2}]})", true},
      {R"({"a.b": 1})", R"({"a": [[{"b": 1}]]})", false},
      {R"({"a.0.b": 1})", R"({"a": [[{"b": 1}]]})", true},
      {R"({"a.b.c": 3})", R"({"a": [{"b": [{"c": 3}]}]})", true},
  });
}

TEST_CASE("order holds inside a type only") {
  check_all({
      {R"({"a": {"$gt": 5}})", R"({"a": 6})", true},
      {R"({"a": {"$gt": 5}})", R"({"a": 5})", false},
      {R"({"a": {"$gte": 5}})", R"({"a": 5.0})", true},
      {R"({"a": {"$lt": 5}})", R"({"a": "4"})", false},
      {R"({"a": {"$lt": 5}})", R"({"a": null})", false},
      {R"({"a": {"$lt": 5}})", R"({})", false},
      {R"({"a": {"$lt": 5}})", R"({"a": false})", false},
      {R"({"a": {"$lte": null}})", R"({})", true},
      {R"({"a": {"$gt": null}})", R"({"a": null})", false},
      {R"({"a": {"$gt": "abc"}})", R"({"a": "abd"})", true},
      {R"({"a": {"$gt": [1]}})", R"({"a": [2]})", true},
      {R"({"a": {"$lt": true}})", R"({"a": false})", true},
      {R"({"a": {"$gt": 9007199254740992}})", R"({"a": 9007199254740993})",
       true},
      {R"({"a": {"$gt": 9007199254740992.0}})", R"({"a": 9007199254740993})",
       true},
      {R"({"a": 18446744073709551616})", R"({"a": 18446744073709551616.0})",
       true},
      {R"({"a": {"$gt": 1}})", R"({"a": 18446744073709551616})", true},
      {R"({"a": {"$lt": 1e300}})", R"({"a": 18446744073709551616})", true},
      {R"({"a": {"$lt": 0}})", R"({"a": -18446744073709551616})", true},
  });
}

TEST_CASE("membership, existence, negation") {
  check_all({
      {R"({"a": {"$in": [1, 2]}})", R"({"a": 2})", true},
      {R"({"a": {"$in": []}})", R"({"a": 2})", false},
      {R"({"a": {"$in": [null]}})", R"({})", true},
      {R"({"a": {"$in": [2]}})", R"({"a": [1, 2]})", true},
      {R"({"a": {"$nin": [1]}})", R"({})", true},
      {R"({"a": {"$exists": true}})", R"({"a": null})", true},
      {R"({"a": {"$exists": true}})", R"({"a": []})", true},
      {R"({"a": {"$exists": false}})", R"({"b": 1})", true},
      {R"({"a.b": {"$exists": true}})", R"({"a": [{"b": 0}]})", true},
      {R"({"a.1": {"$exists": true}})", R"({"a": [1]})", false},
      {R"({"a": {"$not": {"$gt": 5}}})", R"({"a": 3})", true},
      {R"({"a": {"$not": {"$gt": 5}}})", R"({})", true},
      {R"({"a": {"$not": {"$gt": 5}}})", R"({"a": [1, 9]})", false},
      {R"({"a": {"$not": {"$gt": 5, "$lt": 9}}})", R"({"a": 7})", false},
      {R"({"a": {"$not": {"$ne": 1}}})", R"({"a": 1})", true},
      {R"({"$or": [{"a": 1}, {"b": 2}]})", R"({"b": 2})", true},
      {R"({"$and": [{"a": 1}, {"b": 2}]})", R"({"b": 2})", false},
      {R"({"$and": [{"a": 1}, {"$or": [{"b": 1}, {"b": 2}]}], "c": 3})",
       R"({"a": 1, "b": 2, "c": 3})", true},
  });
}

TEST_CASE("$elemMatch holds for one element") {
  check_all({
      {R"({"a": {"$elemMatch": {"$gt": 1, "$lt": 3}}})", R"({"a": [0, 5]})",
       false},
      {R"({"a": {"$elemMatch": {"$gt": 1, "$lt": 3}}})", R"({"a": [0, 2]})",
       true},
      {R"({"a": {"$elemMatch": {"$gt": 1}}})", R"({"a": 5})", false},
      {R"({"a": {"$elemMatch": {"b": 1, "c": 2}}})",
       R"({"a": [{"b": 1, "c": 3}, {"b": 2, "c": 2}]})", false},
      {R"({"a": {"$elemMatch": {"b": 1, "c": 2}}})",
       R"({"a": [{"b": 1, "c": 2}]})", true},
      {R"({"a": {"$elemMatch": {"$or": [{"b": 1}, {"b": 2}]}}})",
       R"({"a": [{"b": 2}]})", true},
      {R"({"a": {"$not": {"$elemMatch": {"$gt": 1}}}})", R"({"a": [0]})", true},
      {R"({"a.b": {"$elemMatch": {"$gt": 1}}})", R"({"a": [{"b": [0, 2]}]})",
       true},
      {R"({"a": {"$elemMatch": {"$not": {"$gt": 1}}}})", R"({"a": [5, 0]})",
       true},
  });
}

TEST_CASE("$regex searches strings, by code points") {
  check_all({
      {R"({"a": {"$regex": "bc"}})", R"({"a": "abcd"})", true},
      {R"({"a": {"$regex": "^bc"}})", R"({"a": "abcd"})", false},
      {R"({"a": {"$regex": "^A", "$options": "i"}})", R"({"a": "abcd"})", true},
      {R"({"a": {"$regex": "^b", "$options": "m"}})", R"({"a": "a\nb"})", true},
      {R"({"a": {"$regex": "^b"}})", R"({"a": "a\nb"})", false},
      {R"({"a": {"$regex": "a.b", "$options": "s"}})", R"({"a": "a\nb"})",
       true},
      {R"({"a": {"$regex": "a.b"}})", R"({"a": "a\nb"})", false},
      {R"({"a": {"$regex": "[.]b", "$options": "s"}})", R"({"a": "xb"})",
       false},
      {R"({"a": {"$regex": "^.$"}})", "{\"a\": \"\xC3\xA9\"}", true},
      {R"({"a": {"$regex": "1"}})", R"({"a": 1})", false},
      {R"({"a": {"$regex": "x"}})", R"({"a": ["y", "x"]})", true},
      {R"({"a": "b."})", R"({"a": "bc"})", false},
      {R"({"a": {"$not": {"$regex": "^b"}}})", R"({"a": "c"})", true},
  });
}

TEST_CASE("a regular expression can neither hang nor crash") {
  Value document = Dict{{"a", std::string(30000, 'a')}};
  Query slow(json(R"({"a": {"$regex": "^(a+)+[xy]"}})"));
  CHECK(error_of([&] { (void)slow.matches(document); }).kind == Kind::kValue);
  CHECK(matches(json(R"({"a": {"$regex": "^(a|b)*$"}})"), document));
  for (const char* pattern :
       {"(((a{300}){300}){300})", "(", "[z-a]", "a{999999}"}) {
    auto error = error_of([&] {
      check_query(json(str(R"({"a": {"$regex": ")", pattern, "\"}}")));
    });
    CHECK(error.kind == Kind::kValue);
  }
}

TEST_CASE("keys with dots and integer keys are found") {
  Value document = Dict{{"conv1.weight", 3}, {"a", Dict{{"b.c", 4}}}};
  Dict state;
  state.set(Key(std::int64_t{0}), "first");
  document.as_dict().set(std::string("state"), state);
  CHECK(matches(json(R"({"conv1.weight": 3})"), document));
  CHECK(matches(json(R"({"a.b.c": 4})"), document));
  CHECK(matches(json(R"({"state.0": "first"})"), document));
}

TEST_CASE("times compare as instants") {
  Value noon = Time{43200000000, 0};
  Value same = Time{43200000000 + 3600000000, 3600};
  Value document = Dict{{"t", noon}};
  CHECK(matches(Dict{{"t", same}}, document));
  CHECK(matches(Dict{{"t", Dict{{"$lt", Time{43200000001, {}}}}}}, document));
  CHECK_FALSE(matches(Dict{{"t", Dict{{"$gt", same}}}}, document));
}

TEST_CASE("NaN equals itself and has no order") {
  double nan = std::numeric_limits<double>::quiet_NaN();
  Value document = Dict{{"loss", nan}};
  CHECK(matches(Dict{{"loss", nan}}, document));
  CHECK(matches(Dict{{"loss", Dict{{"$gte", nan}}}}, document));
  CHECK_FALSE(matches(Dict{{"loss", Dict{{"$lt", 1}}}}, document));
  CHECK_FALSE(matches(Dict{{"loss", Dict{{"$gt", 1}}}}, document));
}

TEST_CASE("a NumPy scalar is its number, an array only exists") {
  Tensor scalar = Tensor::scalar_of<double>(0.5);
  scalar.origin = Origin::kNumpy;
  scalar.numpy_scalar = true;
  Value document = Dict{{"lr", scalar}, {"w", Tensor::zeros({3})}};
  CHECK(matches(json(R"({"lr": {"$lt": 1}})"), document));
  CHECK(matches(Dict{{"lr", scalar}}, Dict{{"lr", 0.5}}));
  CHECK(matches(json(R"({"w": {"$exists": true}})"), document));
  CHECK_FALSE(matches(json(R"({"w": 0})"), document));
  CHECK(error_of([] {
          check_query(Dict{{"w", Tensor::zeros({3})}});
        }).kind == Kind::kType);
}

TEST_CASE("wrong queries say what is wrong") {
  auto message = [](const char* query) {
    auto error = error_of([&] { check_query(json(query)); });
    bool known = error.kind == Kind::kValue || error.kind == Kind::kType;
    CHECK(known);
    return error.message;
  };
  CHECK(message(R"({"a": {"$gtt": 1}})").find("did you mean $gt") !=
        std::string::npos);
  CHECK(message(R"({"$nor": [{}]})").find("$or") != std::string::npos);
  CHECK(message(R"({"$where": "1"})").find("$where") != std::string::npos);
  message(R"({"a": {"$gt": 1, "b": 2}})");
  message(R"({"a": {"$in": 1}})");
  message(R"({"a": {"$exists": "yes"}})");
  message(R"({"a": {"$not": 5}})");
  message(R"({"a": {"$options": "i"}})");
  message(R"({"a": {"$regex": "a", "$options": "q"}})");
  message(R"({"a": {"$elemMatch": 3}})");
  message(R"({"$and": []})");
  message(R"({"$or": {"a": 1}})");
  message(R"({"a": {"$and": [{"b": 1}]}})");
  message(R"([1])");
  std::string deep = "{\"a\": 1}";
  for (int i = 0; i < 150; ++i) deep = "{\"$or\": [" + deep + "]}";
  message(deep.c_str());
}
