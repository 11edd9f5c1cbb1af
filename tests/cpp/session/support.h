#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "common/support.h"
#include "ptutils/builtin.h"
#include "ptutils/common/log.h"
#include "ptutils/common/process.h"
#include "ptutils/database/sqlite.h"
#include "ptutils/formats/json_text.h"
#include "ptutils/module/configuration.h"
#include "ptutils/nn/layers.h"
#include "ptutils/nn/optim.h"
#include "ptutils/session/runs.h"
#include "ptutils/session/session.h"

/// Sessions on a data set of a few numbers: three classes of points, ten steps
/// an epoch.
namespace test {

using namespace ptutils;  // NOLINT(google-build-using-namespace)

/// Points around three corners; `nan_at`: the sample that is not a number;
/// `sleep_us`: how long a batch takes.
class Blobs : public data::ArrayDataset {
 public:
  Blobs(std::int64_t n, std::int64_t nan_at, std::int64_t sleep_us)
      : ArrayDataset(arrays_of(n, nan_at)),
        n_(n),
        nan_at_(nan_at),
        sleep_us_(sleep_us) {}
  std::string class_name() const override { return "ptutils.data.TestBlobs"; }
  Value to_config() override {
    return Dict{{"func", class_name()},
                {"n", n_},
                {"nan_at", nan_at_},
                {"sleep_us", sleep_us_}};
  }
  Value get_batch(std::span<const std::int64_t> indices,
                  const std::vector<Random>& random,
                  const Value& reuse) override {
    if (sleep_us_ > 0)
      std::this_thread::sleep_for(std::chrono::microseconds(sleep_us_));
    return ArrayDataset::get_batch(indices, random, reuse);
  }

 private:
  static Value arrays_of(std::int64_t n, std::int64_t nan_at) {
    Random random(7, 0);
    Tensor x = random.uniform({n, 4}, -1, 1);
    Tensor y = Tensor::empty({n}, DType::kI64);
    for (std::int64_t i = 0; i < n; ++i) {
      y.data<std::int64_t>()[i] = i % 3;
      x.data<float>()[4 * i + i % 3] += 1;
      if (i == nan_at) x.data<float>()[4 * i] = std::nanf("");
    }
    return Value::list({Value(x), Value(y)}, true);
  }
  std::int64_t n_, nan_at_, sleep_us_;
};

inline void setup() {
  static bool done = [] {
    register_builtin();
    registry().add({"ptutils.data.TestBlobs",
                    {"n", "nan_at", "sleep_us"},
                    [](const Arguments& a) -> ModulePtr {
                      return std::make_shared<Blobs>(a.integer("n", 40),
                                                     a.integer("nan_at", -1),
                                                     a.integer("sleep_us", 0));
                    }});
    log::set_level(log::Level::kError);
    return true;
  }();
  (void)done;
}

inline Value experiment() {
  setup();
  return parse_json(R"({
    "exp_id": "blobs", "seed": 3,
    "model": {
      "net": {"func": "Sequential", "layers": [
        {"func": "Linear", "in_features": 4, "out_features": 8},
        {"func": "ReLU"}, {"func": "Dropout", "p": 0.2},
        {"func": "Linear", "in_features": 8, "out_features": 3}]},
      "criterion": {"func": "CrossEntropyLoss"},
      "optimizer": {"func": "Adam", "lr": 0.01}},
    "dataprovider": {
      "datasets": {"train": {"func": "TestBlobs"},
                   "val": {"func": "TestBlobs", "n": 12}},
      "batch_size": 4},
    "train_params": {"num_epochs": 3},
    "validation_params": {"val": {"every": "5 steps"}},
    "save_params": {"every": "4 steps", "keep_last": 2,
                    "keep_best": "val/accuracy"}})");
}

using Changes = std::vector<std::pair<std::string, Value>>;

inline Value experiment(const Changes& changes) {
  Value config = experiment();
  for (const auto& [path, value] : changes) config.set_path(path, value);
  return config;
}

inline std::shared_ptr<Session> make(const std::string& db,
                                     const Changes& changes = {}) {
  auto session = Session::from_config(experiment(changes), true, db);
  session->set_progress_output(false);
  return session;
}

/// The same experiment from parts, its data without a configuration.
inline std::shared_ptr<Session> make_of_parts(
    const std::string& db, std::shared_ptr<DBInterface> opened = nullptr) {
  setup();
  seed(3);
  auto net = std::make_shared<nn::Sequential>(std::vector<ModulePtr>{
      std::make_shared<nn::Linear>(4, 8), std::make_shared<nn::ReLU>(),
      std::make_shared<nn::Linear>(8, 3)});
  Session::Options options;
  options.exp_id = "parts";
  options.seed = 3;
  options.model = std::make_shared<Model>(
      net, std::make_shared<nn::CrossEntropyLoss>(),
      std::make_shared<optim::Adam>(net->parameters(), optim::Adam::Options{}));
  auto arrays = [](std::int64_t n) {
    return std::make_shared<data::ArrayDataset>(Blobs(n, -1, 0).arrays());
  };
  data::DataLoader::Options loading;
  loading.batch_size = 4;
  options.dataprovider = std::make_shared<data::DataProvider>(
      data::DataProvider::Datasets{{"train", arrays(40)}, {"val", arrays(12)}},
      loading);
  options.dbinterface = opened ? std::move(opened) : open_database(db);
  options.train_params = Dict{{"num_epochs", 2}};
  options.validation_params = Dict{{"val", Dict{}}};
  auto session = std::make_shared<Session>(std::move(options));
  session->set_progress_output(false);
  return session;
}

/// What two runs must agree on: weights, optimizer, streams, data positions.
inline Value final_state(Session& session) { return session.state_dict(); }

inline void check_same(Session& a, Session& b) {
  CHECK(final_state(a).identical(final_state(b)));
  CHECK(a.history().equal(b.history()));
}

/// Every (name, attempt, step) of the stored history, each once.
inline void check_no_record_twice(DBInterface& db, const std::string& exp_id) {
  std::map<std::tuple<std::string, std::int64_t, std::int64_t>, int> seen;
  for (const Value& document :
       db.find(Dict{{"kind", "history"}, {"exp_id", exp_id}})) {
    const Value* metrics = document.find_path("columns.metrics");
    for (const auto& [name, columns] : metrics->as_dict()) {
      const Tensor& attempt = columns.as_dict().at("attempt").as_tensor();
      const Tensor& step = columns.as_dict().at("step").as_tensor();
      for (std::int64_t i = 0; i < attempt.numel(); ++i)
        seen[{to_string(name), attempt.data<std::int64_t>()[i],
              step.data<std::int64_t>()[i]}] += 1;
    }
  }
  CHECK(!seen.empty());
  for (const auto& [key, count] : seen) CHECK(count == 1);
}

/// The steps of a metric on the current line.
inline std::vector<std::int64_t> steps_of(Session& session,
                                          const std::string& name) {
  std::vector<std::int64_t> out;
  for (const auto& r : session.history().records(name)) out.push_back(r.step);
  return out;
}

inline std::vector<std::int64_t> count_to(std::int64_t last) {
  std::vector<std::int64_t> out;
  for (std::int64_t i = 1; i <= last; ++i) out.push_back(i);
  return out;
}

/// Runs `f` at the end of training step `step`, once.
inline void at_step(Session& session, std::int64_t step,
                    std::function<void()> f) {
  auto done = std::make_shared<bool>(false);
  session.callbacks().on("end_of_training_step",
                         [=, f = std::move(f)](const Event& event) {
                           if (event.index != step || *done) return;
                           *done = true;
                           f();
                         });
}

}  // namespace test
