#include <doctest/doctest.h>

#include "module/check.h"
#include "ptutils/module/db_interface.h"

using namespace ptutils;

namespace {

/// Documents in a vector; a query is equality of its fields.
class MemoryStore : public DBInterface {
 public:
  std::string save(const Value& document, bool) override {
    documents.push_back(document);
    return document.find_path("_id")->as_string();
  }
  bool insert(const Value& document) override {
    save(document, false);
    return true;
  }
  std::vector<Value> find(const Value& query,
                          const FindOptions& options) override {
    asked_projection = options.projection;
    std::vector<Value> out;
    for (const Value& d : documents) {
      bool fits = true;
      for (const auto& [key, wanted] : query.as_dict()) {
        const Value* has = d.find_path(to_string(key));
        fits &= has && has->identical(wanted);
      }
      if (fits) out.push_back(Dict{{"_id", *d.find_path("_id")}});
    }
    return out;
  }
  Value load_from_id(const std::string& id) override {
    for (const Value& d : documents)
      if (d.find_path("_id")->as_string() == id && id != hidden) return d;
    fail(Kind::kNotFound, location(), "no document '", id, "'");
  }
  bool update(const Value&, const Value&,
              const std::vector<std::string>&) override {
    return false;
  }
  bool remove(const std::string& id) override {
    return std::erase_if(documents, [&](const Value& d) {
             return d.find_path("_id")->as_string() == id;
           }) > 0;
  }
  void sync() override {}
  void close() override {}
  std::string location() const override { return "memory"; }

  std::vector<Value> documents;
  Value asked_projection;
  std::string hidden;
};

Value document(const char* id, int kind) {
  return Dict{{"_id", id}, {"kind", kind}};
}

void fill(MemoryStore& db) {
  db.save(document("a", 1), false);
  db.save(document("b", 2), false);
  db.save(document("c", 1), false);
}

}  // namespace

TEST_CASE("load gives the newest match, and reads no older one") {
  MemoryStore db;
  fill(db);
  CHECK(db.load(Dict{{"kind", 1}}).find_path("_id")->as_string() == "c");
  CHECK(db.asked_projection.identical(Dict{{"_id", 1}}));
  db.hidden = "c";  // removed between the two questions
  CHECK(db.load(Dict{{"kind", 1}}).find_path("_id")->as_string() == "a");
  CHECK_ERROR(db.load(Dict{{"kind", 9}}), Kind::kNotFound,
              "[memory] no document matches {'kind': 9}");
}

TEST_CASE("several ids load in their order, a missing one is an error") {
  MemoryStore db;
  fill(db);
  auto found = db.load_from_ids({"c", "a"});
  CHECK(found.size() == 2);
  CHECK(found[0].find_path("_id")->as_string() == "c");
  CHECK_ERROR(db.load_from_ids({"a", "x"}), Kind::kNotFound, "'x'");
}

TEST_CASE("remove_many removes every match and counts them") {
  MemoryStore db;
  fill(db);
  CHECK(db.remove_many(Dict{{"kind", 1}}) == 2);
  CHECK(db.remove_many(Dict{{"kind", 1}}) == 0);
  CHECK(db.documents.size() == 1);
}

TEST_CASE("a location is opened by the registered opener") {
  set_db_opener(nullptr);
  CHECK_ERROR(open_database("runs.db"), Kind::kState,
              "no database is registered; call register_builtin");
  std::string asked;
  set_db_opener([&](const std::string& location, bool read_only) {
    asked = location + (read_only ? " ro" : "");
    return std::make_shared<MemoryStore>();
  });
  CHECK(open_database("runs.db", true)->location() == "memory");
  CHECK(asked == "runs.db ro");
  set_db_opener(nullptr);
}
