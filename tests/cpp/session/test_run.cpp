#include "session/support.h"

// What a run does from its beginning to its end.

using namespace test;

TEST_CASE("A run goes to its end, validates, saves, and says that it is over") {
  Folder folder;
  auto session = make(folder / "runs.db");
  int began = 0, epochs = 0;
  session->callbacks().on("start_of_session", [&](const Event&) { ++began; });
  session->callbacks().on("end_of_epoch", [&](const Event&) { ++epochs; });
  session->run();
  CHECK(began == 1);
  CHECK(epochs == 3);
  CHECK(steps_of(*session, "train/loss") == count_to(30));
  CHECK(steps_of(*session, "val/accuracy") ==
        std::vector<std::int64_t>{5, 10, 15, 20, 25, 30});
  Status status = session->status();
  CHECK(status.state == Status::State::kComplete);
  CHECK(status.outcome == Status::Outcome::kSuccess);
  CHECK(status.run == Status::Run::kNew);
  CHECK(status.step == 30);

  Value before = session->state_dict();
  session->run();  // complete: nothing is done
  CHECK(began == 1);
  auto again = make(folder / "runs.db");
  again->run();
  CHECK(again->status().run == Status::Run::kNew);
  CHECK(again->state_dict().identical(before));
  check_no_record_twice(*session->dbinterface(), "blobs");
}

TEST_CASE("Two runs of one configuration are the same run, to the bit") {
  Folder folder;
  auto a = make(folder / "a.db"), b = make(folder / "b.db");
  a->run();
  b->run();
  check_same(*a, *b);
  auto other = make(folder / "c.db", {{"seed", 4}});
  other->run();
  CHECK(!other->history().equal(a->history()));
}

TEST_CASE("A run of parts needs no configuration of its data") {
  Folder folder;
  auto session = make_of_parts(folder / "runs.db");
  session->run();
  CHECK(steps_of(*session, "train/loss") == count_to(20));
  Run run = ptutils::open(folder / "runs.db")["parts"];
  CHECK(run.config().find_path("dataprovider.batch_size")->as_int() == 4);
  CHECK(run.config().find_path("model.optimizer.lr"));
}

TEST_CASE("keep_last, the best one and step 0 stay, the others go") {
  Folder folder;
  auto session = make(folder / "runs.db", {{"save_params.every", "2 steps"},
                                           {"save_params.keep_last", 3}});
  session->run();
  Run run = ptutils::open(folder / "runs.db")["blobs"];
  auto best = run.record().best.as_dict();
  std::int64_t best_step = best.at("step").as_int();
  std::set<std::int64_t> steps;
  for (const auto& c : run.checkpoints()) steps.insert(c.step);
  std::set<std::int64_t> expected{0, best_step, 26, 28, 30};
  if (best_step == 25) expected.insert(25);
  CHECK(steps == expected);
  auto values = run.history().records("val/accuracy");
  double most = 0;
  for (const auto& r : values) most = std::max(most, r.value);
  CHECK(best.at("value").as_double() == most);
  Value state = run.state(At::best);
  CHECK(state.find_path("progress.step")->as_int() == best_step);
}

TEST_CASE("A net comes back from the best checkpoint") {
  Folder folder;
  auto session = make(folder / "runs.db");
  Value kept;
  session->callbacks().on("after_save", [&](const Event& event) {
    Value state = session->state_dict();
    if (event.index == 20) kept = *state.find_path("model.net");
  });
  session->run();
  Run run = ptutils::open(folder / "runs.db")["blobs"];
  Value drawn = Value(std::to_string(default_random().counter()));
  auto net = run.load<nn::Module>("model.net", At::last);
  CHECK(Value(std::to_string(default_random().counter())).identical(drawn));
  CHECK(net->state_dict().identical(
      *session->state_dict().find_path("model.net")));
  CHECK_THROWS_AS(run.load<optim::Optimizer>("model.net"), Error);
  CHECK(contains(message_of([&] { run.load("model.nett"); }), "model"));
}

TEST_CASE("Saving where nothing is said: at epochs' ends and at the end") {
  Folder folder;
  auto session = make(folder / "runs.db", {{"save_params", Value()}});
  std::vector<std::int64_t> saved;
  session->callbacks().on("after_save",
                          [&](const Event& e) { saved.push_back(e.index); });
  session->run();
  CHECK(saved == std::vector<std::int64_t>{0, 10, 20, 30});
}

TEST_CASE("Saving by the clock") {
  Folder folder;
  auto session =
      make(folder / "runs.db", {{"dataprovider.datasets.train.sleep_us", 20000},
                                {"validation_params", Value()},
                                {"save_params", Dict{{"every", "0.2 s"}}}});
  std::vector<std::int64_t> saved;
  bool asked = false;
  session->callbacks().on("after_save",
                          [&](const Event& e) { saved.push_back(e.index); });
  session->callbacks().on("end_of_training_step", [&](const Event&) {
    asked = session->every("0.3 s") || asked;
  });
  session->run();  // at least 0.6 s
  CHECK(saved.size() >= 4);
  CHECK(saved.size() <= 10);
  CHECK(asked);
}

