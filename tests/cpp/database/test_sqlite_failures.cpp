// Killed processes, full disks, wrong files, missing rights.
#include <sys/resource.h>

#include <chrono>
#include <fstream>
#include <random>
#include <thread>

#include "support.h"

using namespace ptutils;
using test::count;
using test::error_of;
using test::floats;
using test::Folder;
using test::in_child;
using test::json;

namespace {

// Saves and replaces for ever; writes each number to `out` once its save has
// returned (or, in the background, once sync has).
[[noreturn]] void save_for_ever(const std::string& path, int out) {
  SQLiteInterface db(path);
  for (int i = 0;; ++i) {
    bool background = i % 3 == 0;
    std::string id = db.save(Dict{{"_id", str("doc-", i)},
                                  {"i", i},
                                  {"w", floats(20000, i)},
                                  {"shared", floats(5000)}},
                             background);
    if (background) db.sync();
    (void)!write(out, &i, sizeof i);
    if (i >= 10) db.remove(str("doc-", i - 10));
    db.update(Dict{{"_id", id}}, Dict{{"seen", i}});
  }
}

// The last number that a killed writer had saved for sure.
int run_and_kill(const std::string& path, std::chrono::microseconds after) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  pid_t child = fork();
  if (child == 0) save_for_ever(path, ends[1]);
  close(ends[1]);
  int last = -1;
  // From the first save on, so that opening is not all that is killed.
  REQUIRE(read(ends[0], &last, sizeof last) == sizeof last);
  std::this_thread::sleep_for(after);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  int number = 0;
  while (read(ends[0], &number, sizeof number) == sizeof number) last = number;
  close(ends[0]);
  return last;
}

void check_whole(SQLiteInterface& db, int last) {
  CHECK(test::integrity(db) == "ok");
  bool found_last = false;
  for (const Value& document : db.find(json("{}"))) {
    const Dict& fields = document.as_dict();
    int i = static_cast<int>(fields.at("i").as_int());
    found_last |= i == last;
    CHECK(fields.at("w").as_tensor().identical(floats(20000, i)));
    CHECK(fields.at("shared").as_tensor().identical(floats(5000)));
  }
  CHECK(found_last);
  // No blob without a document, and no document without its blobs.
  CHECK(count(db,
              "blobs WHERE id NOT IN (SELECT blob FROM tensors WHERE "
              "blob NOTNULL)") == 0);
  CHECK(count(db,
              "tensors WHERE blob NOTNULL AND blob NOT IN (SELECT blob "
              "FROM chunks)") == 0);
  CHECK(count(db,
              "tensors WHERE document NOT IN (SELECT seq FROM "
              "documents)") == 0);
}

}  // namespace

TEST_CASE("kill -9 at random moments leaves every saved document whole") {
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    CAPTURE(round);
    Folder folder;
    std::string path = folder / "runs.db";
    int last = run_and_kill(path, std::chrono::microseconds(random() % 150000));
    SQLiteInterface db(path);
    check_whole(db, last);
    db.save(json(R"({"_id": "later"})"));
  }
}

TEST_CASE("a full database is a clear error, and stays usable") {
  Folder folder;
  SQLiteInterface db(folder / "runs.db");
  std::string id = db.save(Dict{{"w", floats(10000)}});
  db.execute("PRAGMA max_page_count=30");
  auto error = error_of([&] { db.save(Dict{{"w", floats(1'000'000)}}); });
  CHECK(error.kind == Kind::kIO);
  CHECK(error.has("free space"));
  CHECK(db.load_from_id(id).as_dict().at("w").as_tensor().identical(
      floats(10000)));
  db.save(json(R"({"small": 1})"));
  CHECK(db.update(Dict{{"_id", id}}, json(R"({"b": 1})")));
  db.execute("PRAGMA max_page_count=1000000");
  db.save(Dict{{"w", floats(1'000'000)}});
  CHECK(test::integrity(db) == "ok");
}

TEST_CASE("a limit on the file's size is a clear error, nothing is lost") {
  Folder folder;
  std::string path = folder / "runs.db";
  SQLiteInterface(path).save(Dict{{"_id", "kept"}, {"w", floats(10000)}});
  CHECK(in_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    SQLiteInterface db(path);
    rlimit limit{2'000'000, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
    auto error = error_of([&] { db.save(Dict{{"w", floats(2'000'000)}}); });
    bool clear = error.kind == Kind::kIO && error.has("free space");
    bool usable = db.save(json(R"({"_id": "small"})")) == "small";
    return clear && usable && db.load_from_id("kept").as_dict().contains("w");
  }));
  SQLiteInterface db(path);
  CHECK(test::integrity(db) == "ok");
  CHECK(db.load_from_ids({"kept", "small"}).size() == 2);
}

