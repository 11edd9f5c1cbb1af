#include <csignal>

#include "session/support.h"

// A run that was interrupted and goes on is the run that was not.

using namespace test;

TEST_CASE("Paused at every step and resumed: the uninterrupted run") {
  Folder folder;
  auto straight = make(folder / "straight.db");
  straight->run();
  for (std::int64_t at : {1, 3, 4, 9, 10, 11, 20, 29}) {
    std::string db = folder / str("at", at, ".db");
    {
      auto session = make(db);
      at_step(*session, at, [&] { session->pause(); });
      session->run();
      CHECK(session->status().state == Status::State::kPaused);
      CHECK(session->status().step == at);
    }
    auto session = make(db);
    session->run();
    CHECK(session->status().run == Status::Run::kResumed);
    CHECK(session->attempt() == 0);
    check_same(*session, *straight);
    check_no_record_twice(*session->dbinterface(), "blobs");
  }
}

TEST_CASE("Paused again and again, in one object and in new ones") {
  Folder folder;
  auto straight = make(folder / "straight.db");
  straight->run();
  auto session = make(folder / "runs.db");
  session->callbacks().on("end_of_training_step", [&](const Event& e) {
    if (e.index % 7 == 0) session->pause();
  });
  for (int i = 0; i < 5; ++i) session->run();
  CHECK(session->status().outcome == Status::Outcome::kSuccess);
  check_same(*session, *straight);
}

TEST_CASE("An exception leaves a failure; run() goes on from the last state") {
  Folder folder;
  auto straight = make(folder / "straight.db");
  straight->run();
  auto session = make(folder / "runs.db");
  at_step(*session, 14, [] { throw std::runtime_error("the lamp went out"); });
  CHECK_THROWS_WITH(session->run(), "the lamp went out");
  CHECK(session->status().outcome == Status::Outcome::kFailure);
  Run run = ptutils::open(folder / "runs.db")["blobs"];
  CHECK(run.status().exception == "the lamp went out");
  CHECK(run.status().step == 14);
  session->run();  // the same object, from step 12
  CHECK(session->attempt() == 1);
  check_same(*session, *straight);
  check_no_record_twice(*session->dbinterface(), "blobs");
}

TEST_CASE("NaNDetector ends the run with the step; it can be resumed") {
  Folder folder;
  Changes bad{{"dataprovider.datasets.train.nan_at", 17},
              {"callbacks", Value::list({Value("NaNDetector")})}};
  auto session = make(folder / "runs.db", bad);
  CHECK(kind_of([&] { session->run(); }) == static_cast<int>(Kind::kValue));
  Run run = ptutils::open(folder / "runs.db")["blobs"];
  CHECK(run.status().outcome == Status::Outcome::kFailure);
  CHECK(contains(run.status().exception, "the training loss is NaN at step"));
  bad[0].second = Value(-1);  // a cleaned data set
  auto again = make(folder / "runs.db", bad);
  again->run();
  CHECK(again->status().outcome == Status::Outcome::kSuccess);
  CHECK(again->status().run == Status::Run::kResumed);
}

TEST_CASE("A session that is dropped in mid-run says so") {
  Folder folder;
  make(folder / "runs.db")->step(6);
  Status status = ptutils::open(folder / "runs.db")["blobs"].status();
  CHECK(status.outcome == Status::Outcome::kFailure);
  CHECK(contains(status.exception, "dropped"));
  auto again = make(folder / "runs.db");
  again->run();
  auto straight = make(folder / "straight.db");
  straight->run();
  check_same(*again, *straight);
}

TEST_CASE("resume() wants something to resume") {
  Folder folder;
  auto session = make(folder / "runs.db");
  CHECK(kind_of([&] { session->resume(); }) ==
        static_cast<int>(Kind::kNotFound));
  CHECK(contains(message_of([&] { session->resume(); }), "runs.db"));
}

TEST_CASE("Another structure is an error that shows the difference") {
  Folder folder;
  auto session = make(folder / "runs.db");
  at_step(*session, 5, [&] { session->pause(); });
  session->run();
  auto other = make(folder / "runs.db",
                    {{"model.optimizer", Dict{{"func", "SGD"}, {"lr", .1}}}});
  std::string message = message_of([&] { other->run(); });
  CHECK(contains(message, "another structure"));
  CHECK(contains(message, "model.optimizer.func"));
  CHECK(contains(message, "ptutils.optim.SGD"));
  // Nothing has happened to it.
  auto same = make(folder / "runs.db");
  same->run();
  CHECK(same->status().outcome == Status::Outcome::kSuccess);
  CHECK(same->attempt() == 0);
}

TEST_CASE("Another learning rate applies from the resumed step, as an edit") {
  Folder folder;
  auto session = make(folder / "runs.db");
  at_step(*session, 5, [&] { session->pause(); });
  session->run();
  auto other = make(folder / "runs.db", {{"model.optimizer.lr", .05}});
  other->run();
  auto optimizer =
      std::dynamic_pointer_cast<optim::Optimizer>(other->model()->optimizer);
  CHECK(optimizer->lr() == .05);
  REQUIRE(other->edits().items.size() == 1);
  const Dict& edit = other->edits().items[0].as_dict();
  CHECK(edit.at("path").as_string() == "model.optimizer.lr");
  CHECK(edit.at("step").as_int() == 5);
  CHECK(edit.at("old").as_double() == .01);
  CHECK(edit.at("new").as_double() == .05);
  auto straight = make(folder / "straight.db");
  straight->run();
  CHECK(!other->history().equal(straight->history()));
}