TEST_CASE("save() within a step waits for the step's end") {
  Folder folder;
  auto session = make(folder / "runs.db", {{"save_params.every", "100 steps"},
                                           {"validation_params", Value()},
                                           {"save_params.keep_best", Value()}});
  std::vector<std::int64_t> saved;
  session->callbacks().on("after_save",
                          [&](const Event& e) { saved.push_back(e.index); });
  at_step(*session, 10, [&] { session->save(); });  // an epoch's last
  at_step(*session, 11, [&] { session->pause(); });
  session->run();
  CHECK(saved == std::vector<std::int64_t>{0, 10, 11});
  CHECK_THROWS_AS(session->save(), Error);  // not running
}

TEST_CASE("Back to an earlier state: the same state, and the steps again") {
  Folder folder;
  auto session = make(folder / "runs.db");
  session->step(7);
  Value best = session->state_dict();
  session->step(10);
  auto before = session->history().records("train/loss");
  CHECK(session->attempt() == 0);
  session->load_state_dict(best);
  CHECK(session->state_dict().identical(best));
  CHECK(session->attempt() == 1);
  session->step(10);
  // The same steps, the same values: on the new attempt.
  auto after = session->history().records("train/loss");
  REQUIRE(after.size() == before.size());
  for (std::size_t i = 0; i < after.size(); ++i) {
    CHECK(after[i].value == before[i].value);
    CHECK(after[i].attempt == (after[i].step > 7 ? 1 : 0));
  }
  session->run();
  auto straight = make(folder / "b.db");
  straight->run();
  check_same(*session, *straight);
  check_no_record_twice(*session->dbinterface(), "blobs");
}

TEST_CASE("A callback goes back in mid-run, also at an epoch's end") {
  for (std::int64_t from : {8, 10, 13}) {
    Folder folder;
    auto session = make(folder / "runs.db");
    Value kept;
    at_step(*session, 6, [&] { kept = session->state_dict(); });
    at_step(*session, from, [&] { session->load_state_dict(kept); });
    session->run();
    auto straight = make(folder / "b.db");
    straight->run();
    check_same(*session, *straight);
    CHECK(session->attempt() == 1);
  }
}

TEST_CASE("restart() begins at step 0 again and keeps the old attempt") {
  Folder folder;
  auto session = make(folder / "runs.db");
  session->run();
  auto first = session->history().records("train/loss");
  Value trained = session->state_dict();
  session->restart();  // the same object: its net is trained
  CHECK(session->status().run == Status::Run::kRestarted);
  CHECK(session->attempt() == 1);
  CHECK(session->state_dict().identical(trained));
  CHECK(session->history().records("train/loss", true).size() == 60);
  CHECK(session->history().records("train/loss").size() == 30);
  auto fresh = make(folder / "runs.db");
  fresh->restart();
  CHECK(fresh->attempt() == 2);
  CHECK(fresh->state_dict().identical(trained));
  std::set<std::int64_t> attempts;
  Run run = ptutils::open(folder / "runs.db")["blobs"];
  for (const auto& c : run.checkpoints()) attempts.insert(c.attempt);
  CHECK(attempts == std::set<std::int64_t>{0, 1, 2});
  CHECK(run.record().attempts.size() == 3);
}

TEST_CASE("stop() is complete; only resume() or other aims go on") {
  Folder folder;
  auto session = make(folder / "runs.db");
  at_step(*session, 6, [&] { session->stop(); });
  session->run();
  CHECK(session->status().outcome == Status::Outcome::kStopped);
  CHECK(session->status().step == 6);
  make(folder / "runs.db")->run();
  CHECK(ptutils::open(folder / "runs.db")["blobs"].status().step == 6);
  auto more = make(folder / "runs.db", {{"train_params.num_epochs", 1}});
  more->run();
  CHECK(more->status().step == 10);
  at_step(*session, 12, [&] { session->stop(); });
}

TEST_CASE("every() answers each that asks in a step") {
  Folder folder;
  auto session = make(folder / "runs.db");
  std::vector<std::int64_t> first, second;
  session->callbacks().on("after_backward", [&](const Event& e) {
    if (session->every("1 epoch")) first.push_back(e.index + 1);
    if (session->every("1 epoch")) second.push_back(e.index + 1);
  });
  session->run();
  CHECK(first == std::vector<std::int64_t>{10, 20, 30});
  CHECK(second == first);
  CHECK(contains(message_of([&] { session->every("1 epock"); }), "1 epock"));
}

TEST_CASE("A filter by epochs comes round at the step that ends one") {
  Folder folder;
  auto session = make(folder / "runs.db");
  std::vector<std::int64_t> told;
  Filter filter;
  filter.every = Interval::parse(Value("1 epoch"), "test");
  session->callbacks().on(
      "end_of_training_step",
      filtered(filter, [&](const Event& e) { told.push_back(e.index); }));
  session->run();
  CHECK(told == std::vector<std::int64_t>{10, 20, 30});
}
