#include <algorithm>
#include <mutex>
#include <numeric>

#include "support.h"

using namespace test;  // NOLINT(google-build-using-namespace)

TEST_CASE("every sample comes once an epoch") {
  for (std::int64_t workers : {0, 1, 2, 4})
    for (bool shuffle : {false, true}) {
      DataLoader loader(std::make_shared<Numbers>(103),
                        options(8, shuffle, workers));
      std::vector<std::vector<std::int64_t>> epochs;
      for (int epoch = 0; epoch < 3; ++epoch) {
        CHECK(loader.epoch() == epoch);
        std::vector<std::int64_t> all;
        for (const Seen& batch : epoch_of(loader))
          all.insert(all.end(), batch.indices.begin(), batch.indices.end());
        epochs.push_back(all);
        std::sort(all.begin(), all.end());
        std::vector<std::int64_t> wanted(103);
        std::iota(wanted.begin(), wanted.end(), 0);
        CHECK(all == wanted);
      }
      CHECK((epochs[0] != epochs[1]) == shuffle);
    }
}

TEST_CASE("order and random streams do not depend on the workers") {
  std::vector<std::vector<Seen>> wanted;
  for (std::optional<std::int64_t> workers :
       {std::optional<std::int64_t>(0), std::optional<std::int64_t>(1),
        std::optional<std::int64_t>(2), std::optional<std::int64_t>(4),
        std::optional<std::int64_t>()}) {
    auto numbers = std::make_shared<Numbers>(101);
    numbers->on_get = [](std::int64_t i) {  // later batches may end first
      std::this_thread::sleep_for(std::chrono::microseconds(i * 7 % 50));
    };
    DataLoader loader(numbers, options(4, true, workers));
    std::vector<std::vector<Seen>> got{epoch_of(loader), epoch_of(loader)};
    if (wanted.empty()) wanted = got;
    CHECK(got == wanted);
  }
  auto other = options(4, true, 0);
  other.seed = 8;
  DataLoader loader(std::make_shared<Numbers>(101), other);
  CHECK(epoch_of(loader) != wanted[0]);
}

TEST_CASE("with another batch size a loader goes on with the next sample") {
  DataLoader whole(std::make_shared<Numbers>(50), options(8, true, 0));
  Value batch;
  for (int i = 0; i < 3; ++i) REQUIRE(whole.next(batch));
  const Tensor all = whole.order(0);
  for (std::int64_t size : {1, 7, 24, 40}) {
    DataLoader other(std::make_shared<Numbers>(50), options(size, true, 0));
    other.load_state_dict(whole.state_dict());
    CHECK(other.state_dict().as_dict().at("given").as_int() == 24);
    CHECK(other.remaining() == (26 + size - 1) / size);
    DataLoader again(std::make_shared<Numbers>(50), options(size, true, 2));
    again.load_state_dict(other.state_dict());
    std::vector<Seen> rest = epoch_of(other);
    CHECK(rest == epoch_of(again));
    std::vector<std::int64_t> indices;
    for (const Seen& b : rest)
      indices.insert(indices.end(), b.indices.begin(), b.indices.end());
    const auto* order = all.data<std::int64_t>();
    CHECK(indices == std::vector<std::int64_t>(order + 24, order + 50));
  }
}

TEST_CASE("an epoch of another number of samples begins again") {
  DataLoader whole(std::make_shared<Numbers>(50), options(8, true, 0));
  Value batch;
  for (int i = 0; i < 3; ++i) REQUIRE(whole.next(batch));
  DataLoader other(std::make_shared<Numbers>(20), options(8, true, 0));
  other.load_state_dict(whole.state_dict());
  CHECK(other.batch() == 0);
  CHECK(other.remaining() == 3);
}

