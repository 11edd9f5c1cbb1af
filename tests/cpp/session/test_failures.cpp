#include <sqlite3.h>

#include <csignal>
#include <thread>

#include "session/support.h"

// What the world does to a run.

using namespace test;

TEST_CASE("A full database ends the run with an error, and stays whole") {
  Folder folder;
  std::string path = folder / "runs.db";
  auto session = make(path, {{"save_params.every", "1 steps"}});
  auto db = std::dynamic_pointer_cast<SQLiteInterface>(session->dbinterface());
  auto limit = [&](std::int64_t more) {
    auto pages = db->execute("PRAGMA page_count").as_list().items[0];
    std::int64_t now = pages.as_dict().at("page_count").as_int();
    db->execute(str("PRAGMA max_page_count=", now + more));
  };
  at_step(*session, 5, [&] { limit(2); });
  std::string message = message_of([&] { session->run(); });
  CHECK_MESSAGE(contains(message, "full"), message);
  CHECK_MESSAGE(contains(message, "runs.db"), message);
  CHECK(!session->begun());
  CHECK(db->execute("PRAGMA integrity_check")
            .as_list()
            .items[0]
            .as_dict()
            .at("integrity_check")
            .as_string() == "ok");
  limit(1000000);  // room again: the same object goes on
  auto straight = make(folder / "straight.db");
  straight->run();
  session->run();
  CHECK(session->history().equal(straight->history()));
  // And so does a new one, though the record could not say how it ended.
  CHECK(make(path, {{"save_params.every", "1 steps"}})->begin() == false);
}

TEST_CASE("Handlers that fail while it ends do not hide the first error") {
  Folder folder;
  auto session = make(folder / "runs.db");
  at_step(*session, 3, [] { fail(Kind::kValue, "test", "the first"); });
  session->callbacks().on("on_exception", [](const Event&) {
    fail(Kind::kValue, "test", "the second");
  });
  CHECK(message_of([&] { session->run(); }) == "[test] the first");
  CHECK(session->status().exception == "[test] the first");
}

TEST_CASE("A handler that fails before the first step gives the lease back") {
  for (const char* trigger :
       {"before_save", "after_save", "start_of_session", "start_of_stage"}) {
    Folder folder;
    auto session = make(folder / "runs.db");
    bool bad = true;
    session->callbacks().on(trigger, [&](const Event&) {
      if (bad) fail(Kind::kValue, "test", "not yet");
    });
    CHECK(message_of([&] { session->run(); }) == "[test] not yet");
    CHECK(!session->begun());
    for (const Status& status :
         {session->status(),
          ptutils::open(folder / "runs.db")["blobs"].status()}) {
      CHECK(status.state == Status::State::kComplete);
      CHECK(status.outcome == Status::Outcome::kFailure);
      CHECK(status.exception == "[test] not yet");
    }
    bad = false;
    session->run();
    CHECK(session->status().outcome == Status::Outcome::kSuccess);
  }
}

namespace {

/// The database of a run, locked by another from a step on, for a time.
struct LockedRun {
  explicit LockedRun(const std::string& path) {
    SQLiteOptions options;
    options.busy_seconds = 0.2;
    session =
        make_of_parts(path, std::make_shared<SQLiteInterface>(path, options));
    REQUIRE(sqlite3_open(path.c_str(), &other) == SQLITE_OK);
    sqlite3_busy_timeout(other, 5000);
    at_step(*session, 3, [this] { run("BEGIN IMMEDIATE"); });
  }
  ~LockedRun() { sqlite3_close(other); }
  void run(const char* sql) {
    CHECK(sqlite3_exec(other, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  std::shared_ptr<Session> session;
  sqlite3* other = nullptr;
};

}  // namespace

TEST_CASE("A run waits for a locked database, and all is stored in order") {
  Folder folder;
  const std::string path = folder / "runs.db";
  LockedRun locked(path);
  at_step(*locked.session, 5, [&] { locked.session->save(); });
  at_step(*locked.session, 7, [&] { locked.session->save(); });
  std::int64_t reached = 0;
  std::thread releases([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    reached = locked.session->status().step;
    locked.run("ROLLBACK");
  });
  locked.session->run();
  releases.join();
  CHECK(reached == 20);  // the run's end alone waited
  CHECK(locked.session->status().outcome == Status::Outcome::kSuccess);
  Run run = ptutils::open(path)["parts"];
  CHECK(run.status().outcome == Status::Outcome::kSuccess);
  auto records = run.history().records("train/loss");
  REQUIRE(records.size() == 20);
  for (std::size_t i = 0; i < 20; ++i)
    CHECK(records[i].step == static_cast<std::int64_t>(i) + 1);
}

TEST_CASE("A signal ends the wait for a locked database, in bounded time") {
  Folder folder;
  LockedRun locked(folder / "runs.db");
  std::chrono::steady_clock::time_point begin;
  std::thread interrupts([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(1000));
    begin = std::chrono::steady_clock::now();
    raise(SIGINT);
  });
  CHECK_THROWS_WITH_AS(locked.session->run(),
                       doctest::Contains("keeps it locked"), Error);
  interrupts.join();
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(4));
  locked.run("ROLLBACK");
}

TEST_CASE("save() from another thread waits for the end of the step") {
  Folder folder;
  auto session = make(folder / "runs.db", {{"train_params.num_epochs", 5},
                                           {"save_params", Dict{}}});
  std::vector<std::int64_t> saved;
  std::thread other([&] {
    while (!session->begun())
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    try {
      for (;;) {
        session->save();
        saved.push_back(session->status().step);
      }
    } catch (const Error& error) {
      CHECK(error.kind() == Kind::kState);  // it is over
    }
  });
  session->run();
  other.join();
  CHECK(!saved.empty());
  auto straight = make(folder / "straight.db", {{"train_params.num_epochs", 5},
                                                {"save_params", Dict{}}});
  straight->run();
  check_same(*session, *straight);
}

TEST_CASE("pause() and status() from another thread") {
  Folder folder;
  auto session =
      make(folder / "runs.db", {{"train_params.num_epochs", 100000}});
  std::thread other([&] {
    while (session->status().step < 20)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    session->pause();
  });
  session->run();
  other.join();
  CHECK(session->status().state == Status::State::kPaused);
}

TEST_CASE("The heartbeat writes beside the loop") {
  Folder folder;
  auto session =
      make(folder / "runs.db", {{"dataprovider.datasets.train.sleep_us", 90000},
                                {"train_params.num_epochs", 2}});
  std::int64_t seen = 0;
  at_step(*session, 17, [&] {
    Run run = ptutils::open(folder / "runs.db")["blobs"];
    seen = run.status().step;
    CHECK(run.record().latest.as_dict().contains("train/loss"));
  });
  session->run();
  CHECK(seen >= 8);  // of the record at the last save or beat
}
