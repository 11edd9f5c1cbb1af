// Each operation of the interface on SQLite.
#include "ptutils/database/database.h"
#include "ptutils/database/sqlite.h"
#include "support.h"

using namespace ptutils;
using test::count;
using test::error_of;
using test::floats;
using test::Folder;
using test::json;

namespace {

std::vector<std::string> names(const std::vector<Value>& documents) {
  std::vector<std::string> out;
  for (const Value& document : documents)
    out.push_back(document.as_dict().at("n").as_string());
  return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("save gives an id, load gives the document back") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  Value document = Dict{{"exp_id", "x"}, {"w", floats(100)}, {"step", 3}};
  Value before = document;
  std::string id = db.save(document);
  CHECK(id.size() == 24);
  CHECK(document.identical(before));
  Value loaded = db.load_from_id(id);
  CHECK(loaded.as_dict().keys() == Names{"_id", "exp_id", "w", "step"});
  loaded.as_dict().erase("_id");
  CHECK(loaded.identical(document));
  CHECK(db.load(json(R"({"step": 3})")).as_dict().at("_id").as_string() == id);
}

TEST_CASE("a document with an existing _id replaces that one in its place") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  db.save(json(R"({"_id": "1", "n": "a"})"));
  db.save(json(R"({"_id": "2", "n": "b"})"));
  CHECK(db.save(json(R"({"_id": "1", "n": "c", "exp_id": "new"})")) == "1");
  CHECK(names(db.find(json("{}"))) == Names{"c", "b"});
  CHECK(db.find(json(R"({"exp_id": "new"})")).size() == 1);
}

TEST_CASE("insert leaves an existing document alone") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  CHECK(db.insert(json(R"({"_id": "1", "n": "a"})")));
  CHECK_FALSE(db.insert(json(R"({"_id": "1", "n": "b"})")));
  db.save(json(R"({"_id": "2", "n": "c"})"), true);
  CHECK_FALSE(db.insert(json(R"({"_id": "2", "n": "d"})")));
  CHECK(names(db.find(json("{}"))) == Names{"a", "c"});
}

TEST_CASE("find: order, sort, skip, limit, projection") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  for (int i = 0; i < 5; ++i)
    db.save(Dict{{"n", std::to_string(i)}, {"v", (i * 3) % 5}});
  FindOptions options;
  options.skip = 1;
  options.limit = 2;
  CHECK(names(db.find(json("{}"), options)) == Names{"1", "2"});
  options.sort = json(R"({"v": -1})");
  CHECK(names(db.find(json("{}"), options)) == Names{"1", "4"});
  options = {};
  options.projection = json(R"({"v": 1, "_id": 0})");
  CHECK(to_json(db.find(json(R"({"v": 4})"), options)[0]) == R"({"v":4})");
  options = {};
  options.limit = 0;
  CHECK(db.find(json("{}"), options).empty());
  options.limit = -1;
  CHECK(error_of([&] { db.find(json("{}"), options); }).kind == Kind::kValue);
  CHECK(error_of([&] { db.find(json(R"({"$x": 1})")); }).kind == Kind::kValue);
}