TEST_CASE("a loader saved at any batch of two epochs goes on with the next") {
  constexpr int kBatches = 7;
  for (std::int64_t workers : {0, 2}) {
    DataLoader whole(std::make_shared<Numbers>(50), options(8, true, workers));
    std::vector<Seen> all = epoch_of(whole);
    for (Seen& batch : epoch_of(whole)) all.push_back(batch);
    REQUIRE(all.size() == 2 * kBatches);
    DataLoader running(std::make_shared<Numbers>(50),
                       options(8, true, workers));
    DataLoader kept(std::make_shared<Numbers>(50), options(8, true, 1));
    Value batch;
    for (std::size_t done = 0; done <= all.size(); ++done) {
      Value state = running.state_dict();
      CHECK(state.as_dict().keys() ==
            std::vector<std::string>{"seed", "epoch", "batch", "given",
                                     "samples", "order", "stream", "requests"});
      DataLoader fresh(std::make_shared<Numbers>(50), options(8, true, 1));
      for (DataLoader* loader : {&fresh, &kept}) {
        loader->load_state_dict(state);
        std::vector<Seen> rest = epoch_of(*loader);
        if (done <= kBatches)
          for (Seen& more : epoch_of(*loader)) rest.push_back(more);
        CHECK(rest == std::vector<Seen>(all.begin() + done, all.end()));
      }
      if (done == all.size()) break;
      if (!running.next(batch)) REQUIRE(running.next(batch));
      CHECK(seen(batch) == all[done]);
    }
  }
}

TEST_CASE("rewind gives up a begun epoch, set_position goes anywhere") {
  for (std::int64_t workers : {0, 3}) {
    DataLoader loader(std::make_shared<Numbers>(60), options(7, true, workers));
    std::vector<Seen> first = epoch_of(loader);
    std::vector<Seen> second = epoch_of(loader);
    loader.set_position(0, 0);
    Value batch;
    for (int i = 0; i < 3; ++i) REQUIRE(loader.next(batch));
    loader.rewind();
    CHECK(loader.epoch() == 0);
    CHECK(loader.batch() == 0);
    CHECK(epoch_of(loader) == first);
    loader.set_position(1, 5);
    CHECK(epoch_of(loader) ==
          std::vector<Seen>(second.begin() + 5, second.end()));
    loader.set_position(0, 2);
    loader.close();
    CHECK(loader.workers() == 0);
    REQUIRE(loader.next(batch));
    CHECK(seen(batch) == first[2]);
    CHECK_FAILS(loader.set_position(0, -1), Kind::kValue, "batch -1");
  }
}

TEST_CASE("length counts batches, drop_last drops the short one") {
  auto o = options(8, false, 0);
  DataLoader loader(std::make_shared<Numbers>(20), o);
  CHECK(loader.length() == 3);
  CHECK(epoch_of(loader).back().indices.size() == 4);
  o.drop_last = true;
  DataLoader dropping(std::make_shared<Numbers>(20), o);
  CHECK(dropping.length() == 2);
  CHECK(epoch_of(dropping).size() == 2);
  DataLoader empty(std::make_shared<Numbers>(0), options(8, true, 2));
  CHECK(epoch_of(empty).empty());
  CHECK(empty.epoch() == 1);
}

TEST_CASE("a position beyond the epoch ends it") {
  DataLoader loader(std::make_shared<Numbers>(20), options(8, true, 0));
  loader.set_position(2, 40);
  Value batch;
  CHECK(!loader.next(batch));
  CHECK(loader.epoch() == 3);
  CHECK(loader.next(batch));
}

