// The law: what is saved comes back identical.
#include <cstring>

#include "formats/random_value.h"
#include "support.h"

using namespace ptutils;
using test::count;
using test::error_of;
using test::floats;
using test::Folder;
using test::json;

namespace {

Value round_trip(SQLiteInterface& db, const Value& value, bool background) {
  std::string id = db.save(Dict{{"v", value}}, background);
  return db.load_from_id(id).as_dict().at("v");
}

}  // namespace

TEST_CASE("random values of every type come back identical") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  for (unsigned seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    Value value = ptutils::testing::RandomValue(seed).value(3);
    CHECK(round_trip(db, value, seed % 2 == 0).identical(value));
  }
  CHECK(test::integrity(db) == "ok");
}

TEST_CASE("every dtype, 0-d, empty, strided, large") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  for (int dtype = 0; dtype < kDTypeCount; ++dtype) {
    for (Dims shape : {Dims{}, Dims{0}, Dims{3, 0, 2}, Dims{7, 5}}) {
      Tensor tensor = Tensor::zeros(shape, static_cast<DType>(dtype));
      tensor.origin = Origin::kTorch;
      CHECK(round_trip(db, tensor, false).identical(tensor));
    }
  }
  Tensor grid = floats(600).reshape({20, 30});
  for (const Tensor& view :
       {grid.transpose(0, 1), grid.slice(0, 1, 19, 3), grid.select(1, 4),
        Tensor::zeros({1}).broadcast_to({1000})})
    CHECK(round_trip(db, view, false).identical(view));
  Tensor large = floats(1'500'000);  // several chunks, the last one not full
  CHECK(round_trip(db, large, true).identical(large));
}

TEST_CASE("a tensor in two places stays one") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  Value tied = floats(200);
  std::string id = db.save(Dict{{"a", tied}, {"b", tied}});
  Value loaded = db.load_from_id(id);
  CHECK(loaded.as_dict().at("a").as_tensor().storage() ==
        loaded.as_dict().at("b").as_tensor().storage());
  CHECK(count(db, "tensors") == 1);
}

TEST_CASE("equal bytes are stored once, whatever their dtype and shape") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i)
    ids.push_back(db.save(Dict{{"w", floats(1000)}, {"step", i}}));
  Value flat = floats(1000).reshape({10, 100});
  std::string other = db.save(Dict{{"w", flat}});
  CHECK(count(db, "blobs") == 1);
  for (const std::string& id : ids) CHECK(db.remove(id));
  CHECK(count(db, "blobs") == 1);
  CHECK(db.load_from_id(other).as_dict().at("w").identical(flat));
  // A replaced document keeps what it still has.
  db.save(Dict{{"_id", other}, {"w", flat}, {"x", floats(50)}});
  CHECK(count(db, "blobs") == 2);
  db.save(Dict{{"_id", other}});
  CHECK(count(db, "blobs") == 0);
}

TEST_CASE("equal hashes do not make equal bytes") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  std::string first = db.save(Dict{{"w", floats(1000)}});
  // As if these had collided: the stored bytes differ from their hash.
  db.execute("UPDATE chunks SET bytes = zeroblob(4000)");
  std::string second = db.save(Dict{{"w", floats(1000)}});
  CHECK(count(db, "blobs") == 2);
  CHECK(db.load_from_id(second).as_dict().at("w").as_tensor().identical(
      floats(1000)));
  CHECK(error_of([&] { db.load_from_id(first); }).has("is damaged"));
}

TEST_CASE("arrays outside the projection and the match are never read") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  std::string id = db.save(Dict{{"a", floats(100)}, {"b", floats(100, 1)}});
  db.execute(
      "DELETE FROM chunks WHERE blob = (SELECT blob FROM tensors "
      "WHERE name LIKE '%b')");
  FindOptions only_a;
  only_a.projection = json(R"({"a": 1})");
  auto found = db.find(json(R"({"b": {"$exists": true}})"), only_a);
  REQUIRE(found.size() == 1);
  CHECK(found[0].as_dict().at("a").as_tensor().identical(floats(100)));
  auto error = test::error_of([&] { db.load_from_id(id); });
  CHECK(error.kind == Kind::kFormat);
}

TEST_CASE("a NumPy scalar in a document matches as a number") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  Tensor lr = Tensor::scalar_of<double>(0.25);
  lr.origin = Origin::kNumpy;
  lr.numpy_scalar = true;
  db.save(Dict{{"lr", lr}});
  CHECK(db.find(json(R"({"lr": {"$lt": 1}})")).size() == 1);
  CHECK(db.find(json(R"({"lr": {"$gt": 1}})")).empty());
}
