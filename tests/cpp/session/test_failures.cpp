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