TEST_CASE("num_workers=None takes threads when batches take long") {
  auto slow = std::make_shared<Numbers>(64);
  slow->on_get = [](std::int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  DataLoader loader(slow, options(8, false, std::nullopt));
  CHECK(epoch_of(loader).size() == 8);
  CHECK(loader.workers() >= 1);
  DataLoader quick(std::make_shared<ArrayDataset>(Tensor::zeros({4096, 2})),
                   options(8, false, std::nullopt));
  Value batch;
  while (quick.next(batch)) {
  }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  CHECK(quick.workers() == 0);  // unless every access is checked
#endif
}

TEST_CASE("a custom collate gets the samples in order") {
  for (std::int64_t workers : {0, 2}) {
    DataLoader loader(std::make_shared<Numbers>(10),
                      options(4, false, workers));
    loader.set_collate([](std::vector<Value>&& samples) {
      std::int64_t sum = 0;
      for (const Value& s : samples) sum += s.as_list().items[0].as_int();
      return Value(sum);
    });
    std::vector<std::int64_t> sums;
    Value batch;
    while (loader.next(batch)) sums.push_back(batch.as_int());
    CHECK(sums == std::vector<std::int64_t>{6, 22, 17});
  }
}

TEST_CASE("output says as which library's arrays tensors go out") {
  auto o = options(4, false, 0);
  Value batch;
  for (auto [output, origin] :
       {std::pair{"numpy", ptutils::Origin::kNumpy},
        std::pair{"torch", ptutils::Origin::kTorch},
        std::pair{"native", ptutils::Origin::kNative}}) {
    o.output = output;
    DataLoader loader(std::make_shared<Numbers>(10), o);
    REQUIRE(loader.next(batch));
    CHECK(batch.as_list().items[0].as_tensor().origin == origin);
  }
  o.output = "numpi";
  CHECK_FAILS(DataLoader(std::make_shared<Numbers>(10), o), Kind::kValue,
              "numpy");
}

TEST_CASE("impossible options say what to give") {
  auto make = [](auto change) {
    DataLoader::Options o;
    change(o);
    DataLoader loader(std::make_shared<Numbers>(10), o);
  };
  using Options = DataLoader::Options;
  CHECK_FAILS(make([](Options& o) { o.batch_size = 0; }), Kind::kValue,
              "batch_size=0");
  CHECK_FAILS(make([](Options& o) { o.num_workers = -1; }), Kind::kValue,
              "num_workers=-1");
  CHECK_FAILS(make([](Options& o) { o.prefetch_factor = 0; }), Kind::kValue,
              "prefetch_factor=0");
  CHECK_FAILS(make([](Options& o) {
                o.timeout = 1;
                o.num_workers = 0;
              }),
              Kind::kValue, "num_workers=1");
  CHECK_FAILS(make([](Options& o) {
                o.shuffle = true;
                o.sampler = std::make_shared<RandomSampler>();
              }),
              Kind::kValue, "sampler");
  CHECK_FAILS(DataLoader(nullptr, {}), Kind::kType, "data set");
}

TEST_CASE("the data set is a child of the loader, not its state") {
  auto numbers = std::make_shared<Numbers>(10);
  DataLoader loader(numbers, options(4, false, 2));
  auto children = loader.named_children();
  REQUIRE(children.size() == 2);
  CHECK(children[0].second == numbers);
  Value batch;
  REQUIRE(loader.next(batch));
  CHECK(numbers->running > 0);
  loader.close();
  CHECK(numbers->running == 0);
}

TEST_CASE("seeds beyond int64 are kept in the state") {
  DataLoader loader(std::make_shared<Numbers>(10), options(4, true, 0));
  loader.set_seed(~std::uint64_t{0});
  std::vector<Seen> wanted = epoch_of(loader);
  DataLoader other(std::make_shared<Numbers>(10), options(4, true, 0));
  other.load_state_dict(loader.state_dict());
  other.rewind();
  other.set_position(0, 0);
  CHECK(epoch_of(other) == wanted);
}

TEST_CASE("threads share a pass: each batch goes to one, the end to all") {
  for (std::optional<std::int64_t> workers :
       {std::optional<std::int64_t>(0), std::optional<std::int64_t>(1),
        std::optional<std::int64_t>(2), std::optional<std::int64_t>()}) {
    DataLoader loader(std::make_shared<Numbers>(600),
                      options(2, true, workers));
    DataLoader::Pass pass;
    std::mutex mutex;
    std::vector<std::int64_t> all;
    auto draw = [&] {
      Value batch;
      while (loader.next_of(pass, batch)) {
        auto got = seen(batch).indices;
        std::lock_guard lock(mutex);
        all.insert(all.end(), got.begin(), got.end());
      }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back(draw);
    std::pair<std::int64_t, std::int64_t> last{0, 0};
    while (!pass.ended) {  // it is saved and closed meanwhile
      auto now = loader.position();
      CHECK(last <= now);
      last = now;
      (void)loader.state_dict();
      (void)loader.workers();
      loader.close();
    }
    for (std::thread& thread : threads) thread.join();
    std::sort(all.begin(), all.end());
    std::vector<std::int64_t> wanted(600);
    std::iota(wanted.begin(), wanted.end(), 0);
    CHECK(all == wanted);
    CHECK(loader.position() == std::pair<std::int64_t, std::int64_t>(1, 0));
  }
}

TEST_CASE("a position set while threads draw counts from the next batch on") {
  DataLoader loader(std::make_shared<Numbers>(600), options(2, false, 2));
  std::thread other([&] {
    Value batch;
    while (loader.epoch() < 5) (void)loader.next(batch);
  });
  for (int i = 0; i < 50; ++i) loader.set_position(0, 200);
  loader.set_position(7, 3);
  other.join();
  CHECK(loader.epoch() == 7);
}

TEST_CASE("an error of a shared pass reaches one thread and ends the others") {
  auto numbers = std::make_shared<Numbers>(100);
  numbers->on_get = [](std::int64_t i) {
    if (i == 50) ptutils::fail(Kind::kValue, "Numbers", "no");
  };
  DataLoader loader(numbers, options(2, false, 0));
  DataLoader::Pass pass;
  std::atomic<int> errors = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      Value batch;
      try {
        while (loader.next_of(pass, batch)) {
        }
      } catch (const ptutils::Error&) {
        ++errors;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(errors == 1);
}

namespace {

/// Batches of 1, 2, 3, … samples, backwards in odd epochs.
class Growing : public BatchSampler {
 public:
  Batches batches(std::int64_t n, std::uint64_t, std::int64_t epoch) override {
    Batches out{Order(n,
                      [=](std::int64_t begin, std::span<std::int64_t> to) {
                        for (std::int64_t& index : to) {
                          index = epoch % 2 == 0 ? begin : n - 1 - begin;
                          ++begin;
                        }
                      }),
                {}};
    for (std::int64_t size = 1, end = 1; end < n; end += ++size)
      out.ends.push_back(end);
    return out;
  }
};

DataLoader::Options growing(std::int64_t workers) {
  DataLoader::Options o;
  o.batch_sampler = std::make_shared<Growing>();
  o.num_workers = workers;
  return o;
}

}  // namespace

TEST_CASE("a batch sampler's batches, from any of them on") {
  DataLoader whole(std::make_shared<Numbers>(56), growing(0));
  CHECK(whole.length() == 10);
  const std::vector<Seen> first = epoch_of(whole), second = epoch_of(whole);
  REQUIRE(first.size() == 10);
  CHECK(first[9].indices.size() == 10);
  CHECK(second[1].indices == std::vector<std::int64_t>{54, 53});
  DataLoader running(std::make_shared<Numbers>(56), growing(2));
  Value batch;
  for (std::size_t done = 0; done < 10; ++done) {
    DataLoader other(std::make_shared<Numbers>(56), growing(1));
    other.load_state_dict(running.state_dict());
    CHECK(other.remaining() == static_cast<std::int64_t>(10 - done));
    CHECK(epoch_of(other) ==
          std::vector<Seen>(first.begin() + static_cast<std::ptrdiff_t>(done),
                            first.end()));
    CHECK(epoch_of(other) == second);
    REQUIRE(running.next(batch));
  }
  auto both = growing(0);
  both.batch_size = 2;
  CHECK_FAILS(DataLoader(std::make_shared<Numbers>(3), both), Kind::kValue,
              "batch_sampler");
}

TEST_CASE("a sample that fails is left out, and counted") {
  for (std::int64_t workers : {0, 1, 3}) {
    auto numbers = std::make_shared<Numbers>(40);
    numbers->on_get = [](std::int64_t i) {
      if (i % 10 == 3 || i / 8 == 2)
        ptutils::fail(Kind::kFormat, "Numbers", "a bad sample");
    };
    auto o = options(8, false, workers);
    o.on_error = "skip";
    DataLoader skipping(numbers, o);
    DataLoader all(std::make_shared<Numbers>(40), options(8, false, 0));
    std::vector<Seen> wanted = epoch_of(all);
    wanted.erase(wanted.begin() + 2);  // none of it is left
    for (Seen& batch : wanted)
      for (std::size_t i = batch.indices.size(); i-- > 0;)
        if (batch.indices[i] % 10 == 3) {
          const auto at = static_cast<std::ptrdiff_t>(i);
          batch.indices.erase(batch.indices.begin() + at);
          batch.random.erase(batch.random.begin() + at);
        }
    CHECK(epoch_of(skipping) == wanted);
    CHECK(skipping.skipped() == 11);
    CHECK(skipping.report().samples == 29);
    CHECK(skipping.report().batches == 4);
    CHECK(skipping.epoch() == 1);
    o.on_error = "raise";
    DataLoader raising(numbers, o);
    Value batch;
    CHECK_FAILS(raising.next(batch), Kind::kFormat, "(in sample 3)");
  }
}

TEST_CASE("an interrupt leaves no sample out") {
  auto numbers = std::make_shared<Numbers>(8);
  numbers->on_get = [](std::int64_t) {
    ptutils::fail(Kind::kInterrupted, "Numbers", "Ctrl-C");
  };
  auto o = options(4, false, 0);
  o.on_error = "skip";
  DataLoader loader(numbers, o);
  Value batch;
  CHECK_FAILS(loader.next(batch), Kind::kInterrupted, "Ctrl-C");
  CHECK(loader.skipped() == 0);
}

TEST_CASE("threads are told their number, and end with an epoch if asked") {
  const int before = settled_thread_count();
  std::mutex mutex;
  std::vector<int> called;
  auto o = options(2, false, 3);
  o.persistent_workers = false;
  o.worker_init = [&](int worker) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::lock_guard lock(mutex);
    called.push_back(worker);
  };
  DataLoader loader(std::make_shared<Numbers>(64), o);
  for (std::size_t epoch = 1; epoch <= 2; ++epoch) {
    CHECK(epoch_of(loader).size() == 32);
    CHECK(threads_fall_to(before));
    std::sort(called.begin(), called.end());
    CHECK(called.size() == 3 * epoch);
  }
  CHECK(called == std::vector<int>{0, 0, 1, 1, 2, 2});
}

TEST_CASE("of large batches that take long one is made ahead, by all threads") {
  /// A megabyte each, as slow as a picture.
  class Wide : public Numbers {
   public:
    using Numbers::Numbers;
    Value get(std::int64_t index, Random /*random*/) override {
      std::this_thread::sleep_for(std::chrono::microseconds(500));
      calls.fetch_add(1);
      return Value(Tensor::full({1 << 18}, static_cast<double>(index)));
    }
  };
  constexpr int kBatch = 12;
  // What is begun before the next is taken comes, and no more.
  auto begun = [](Wide& data, int wanted) {
    for (int i = 0; i < 1000 && data.calls < wanted; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    return data.calls.load();
  };
  for (std::optional<std::int64_t> factor :
       {std::optional<std::int64_t>(), std::optional<std::int64_t>(2)}) {
    auto wide = std::make_shared<Wide>(kBatch * 9);
    Dataset::Options around;
    around.datasets = {wide};
    DataLoader::Options asked = options(kBatch, false, 2);
    asked.prefetch_factor = factor;
    DataLoader loader(std::make_shared<Dataset>(around), asked);
    Value batch;
    for (int taken = 1; taken <= 4; ++taken) {
      REQUIRE(loader.next(batch));
      CHECK(batch.as_tensor().data<float>()[0] == (taken - 1) * kBatch);
      const int wanted = kBatch * (taken + (factor ? 4 : 1));
      CHECK(begun(*wide, wanted) == wanted);
    }
  }
}