TEST_CASE("What a callback changed stays changed over a resume") {
  auto slower = [](Session& session) {
    at_step(session, 6, [&session] {
      std::dynamic_pointer_cast<optim::Optimizer>(session.model()->optimizer)
          ->set_lr(.002);
    });
  };
  Folder folder;
  auto straight = make(folder / "straight.db");
  slower(*straight);
  straight->run();
  auto first = make(folder / "runs.db");
  slower(*first);
  at_step(*first, 9, [&] { first->pause(); });
  first->run();
  auto second = make(folder / "runs.db");  // the file still says .01
  second->run();
  check_same(*second, *straight);
  REQUIRE(second->edits().items.size() == 1);
  CHECK(second->edits().items[0].find_path("cause")->as_string() ==
        "unattributed");
}

TEST_CASE("More epochs reopen a complete run") {
  Folder folder;
  make(folder / "runs.db", {{"train_params.num_epochs", 2}})->run();
  auto more = make(folder / "runs.db");
  more->run();
  CHECK(more->status().step == 30);
  auto straight = make(folder / "straight.db");
  straight->run();
  check_same(*more, *straight);
}

TEST_CASE("Another batch size goes on behind the last sample") {
  Folder folder;
  auto session = make(folder / "runs.db");
  at_step(*session, 6, [&] { session->pause(); });  // 24 of 40 samples
  session->run();
  auto other = make(folder / "runs.db", {{"dataprovider.batch_size", 8}});
  other->run();
  CHECK(other->status().step == 6 + 2 + 5 + 5);
  CHECK(other->status().epoch == 3);
}

#ifndef PTUTILS_TEST_TSAN  // threads after fork

TEST_CASE("Killed at random moments and resumed: the uninterrupted run") {
  Folder folder;
  Changes slow{{"dataprovider.datasets.train.sleep_us", 3000},
               {"train_params.num_epochs", 4}};
  auto straight = make(folder / "straight.db", slow);
  straight->run();
  std::string db = folder / "runs.db";
  Random random(11, 0);
  int kills = 0, lost = 0;
  for (int round = 0; round < 60 && kills < 20; ++round) {
    pid_t child = fork();
    if (child == 0) {
      try {
        make(db, slow)->run();
      } catch (const std::exception& e) {
        fprintf(stderr, "%s\n", e.what());
        _exit(1);
      }
      _exit(0);
    }
    double wait = random.uniform({1}, 5, 90).item<float>();
    std::this_thread::sleep_for(
        std::chrono::duration<double, std::milli>(wait));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status)) {
      CHECK(WEXITSTATUS(status) == 0);
      break;
    }
    ++kills;
    auto reader = ptutils::open_database(db);
    auto found = reader->find(Dict{{"_id", "run/blobs"}});
    if (!found.empty()) {
      Status s = RunRecord::from_value(found[0]).status;
      CHECK((s.lost() || s.state == Status::State::kComplete));
      lost += s.lost();
    }
  }
  CHECK(kills >= 3);
  CHECK(lost >= 1);
  auto session = make(db, slow);
  session->run();
  CHECK(session->status().state == Status::State::kComplete);
  // A run that was complete already is not loaded with its parts' state.
  check_same(*session, *straight);
  check_no_record_twice(*session->dbinterface(), "blobs");
}

TEST_CASE("Two processes, one exp_id: the second hears of host and pid") {
  Folder folder;
  auto session = make(folder / "runs.db");
  session->step(3);
  std::string wanted = str(host_name(), ", pid ", getpid());
  std::string db = folder / "runs.db";
  CHECK(in_child([&] {
    try {
      make(db)->run();
    } catch (const Error& e) {
      return e.kind() == Kind::kBusy && contains(e.what(), wanted);
    }
    return false;
  }));
  // Another object of this process neither.
  CHECK(kind_of([&] { make(db)->run(); }) == static_cast<int>(Kind::kBusy));
  session->run();
  CHECK(session->status().outcome == Status::Outcome::kSuccess);
}

TEST_CASE("A signal ends the step, saves, and leaves it paused") {
  Folder folder;
  auto straight = make(folder / "straight.db");
  straight->run();
  std::string db = folder / "runs.db";
  for (int signal : {SIGINT, SIGTERM})
    CHECK(in_child([&] {
      auto session = make(db);
      at_step(*session, signal == SIGINT ? 5 : 13, [&] { raise(signal); });
      try {
        session->run();
      } catch (const Error& e) {
        return e.kind() == Kind::kInterrupted && session->signal() == signal &&
               session->status().state == Status::State::kPaused;
      }
      return false;
    }));
  CHECK(ptutils::open(db)["blobs"].status().step == 13);
  auto session = make(db);
  session->run();
  CHECK(session->attempt() == 0);
  check_same(*session, *straight);
}

TEST_CASE("A second signal stops at once; the run reads as lost") {
  Folder folder;
  std::string db = folder / "runs.db";
  int status = status_of_child([&] {
    std::signal(SIGINT, SIG_DFL);  // not the test program's
    auto session = make(db);
    at_step(*session, 5, [&] {
      raise(SIGINT);
      raise(SIGINT);
    });
    session->run();
    return 0;
  });
  CHECK(WIFSIGNALED(status));
  CHECK(ptutils::open(db)["blobs"].status().lost());
}

#endif