TEST_CASE("indexed fields match as the matcher says") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  db.save(json(R"({"n": "text", "exp_id": "x", "kind": "run"})"));
  db.save(json(R"({"n": "list", "exp_id": ["x", "y"], "kind": "run"})"));
  db.save(json(R"({"n": "number", "exp_id": 0})"));
  db.save(json(R"({"n": "none"})"));
  auto found = [&](const char* query) { return names(db.find(json(query))); };
  CHECK(found(R"({"exp_id": "x"})") == Names{"text", "list"});
  CHECK(found(R"({"exp_id": {"$in": ["y", "z"]}})") == Names{"list"});
  CHECK(found(R"({"$and": [{"exp_id": "x"}, {"kind": "run"}]})") ==
        Names{"text", "list"});
  CHECK(found(R"({"exp_id": 0})") == Names{"number"});
  CHECK(found(R"({"exp_id": null})") == Names{"none"});
  CHECK(found(R"({"exp_id": {"$ne": "x"}})") == Names{"number", "none"});
  CHECK(found(R"({"exp_id": {"$regex": "^x"}})") == Names{"text", "list"});
  CHECK(found(R"({"exp_id": "'; DROP TABLE documents; --"})").empty());
}

TEST_CASE("update is compare and set") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  std::string id = db.save(Dict{{"owner", nullptr}, {"a", Dict{{"b", 1}}}});
  Value query = Dict{{"_id", id}, {"owner", nullptr}};
  CHECK(db.update(query, json(R"({"owner": "me", "a.c": 2})"), {"a.b"}));
  CHECK_FALSE(db.update(query, json(R"({"owner": "you"})")));
  CHECK_FALSE(db.update(json(R"({"_id": "none"})"), json(R"({"x": 1})")));
  Value now = db.load_from_id(id);
  now.as_dict().erase("_id");
  CHECK(to_json(now) == R"({"owner":"me","a":{"c":2}})");
  CHECK(error_of([&] { db.update(json(R"({"a": 1})"), json("{}")); }).kind ==
        Kind::kValue);
  CHECK(error_of([&] {
          db.update(Dict{{"_id", id}}, json(R"({"_id": "other"})"));
        }).kind == Kind::kValue);
  CHECK(db.update(Dict{{"_id", id}}, json(R"({"exp_id": "late"})")));
  CHECK(db.find(json(R"({"exp_id": "late"})")).size() == 1);
}

TEST_CASE("update leaves arrays alone, sets and frees those it names") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  Tensor tiny = Tensor::scalar_of<float>(2);
  std::string id =
      db.save(Dict{{"w", floats(1000)}, {"v", floats(500, 1)}, {"tiny", tiny}});
  Value query = Dict{{"_id", id}};
  CHECK(db.update(query, json(R"({"step": 1})")));
  CHECK(count(db, "blobs") == 2);
  CHECK(db.update(query, Dict{{"w", floats(1000, 5)}}));
  CHECK(db.update(query, nullptr, {"v"}));
  CHECK(count(db, "blobs") == 1);
  Value now = db.load_from_id(id);
  CHECK(now.as_dict().at("w").as_tensor().identical(floats(1000, 5)));
  CHECK(now.as_dict().at("tiny").as_tensor().identical(tiny));
  CHECK(now.as_dict().at("step").as_int() == 1);
}

TEST_CASE("remove and remove_many take unshared blobs with them") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  Value shared = floats(1000);
  std::string a = db.save(Dict{{"w", shared}, {"x", floats(100, 1)}});
  std::string b = db.save(Dict{{"w", shared}, {"k", 1}});
  std::string c = db.save(Dict{{"w", shared}, {"k", 1}});
  CHECK(count(db, "blobs") == 2);
  CHECK(db.remove(a));
  CHECK_FALSE(db.remove(a));
  CHECK(count(db, "blobs") == 1);
  CHECK(db.load_from_id(b).as_dict().at("w").identical(shared));
  CHECK(db.remove_many(json(R"({"k": 1})")) == 2);
  CHECK(count(db, "documents") == 0);
  CHECK(count(db, "tensors") == 0);
  CHECK(count(db, "blobs") == 0);
  CHECK(count(db, "chunks") == 0);
}

TEST_CASE("what is not there is NotFound with its id") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  auto error = error_of([&] { db.load_from_id("nobody"); });
  CHECK(error.kind == Kind::kNotFound);
  CHECK(error.has("nobody"));
  CHECK(error_of([&] { db.load(json(R"({"a": 1})")); }).kind ==
        Kind::kNotFound);
}

TEST_CASE("what is no document is refused") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  CHECK(error_of([&] { db.save(3); }).kind == Kind::kType);
  CHECK(error_of([&] { db.save(json(R"({"_id": 5})")); }).kind == Kind::kValue);
  struct Odd : Opaque {
    std::string type_name() const override { return "odd"; }
  };
  auto error = error_of([&] {
    db.save(Dict{{"a", Dict{{"b", std::shared_ptr<Opaque>(new Odd)}}}});
  });
  CHECK(error.kind == Kind::kType);
  CHECK(error.has("a.b"));
  CHECK(count(db, "documents") == 0);
}

