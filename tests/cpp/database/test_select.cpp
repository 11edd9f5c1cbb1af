// Projection, sort and remove_path.
#include <algorithm>

#include "ptutils/database/query.h"
#include "support.h"

using namespace ptutils;
using test::error_of;
using test::json;

namespace {

std::string projected(const char* projection, const char* document) {
  return to_json(Projection(json(projection)).apply(json(document)));
}

std::string sorted(const char* sort, std::vector<const char*> documents) {
  Sort order(json(sort));
  std::vector<std::vector<Value>> keys;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    keys.push_back(
        order.keys(json(documents[i]), static_cast<std::int64_t>(i)));
    places.push_back(i);
  }
  std::stable_sort(places.begin(), places.end(), [&](auto a, auto b) {
    return order.less(keys[a], keys[b]);
  });
  std::string out;
  for (auto place : places) out += std::to_string(place);
  return out;
}

}  // namespace

TEST_CASE("a projection keeps or drops") {
  const char* document = R"({"_id":"x","a":1,"b":{"c":2,"d":3},"e":4})";
  CHECK(projected(R"({"a":1})", document) == R"({"_id":"x","a":1})");
  CHECK(projected(R"({"b.c":1})", document) == R"({"_id":"x","b":{"c":2}})");
  CHECK(projected(R"({"b.c":1,"_id":0})", document) == R"({"b":{"c":2}})");
  CHECK(projected(R"({"b.c":0,"e":0})", document) ==
        R"({"_id":"x","a":1,"b":{"d":3}})");
  CHECK(projected(R"({"_id":0,"b":0})", document) == R"({"a":1,"e":4})");
  CHECK(projected(R"({"_id":1})", document) == R"({"_id":"x"})");
  CHECK(projected(R"({"_id":0})", R"({"_id":"x","a":1})") == R"({"a":1})");
  CHECK(projected(R"({"none":1})", document) == R"({"_id":"x"})");
  CHECK(projected("null", document) == document);
  CHECK(projected("{}", document) == document);
}

TEST_CASE("a projection goes through lists and keys with dots") {
  const char* document = R"({"a":[1,{"b":2,"c":3},{"c":4}],"w.0":5})";
  CHECK(projected(R"({"a.b":1})", document) == R"({"a":[{"b":2},{}]})");
  CHECK(projected(R"({"a.c":0})", document) ==
        R"({"a":[1,{"b":2},{}],"w.0":5})");
  CHECK(projected(R"({"w.0":1})", document) == R"({"w.0":5})");
}

TEST_CASE("wrong projections and sorts are errors") {
  for (const char* text :
       {R"({"a":1,"b":0})", R"({"a":"yes"})", R"({"$a":1})", "3"})
    error_of([&] { Projection wrong(json(text)); });
  for (const char* text : {R"({"a":2})", R"({"$a":1})", "3"})
    error_of([&] { Sort wrong(json(text)); });
}

TEST_CASE("sort: missing first, then by type, stable") {
  CHECK(sorted(R"({"a":1})",
               {R"({"a":3})", R"({"a":"s"})", R"({})", R"({"a":2.5})",
                R"({"a":null})", R"({"a":false})"}) == "243015");
  CHECK(sorted(R"({"a":-1})", {R"({"a":1})", R"({"a":3})", R"({})"}) == "102");
  CHECK(sorted(R"({"a":1,"b":-1})", {R"({"a":1,"b":1})", R"({"a":1,"b":2})",
                                     R"({"a":0})"}) == "210");
  // Of a list the smallest counts, descending the largest.
  CHECK(sorted(R"({"a":1})", {R"({"a":[5,1]})", R"({"a":2})"}) == "01");
  CHECK(sorted(R"({"a":-1})", {R"({"a":2})", R"({"a":[5,1]})"}) == "10");
  CHECK(sorted(R"({"$natural":-1})", {"{}", "{}", "{}"}) == "210");
}

TEST_CASE("remove_path takes fields out of dicts, nulls list positions") {
  Value document = json(R"({"a":{"b":1,"c":2},"l":[1,{"x":1}],"p.q":3})");
  for (const char* path : {"a.b", "l.0", "l.1.x", "p.q", "none.at.all", "l.9"})
    remove_path(document, path);
  CHECK(to_json(document) == R"({"a":{"c":2},"l":[null,{}]})");
}
