// Threads on one object, forks, and processes on one file.
#include <atomic>
#include <thread>

#include "support.h"

using namespace ptutils;
using test::count;
using test::floats;
using test::Folder;
using test::in_child;
using test::json;

#ifdef __SANITIZE_THREAD__
// Children of a process with threads start some of their own.
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }
#endif

TEST_CASE("many threads use one object") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  std::string counter = db.save(json(R"({"count": 0})"));
  std::atomic<int> wins{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        std::string id = db.save(
            Dict{{"t", t}, {"i", i}, {"w", floats(500, i)}}, i % 2 == 0);
        Value now = db.load_from_id(counter);
        auto n = now.as_dict().at("count").as_int();
        wins += db.update(Dict{{"_id", counter}, {"count", n}},
                          Dict{{"count", n + 1}});
        db.find(Dict{{"t", t}});
        if (i % 5 == 0) db.remove(id);
      }
    });
  for (auto& thread : threads) thread.join();
  db.sync();
  CHECK(db.load_from_id(counter).as_dict().at("count").as_int() == wins);
  CHECK(count(db, "documents") == 1 + 6 * 16);
  CHECK(test::integrity(db) == "ok");
}

TEST_CASE("a forked child uses the database through connections of its own") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  db.save(json(R"({"_id": "parent"})"));
  for (int i = 0; i < 20; ++i) db.save(Dict{{"w", floats(50000, i)}}, true);
  CHECK(in_child([&] {
    db.load_from_id("parent");
    db.save(json(R"({"_id": "child"})"));
    db.save(json(R"({"_id": "child2"})"), true);
    db.sync();
    return in_child([&] {  // and its child
      return db.load_from_id("child2").is_dict() &&
             db.save(json(R"({"_id": "grandchild"})")) == "grandchild";
    });
  }));
  CHECK(in_child([&] {  // closing what was inherited harms nobody
    db.close();
    return true;
  }));
  db.save(json(R"({"_id": "after"})"));
  CHECK(db.load_from_ids({"parent", "child", "child2", "grandchild", "after"})
            .size() == 5);
  CHECK(count(db, "documents") == 25);
  CHECK(test::integrity(db) == "ok");
}

TEST_CASE("the parent may close while its child goes on") {
  Folder folder;
  std::string path = folder / "runs.db";
  auto db = std::make_unique<SQLiteInterface>(path);
  db->save(json(R"({"_id": "parent"})"));
  int go[2], done[2];
  REQUIRE(pipe(go) == 0);
  REQUIRE(pipe(done) == 0);
  pid_t child = fork();
  char byte = 0;
  if (child == 0) {
    db->save(json(R"({"_id": "child"})"));
    (void)!write(done[1], "x", 1);
    (void)!read(go[0], &byte, 1);
    db->save(json(R"({"_id": "later"})"));
    _exit(0);
  }
  REQUIRE(read(done[0], &byte, 1) == 1);
  db.reset();
  // The log is still the child's: a last close must not take it away.
  CHECK(std::filesystem::exists(path + "-wal"));
  (void)!write(go[1], "x", 1);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  for (int end : {go[0], go[1], done[0], done[1]}) close(end);
  SQLiteInterface again(path);
  CHECK(again.load_from_ids({"parent", "child", "later"}).size() == 3);
}

TEST_CASE("forks of a busy process leave children that work") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (int t = 0; t < 3; ++t)
    busy.emplace_back([&, t] {
      for (int i = 0; !stop; ++i) {
        db.save(Dict{{"w", floats(3000, i)}, {"t", t}}, t == 0);
        db.find(json(R"({"t": 9})"));
      }
    });
  for (int i = 0; i < 15; ++i)
    CHECK(in_child([&] {
      std::string id = db.save(Dict{{"from", "child"}, {"i", i}});
      return db.load_from_id(id).as_dict().at("i").as_int() == i;
    }));
  stop = true;
  for (auto& thread : busy) thread.join();
  CHECK(db.find(json(R"({"from": "child"})")).size() == 15);
  CHECK(test::integrity(db) == "ok");
}

TEST_CASE("of several processes that compare and set, exactly one wins") {
  Folder folder;
  std::string path = folder / "runs.db";
  std::string id = SQLiteInterface(path).save(json(R"({"owner": null})"));
  for (int round = 0; round < 10; ++round) {
    int go[2];
    REQUIRE(pipe(go) == 0);
    std::vector<pid_t> children;
    for (int p = 0; p < 4; ++p) {
      pid_t child = fork();
      if (child == 0) {
        close(go[1]);
        SQLiteInterface db(path);
        char byte = 0;
        (void)!read(go[0], &byte, 1);  // until all start together
        bool won = db.update(Dict{{"_id", id}, {"owner", nullptr}},
                             Dict{{"owner", getpid()}});
        db.close();
        _exit(won ? 7 : 0);
      }
      children.push_back(child);
    }
    close(go[0]);
    close(go[1]);
    int winners = 0;
    for (pid_t child : children) {
      int status = 0;
      waitpid(child, &status, 0);
      REQUIRE(WIFEXITED(status));
      int code = WEXITSTATUS(status);
      bool known = code == 7 || code == 0;
      CHECK(known);
      if (code == 7) ++winners;
    }
    CHECK(winners == 1);
    SQLiteInterface db(path);
    CHECK(db.update(Dict{{"_id", id}}, Dict{{"owner", nullptr}}));
  }
}

TEST_CASE("processes that make and fill one database at once") {
  Folder folder;
  std::string path = folder / "runs.db";
  std::vector<pid_t> children;
  for (int p = 0; p < 4; ++p) {
    pid_t child = fork();
    if (child == 0) {
      int code = 1;
      try {
        SQLiteInterface db(path);
        for (int i = 0; i < 50; ++i)
          db.save(Dict{{"p", p}, {"w", floats(500, i)}}, i % 2 == 0);
        db.close();
        code = 0;
      } catch (const std::exception& error) {
        (void)!write(2, error.what(), std::string(error.what()).size());
      }
      _exit(code);
    }
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(status == 0);
  }
  SQLiteInterface db(path);
  CHECK(db.find(json("{}")).size() == 200);
  CHECK(count(db, "blobs") == 50);
}