TEST_CASE("execute binds, refuses two statements and open transactions") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  db.save(json(R"({"_id": "1", "exp_id": "x"})"));
  Value rows = db.execute(
      "SELECT id, 1.5 AS r, NULL AS empty, x'00ff' AS b "
      "FROM documents WHERE exp_id = ?",
      Value::list({"x"}));
  CHECK(rows.as_list().items.size() == 1);
  CHECK(rows.as_list().items[0].identical(
      Dict{{"id", "1"},
           {"r", 1.5},
           {"empty", nullptr},
           {"b", Bytes{std::string("\0\xff", 2)}}}));
  CHECK(db.execute("SELECT :a + :b AS sum", json(R"({"a": 1, "b": 2})"))
            .as_list()
            .items[0]
            .as_dict()
            .at("sum")
            .as_int() == 3);
  for (const char* wrong : {"SELECT 1; SELECT 2", "BEGIN", "", "SELEC"})
    CHECK(error_of([&] { db.execute(wrong); }).kind == Kind::kValue);
  CHECK(error_of([&] { db.execute("SELECT ?"); }).kind == Kind::kValue);
  db.save(json("{}"));
}

TEST_CASE("a closed database says so") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  db.save(json("{}"), true);
  db.close();
  db.close();
  auto error = error_of([&] { db.find(json("{}")); });
  CHECK(error.kind == Kind::kState);
  CHECK(error.has("closed"));
  CHECK_FALSE(std::filesystem::exists(folder / "runs.db-wal"));
  CHECK(SQLiteInterface(folder / "runs.db").find(json("{}")).size() == 1);
}

TEST_CASE("open_database knows its forms") {
  register_database(registry());
  Folder folder;
  std::string path = folder / "runs.db";
  auto db = open_database(path);
  CHECK(db->location() == path);
  CHECK(db->class_name() == "ptutils.database.SQLiteInterface");
  db->save(json(R"({"n": "1"})"));
  db->close();
  std::filesystem::copy_file(path, folder / "no_suffix");
  CHECK(open_database(folder / "no_suffix", true)->find(json("{}")).size() ==
        1);
  CHECK(open_database("sqlite:///" + path)->find(json("{}")).size() == 1);
  auto mongo = error_of([] { open_database("mongodb://u:secret@h/db"); });
  CHECK(mongo.kind == Kind::kNotImplemented);
  CHECK_FALSE(mongo.has("secret"));
  CHECK(error_of([&] { open_database(folder / ""); }).has(".sqlite3"));
  CHECK(error_of([] { open_database("redis://h"); }).kind == Kind::kValue);
  CHECK(error_of([] { open_database("runs"); }).has("known forms"));
  const ClassInfo* info = registry().find("ptutils.database.SQLiteInterface");
  REQUIRE(info != nullptr);
  Dict arguments{{"path", path}, {"read_only", true}};
  auto made = info->make(Arguments(arguments, "dbinterface"));
  Value config = made->to_config();
  CHECK(config.as_dict().at("read_only").as_bool());
  CHECK(config.as_dict().at("path").as_string() == path);
}

TEST_CASE("100 000 documents are found by exp_id through the index") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  for (int i = 0; i < 100000; ++i)
    db.save(Dict{{"exp_id", str("run-", i % 1000)}, {"n", std::to_string(i)}},
            true);
  db.sync();
  CHECK(db.find(json(R"({"exp_id": "run-7"})")).size() == 100);
  Value plan = db.execute(
      "EXPLAIN QUERY PLAN SELECT seq, id, skeleton FROM documents WHERE "
      "exp_id IN (?,0) ORDER BY seq",
      Value::list({"run-7"}));
  CHECK(plan.repr(1000).find("documents_exp_id") != std::string::npos);
}
