// Saves in the background: order, back-pressure, errors.
#include <atomic>
#include <chrono>
#include <thread>

#include "ptutils/common/interrupt.h"
#include "ptutils/common/shutdown.h"
#include "support.h"

using namespace ptutils;
using test::count;
using test::error_of;
using test::floats;
using test::Folder;
using test::json;
using test::WriteLock;

TEST_CASE("background saves are written in order, foreground ones after them") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  for (int i = 0; i < 500; ++i) db.save(Dict{{"n", i}}, true);
  db.save(Dict{{"n", 500}});
  auto found = db.find(json("{}"));
  REQUIRE(found.size() == 501);
  for (int i = 0; i <= 500; ++i)
    CHECK(found[static_cast<std::size_t>(i)].as_dict().at("n").as_int() == i);
}

TEST_CASE("what names an id waits for its background save") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  std::string id = db.save(Dict{{"w", floats(300000)}}, true);
  CHECK(db.update(Dict{{"_id", id}}, json(R"({"a": 1})")));
  id = db.save(Dict{{"w", floats(300000, 1)}}, true);
  CHECK(db.load_from_id(id).as_dict().contains("w"));
  id = db.save(json("{}"), true);
  CHECK(db.remove(id));
  CHECK(count(db, "documents") == 2);
}

TEST_CASE("save waits while the queue is full, by count and by bytes") {
  Folder folder;
  for (bool by_bytes : {false, true}) {
    std::string path = folder / (by_bytes ? "bytes.db" : "count.db");
    SQLiteOptions options;
    if (by_bytes)
      options.max_pending_bytes = 100000;
    else
      options.max_pending = 10;
    SQLiteInterface db(path, options);
    WriteLock lock(path);
    std::atomic<int> pushed{0};
    std::thread producer([&] {
      for (int i = 0; i < 30; ++i, ++pushed)
        db.save(Dict{{"n", i}, {"w", floats(2500, i)}}, true);
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    CHECK(pushed == (by_bytes ? 9 : 10));
    CHECK(db.find(json("{}")).empty());  // reading does not wait
    lock.release();
    producer.join();
    db.sync();
    CHECK(db.find(json("{}")).size() == 30);
  }
}

TEST_CASE("a document larger than the limit is taken when the queue is empty") {
  Folder folder;
  SQLiteOptions options;
  options.max_pending_bytes = 1000;
  SQLiteInterface db(folder / "runs.db", options);
  for (int i = 0; i < 3; ++i) db.save(Dict{{"w", floats(5000, i)}}, true);
  db.sync();
  CHECK(count(db, "blobs") == 3);
}

TEST_CASE("a failed background save is thrown once, by the next call") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  db.save(json(R"({"_id": "first"})"));
  db.execute("PRAGMA max_page_count=20");
  // One group: the small ones beside the large one are written even so.
  {
    WriteLock lock(folder / "runs.db");
    db.save(json(R"({"_id": "before"})"), true);
    db.save(Dict{{"_id", "huge"}, {"w", floats(1'000'000)}}, true);
    db.save(json(R"({"_id": "after"})"), true);
  }
  auto error = error_of([&] { db.sync(); });
  CHECK(error.kind == Kind::kIO);
  CHECK(error.has("document huge"));
  CHECK(error.has("free space"));
  db.sync();
  CHECK(db.load_from_ids({"first", "before", "after"}).size() == 3);
  CHECK(error_of([&] { db.load_from_id("huge"); }).kind == Kind::kNotFound);
  db.save(Dict{{"w", floats(1'000'000)}}, true);
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  CHECK(error_of([&] { db.find(json("{}")); }).kind == Kind::kIO);
  CHECK(db.find(json("{}")).size() == 3);
  // close reports what is left, and closes.
  db.save(Dict{{"w", floats(1'000'000)}}, true);
  CHECK(error_of([&] { db.close(); }).kind == Kind::kIO);
  db.close();
}

TEST_CASE("a wait for another writer ends after busy_seconds, or by Ctrl-C") {
  Folder folder;
  SQLiteOptions options;
  options.busy_seconds = 0.3;
  SQLiteInterface db(folder / "runs.db", options);
  WriteLock lock(folder / "runs.db");
  auto begin = std::chrono::steady_clock::now();
  CHECK(error_of([&] { db.save(json("{}")); }).kind == Kind::kBusy);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(3));

  SQLiteInterface patient(folder / "runs.db");
  set_interrupt_hook([] { fail(Kind::kInterrupted, "test", "Ctrl-C"); });
  CHECK(error_of([&] { patient.save(json("{}")); }).kind == Kind::kInterrupted);
  set_interrupt_hook(nullptr);
  lock.release();
  patient.save(json("{}"));
}

TEST_CASE("the destructor writes what waits") {
  Folder folder;
  {
    SQLiteInterface db(folder / "runs.db");
    for (int i = 0; i < 100; ++i) db.save(Dict{{"w", floats(1000, i)}}, true);
  }
  CHECK(SQLiteInterface(folder / "runs.db").find(json("{}")).size() == 100);
}

TEST_CASE("shutdown writes what waits, and closes") {
  Folder folder;
  CHECK(test::in_child([&] {
    SQLiteInterface db(folder / "runs.db");
    for (int i = 0; i < 100; ++i) db.save(Dict{{"w", floats(1000, i)}}, true);
    shutdown::run();
    return error_of([&] { db.find(json("{}")); }).kind == Kind::kState;
  }));
  CHECK(SQLiteInterface(folder / "runs.db").find(json("{}")).size() == 100);
}