TEST_CASE("a newer schema, another program's database, other files") {
  Folder folder;
  std::string path = folder / "runs.db";
  SQLiteInterface(path).execute("PRAGMA user_version=3");
  for (bool read_only : {false, true}) {
    SQLiteOptions options;
    options.read_only = read_only;
    auto error = error_of([&] { SQLiteInterface db(path, options); });
    CHECK(error.kind == Kind::kState);
    CHECK(
        error.has("written by a newer ptutils (schema 3); this one reads up "
                  "to 2: upgrade ptutils"));
  }
  SQLiteInterface(folder / "foreign.db").execute("PRAGMA application_id=5");
  auto foreign = error_of([&] { SQLiteInterface db(folder / "foreign.db"); });
  CHECK(foreign.kind == Kind::kFormat);
  CHECK(foreign.has("another program"));

  std::ofstream(folder / "text.db") << std::string(5000, 'x');
  CHECK(error_of([&] { SQLiteInterface db(folder / "text.db"); }).kind ==
        Kind::kFormat);
  std::ofstream(folder / "empty.db");
  SQLiteInterface(folder / "empty.db").save(json("{}"));
  CHECK(error_of([&] {
          SQLiteInterface db(folder / "none/runs.db");
        }).has("mkdir -p"));
  CHECK(error_of([&] { SQLiteInterface db(folder / ""); }).has("folder"));
  SQLiteOptions options;
  options.read_only = true;
  CHECK(error_of([&] {
          SQLiteInterface db(folder / "no.db", options);
        }).has("no such file"));
}

TEST_CASE("a damaged file is an error, not a crash") {
  Folder folder;
  std::string path = folder / "runs.db";
  {
    SQLiteInterface db(path);
    for (int i = 0; i < 50; ++i)
      db.save(Dict{{"n", i}, {"w", floats(2000, i)}});
  }
  auto size = std::filesystem::file_size(path);
  std::mt19937 random(3);
  for (int round = 0; round < 40; ++round) {
    CAPTURE(round);
    std::string broken = folder / "broken.db";
    std::filesystem::copy_file(
        path, broken, std::filesystem::copy_options::overwrite_existing);
    if (round % 2 == 0) {
      std::filesystem::resize_file(broken, random() % size);
    } else {
      std::fstream file(broken, std::ios::in | std::ios::out);
      for (int i = 0; i < 200; ++i) {
        file.seekp(static_cast<std::streamoff>(100 + random() % (size - 100)));
        file.put(static_cast<char>(random()));
      }
    }
    try {
      SQLiteInterface db(broken);
      db.find(json("{}"));
      db.save(Dict{{"w", floats(2000)}});
    } catch (const Error&) {
    }
    std::filesystem::remove(broken + "-wal");
    std::filesystem::remove(broken + "-shm");
  }
}

TEST_CASE("reading beside a writer, and where nothing may be written") {
  Folder folder;
  std::filesystem::create_directory(folder / "d");
  std::string path = folder / "d/runs.db";
  SQLiteOptions options;
  options.read_only = true;
  {
    SQLiteInterface db(path);
    db.save(Dict{{"_id", "1"}, {"w", floats(1000)}});
    CHECK(in_child([&] {
      SQLiteInterface reader(path, options);
      return reader.find(json("{}")).size() == 1 &&
             error_of([&] { reader.save(json("{}")); }).kind == Kind::kState;
    }));
    SQLiteInterface reader(path, options);
    CHECK(reader.find(json("{}")).size() == 1);
    db.save(json("{}"));
    CHECK(reader.find(json("{}")).size() == 2);
    CHECK(error_of([&] { reader.execute("DELETE FROM documents"); }).kind ==
          Kind::kIO);
  }
  std::filesystem::permissions(path, std::filesystem::perms(0444));
  std::filesystem::permissions(folder / "d", std::filesystem::perms(0555));
  std::filesystem::permissions(folder / "", std::filesystem::perms(0755));
  auto unprivileged = [&](const std::function<bool()>& f) {
    return in_child([&] {
      if (geteuid() == 0 && seteuid(65534) != 0) return false;
      return f();
    });
  };
  CHECK(unprivileged([&] {
    auto error = error_of([&] { SQLiteInterface db(path); });
    return error.kind == Kind::kIO && error.has("read_only=True");
  }));
  CHECK(unprivileged([&] {
    SQLiteInterface db(path, options);
    return db.load_from_id("1").as_dict().contains("w");
  }));
  std::filesystem::permissions(folder / "d", std::filesystem::perms(0755));
}

TEST_CASE("a log that cannot be used is an error that says so") {
  Folder folder;
  std::filesystem::create_directory(folder / "d");
  std::string path = folder / "d/runs.db";
  CHECK_FALSE(in_child([&] {  // dies without closing: the log stays
    SQLiteInterface db(path);
    db.save(json("{}"));
    raise(SIGKILL);
    return true;
  }));
  std::filesystem::remove(path + "-shm");
  std::filesystem::permissions(folder / "d", std::filesystem::perms(0555));
  std::filesystem::permissions(folder / "", std::filesystem::perms(0755));
  CHECK(in_child([&] {
    if (geteuid() == 0 && seteuid(65534) != 0) return false;
    SQLiteOptions options;
    options.read_only = true;
    auto error = error_of([&] { SQLiteInterface db(path, options); });
    return error.kind == Kind::kIO && error.has("-wal");
  }));
  std::filesystem::permissions(folder / "d", std::filesystem::perms(0755));
  CHECK(SQLiteInterface(path).find(json("{}")).size() == 1);
}
