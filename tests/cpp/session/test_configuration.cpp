#include "session/support.h"

// What a configuration may say, and what it is told when it is wrong.

using namespace test;

namespace {
std::string said(const Changes& changes) {
  Folder folder;
  return message_of([&] { make(folder / "runs.db", changes)->run(); });
}
}  // namespace

TEST_CASE("A misspelt key is told the nearest, at each level") {
  struct Case {
    const char* path;
    const char* wanted;
  };
  for (const Case& c :
       std::vector<Case>{{"train_parms", "train_params"},
                         {"model.nett", "net"},
                         {"model.optimizer.lrr", "lr"},
                         {"model.net.layers.0.in_feature", "in_features"},
                         {"dataprovider.batchsize", "batch_size"},
                         {"dataprovider.datasets.train.nn", "n"},
                         {"train_params.num_epoch", "num_epochs"},
                         {"validation_params.val.evry", "every"},
                         {"save_params.keep_lst", "keep_last"}}) {
    std::string message = said({{c.path, Value(1)}});
    CHECK_MESSAGE(contains(message, c.wanted), c.path << ": " << message);
    CHECK_MESSAGE(contains(message, "did you mean"), message);
  }
}

TEST_CASE("A misspelt class or phase is told the nearest") {
  CHECK(contains(said({{"model.optimizer.func", "Adamm"}}), "Adam"));
  CHECK(contains(said({{"callbacks", Value::list({Value("NaNDetecter")})}}),
                 "callbacks[0]"));
  CHECK(contains(said({{"validation_params", Dict{{"vall", Dict{}}}}}), "val"));
  CHECK(contains(said({{"callbacks", Value::list({Value("EarlyStopping")})}}),
                 "not part of this version"));
}

TEST_CASE("Values that cannot be are told where they stand") {
  CHECK(
      contains(said({{"save_params.every", "5 apples"}}), "save_params.every"));
  CHECK(
      contains(said({{"save_params.keep_last", 0}}), "save_params.keep_last"));
  CHECK(contains(said({{"train_params.num_epochs", 0}}),
                 "train_params.num_epochs"));
  CHECK(contains(said({{"seed", -1}}), "seed"));
  CHECK(contains(said({{"exp_id", ""}}), "exp_id"));
  CHECK(contains(
      said({{"dbinterface", Value::list({Value("a.db"), Value("b.db")})}}),
      "a list of 2 databases: one is supported"));
  Folder folder;
  Value config = experiment();
  config.as_dict().erase("exp_id");
  CHECK(contains(message_of([&] {
                   Session::from_config(config, true, folder / "runs.db");
                 }),
                 "'exp_id' is missing"));
}

TEST_CASE("keep_best knows which metrics are best small") {
  CHECK(is_best_large("val/accuracy"));
  CHECK(!is_best_large("val/loss"));
  CHECK(!is_best_large("val/top5_error"));
  for (const char* mode : {"min", "max"}) {
    Folder folder;
    auto session = make(folder / "runs.db",
                        {{"save_params.keep_best",
                          Dict{{"metric", "val/loss"}, {"mode", mode}}}});
    session->run();
    auto records = session->history().records("val/loss");
    double wanted = records[0].value;
    for (const auto& r : records)
      wanted = std::string(mode) == "min" ? std::min(wanted, r.value)
                                          : std::max(wanted, r.value);
    Run run = ptutils::open(folder / "runs.db")["blobs"];
    CHECK(run.record().best.find_path("value")->as_double() == wanted);
  }
}

TEST_CASE("A session's configuration builds an equal session") {
  Folder folder;
  auto session = make(folder / "a.db");
  Value config = session->to_config();
  auto copy = Session::from_config(config, true, folder / "b.db");
  CHECK(copy->to_config().identical(config));
}

TEST_CASE("Runs are found by glob, by query, and told the nearest") {
  Folder folder;
  std::string db = folder / "runs.db";
  for (double lr : {.01, .1})
    make(db, {{"exp_id", str("lr-", lr)},
              {"model.optimizer.lr", lr},
              {"train_params.num_epochs", 1}})
        ->run();
  Runs runs = ptutils::open(db);
  CHECK(runs.match("lr-*").size() == 2);
  auto found = runs.find(Dict{{"model.optimizer.lr", Dict{{"$lt", .05}}}});
  REQUIRE(found.size() == 1);
  CHECK(found[0].exp_id() == "lr-0.01");
  Value diff = runs["lr-0.01"].diff(runs["lr-0.1"]);
  CHECK(diff.as_dict().size() == 1);
  CHECK(diff.as_dict().contains("model.optimizer.lr"));
  CHECK(contains(message_of([&] { runs["lr-0.2"]; }), "lr-0.1"));
}
