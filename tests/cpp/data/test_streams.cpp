#include <doctest/doctest.h>

#include "ptutils/data/joined_loader.h"
#include "ptutils/data/loader.h"
#include "ptutils/data/transforms.h"
#include "support.h"

// Samples that come one after another, requests, several loaders at once.

namespace pt = ptutils;
using namespace pt::data;

namespace {

/// 0 … n - 1, each with what was requested.
class Counting : public SampleStream {
 public:
  explicit Counting(std::int64_t n) : n_(n) {}
  bool next(pt::Value& sample) override {
    if (at_ == n_) return false;
    const BatchInfo* info = batch_info();
    const pt::Value asked = info ? info->request : pt::Value();
    sample = pt::Value::list(
        {pt::Value(at_++), asked.is_null() ? pt::Value(0) : asked}, true);
    return true;
  }

 private:
  std::int64_t n_, at_ = 0;
};

class Source : public IterableDataset {
 public:
  explicit Source(std::int64_t n) : n_(n) {}
  std::unique_ptr<SampleStream> iterate(const pt::Random&,
                                        std::int64_t) override {
    return std::make_unique<Counting>(n_);
  }

 private:
  std::int64_t n_;
};

DataLoader::Options stream_options(std::int64_t batch, std::int64_t workers,
                                   std::optional<std::int64_t> lag = {}) {
  DataLoader::Options out;
  out.batch_size = batch;
  out.num_workers = workers;
  out.lag = lag;
  return out;
}

std::vector<std::int64_t> numbers(const pt::Value& batch, std::size_t field) {
  const pt::Tensor t = batch.as_list().items.at(field).as_tensor();
  const auto* at = t.data<std::int64_t>();
  return {at, at + t.numel()};
}

using Ints = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("a stream is drawn in order, anew each epoch, and has no length") {
  for (std::int64_t workers : {0, 1, 4}) {
    DataLoader loader(std::make_shared<Source>(7), stream_options(3, workers));
    CHECK(loader.length() == -1);
    for (int epoch = 0; epoch < 2; ++epoch) {
      pt::Value batch;
      Ints all;
      while (loader.next(batch))
        for (std::int64_t n : numbers(batch, 0)) all.push_back(n);
      CHECK(all == Ints{0, 1, 2, 3, 4, 5, 6});
      CHECK(loader.epoch() == epoch + 1);
    }
  }
}

TEST_CASE("a stream goes on at the sample after the last that was given") {
  DataLoader loader(std::make_shared<Source>(10), stream_options(3, 1));
  pt::Value batch;
  for (int i = 0; i < 2; ++i) CHECK(loader.next(batch));
  const pt::Value state = loader.state_dict();
  DataLoader again(std::make_shared<Source>(10), stream_options(2, 0));
  again.load_state_dict(state);
  CHECK(again.next(batch));
  CHECK(numbers(batch, 0) == Ints{6, 7});
}

TEST_CASE("a request acts after its lag, on any number of threads") {
  for (std::int64_t lag : {0, 1, 2}) {
    for (std::int64_t workers : {0, 1, 2}) {
      DataLoader loader(std::make_shared<Source>(100),
                        stream_options(2, workers, lag));
      pt::Value batch;
      for (std::int64_t i = 0; i < 20; ++i) {
        CHECK(loader.next(batch));
        CHECK(numbers(batch, 1)[0] == std::max<std::int64_t>(i - lag, 0));
        loader.request(pt::Value(i + 1));
      }
    }
  }
}

TEST_CASE("samples of a stream cannot be shuffled") {
  DataLoader::Options shuffled = stream_options(2, 0);
  shuffled.shuffle = true;
  CHECK_THROWS_AS(DataLoader(std::make_shared<Source>(3), shuffled), pt::Error);
}

TEST_CASE("several loaders at once: the epoch is the first one's") {
  auto a = std::make_shared<DataLoader>(std::make_shared<Source>(5),
                                        stream_options(2, 1));
  auto b = std::make_shared<DataLoader>(std::make_shared<Source>(3),
                                        stream_options(2, 0));
  JoinedLoader both({{"a", a}, {"b", b}});
  pt::Value batch;
  std::vector<Ints> of_b;
  while (both.next(batch)) of_b.push_back(numbers(batch.as_dict().at("b"), 0));
  CHECK(of_b == std::vector<Ints>{{0, 1}, {2}, {0, 1}});
  JoinedLoader none(
      {{"a", a},
       {"b", std::make_shared<DataLoader>(std::make_shared<Source>(0),
                                          stream_options(2, 0))}});
  CHECK_THROWS_AS(none.next(batch), pt::Error);
  CHECK_THROWS_AS(JoinedLoader({}), pt::Error);
}

TEST_CASE("a provider passes on what a request says beside its phase") {
  DataProvider provider({{"train", std::make_shared<Source>(9)}},
                        stream_options(2, 0, 0));
  auto loader = provider.provide(pt::Dict{{"phase", "train"}, {"level", 3}});
  pt::Value batch;
  CHECK(loader->next(batch));
  const pt::Dict& asked = batch.as_list().items.at(1).as_dict();
  CHECK(asked.keys() == std::vector<std::string>{"level"});
  CHECK(provider.provide(pt::Value("train")) == loader);
  CHECK_THROWS_AS(provider.provide(pt::Value(3)), pt::Error);
}
