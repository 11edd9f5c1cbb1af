#include <algorithm>
#include <numeric>

#include "support.h"

using namespace test;  // NOLINT(google-build-using-namespace)

namespace {

std::vector<std::int64_t> order(Sampler& sampler, std::int64_t n,
                                std::uint64_t seed, std::int64_t epoch) {
  Tensor t = sampler.order(n, seed, epoch).tensor();
  return {t.data<std::int64_t>(), t.data<std::int64_t>() + t.numel()};
}

}  // namespace

TEST_CASE("an order is a function of seed and epoch") {
  RandomSampler sampler;
  CHECK(order(sampler, 100, 3, 4) == order(sampler, 100, 3, 4));
  CHECK(order(sampler, 100, 3, 4) != order(sampler, 100, 3, 5));
  CHECK(order(sampler, 100, 3, 4) != order(sampler, 100, 4, 4));
  SequentialSampler plain;
  CHECK(order(plain, 4, 3, 4) == std::vector<std::int64_t>{0, 1, 2, 3});
}

TEST_CASE("num_samples takes fewer, or all several times") {
  RandomSampler few(false, 10), many(false, 250);
  CHECK(few.count(100) == 10);
  auto some = order(few, 100, 1, 0);
  std::sort(some.begin(), some.end());
  CHECK(std::unique(some.begin(), some.end()) == some.end());
  auto all = order(many, 100, 1, 0);
  REQUIRE(all.size() == 250);
  std::vector<int> counts(100);
  for (std::int64_t i : all) ++counts[static_cast<std::size_t>(i)];
  CHECK(*std::min_element(counts.begin(), counts.end()) == 2);
  CHECK(*std::max_element(counts.begin(), counts.end()) == 3);
  CHECK_FAILS(RandomSampler(false, 0), Kind::kValue, "num_samples=0");
  CHECK_FAILS(few.order(0, 1, 0), Kind::kValue, "without samples");
}

TEST_CASE("replacement draws each place by itself") {
  RandomSampler sampler(true, 1000);
  auto drawn = order(sampler, 10, 1, 0);
  std::vector<int> counts(10);
  for (std::int64_t i : drawn) ++counts.at(static_cast<std::size_t>(i));
  CHECK(*std::min_element(counts.begin(), counts.end()) > 50);
}

TEST_CASE("an order in the data's own order takes no memory") {
  SequentialSampler plain;
  const Order all = plain.order(1'000'000'000'000, 1, 0);
  CHECK(!all.indices());
  CHECK(all.size() == 1'000'000'000'000);
  std::vector<std::int64_t> some(3);
  all.fill(999'999'999'990, some);
  CHECK(some == std::vector<std::int64_t>{999'999'999'990, 999'999'999'991,
                                          999'999'999'992});
  DistributedSampler::Options o;
  o.num_replicas = 3;
  o.rank = 2;
  o.shuffle = false;
  const Order share = DistributedSampler(o).order(10, 1, 0);
  CHECK(!share.indices());
  const Tensor indices = share.tensor();
  CHECK(std::vector<std::int64_t>(indices.data<std::int64_t>(),
                                  indices.data<std::int64_t>() + 4) ==
        std::vector<std::int64_t>{2, 5, 8, 1});

  DataLoader loader(std::make_shared<Numbers>(1'000'000'000'000),
                    options(4, false, 2));
  loader.set_position(0, 200'000'000'000);
  Value batch;
  REQUIRE(loader.next(batch));
  CHECK(seen(batch).indices[0] == 800'000'000'000);
  CHECK(loader.length() == 250'000'000'000);
}

TEST_CASE("samplers are made by name, and say how they were") {
  ptutils::Registry registry;
  register_data(registry);
  auto made = [&](const std::string& name, ptutils::Dict arguments) {
    const ptutils::ClassInfo* info = registry.find("ptutils.data." + name);
    REQUIRE(info);
    auto module = info->make(ptutils::Arguments(arguments, "sampler"));
    arguments.set("func", "ptutils.data." + name);
    for (const auto& [key, value] : arguments) {
      const ptutils::Dict config = module->to_config().as_dict();
      REQUIRE(config.find(key));
      CHECK(config.find(key)->repr() == value.repr());
    }
    return module;
  };
  const Value weights = Value::list({Value(0.0), Value(2.0), Value(1.0)});
  const Value whole = Value::list({Value(2), Value(0), Value(2)});
  auto sampler = [&](const std::string& name, ptutils::Dict arguments) {
    return std::dynamic_pointer_cast<Sampler>(made(name, std::move(arguments)));
  };
  CHECK(sampler(
            "WeightedRandomSampler",
            {{"weights", weights}, {"num_samples", 2}, {"replacement", false}})
            ->count(3) == 2);
  CHECK(order(*sampler("SubsetRandomSampler", {{"indices", whole}}), 3, 1, 0)
            .size() == 3);
  CHECK(order(*sampler("StratifiedSampler",
                       {{"labels", whole}, {"batch_size", 2}}),
              3, 1, 0)
            .size() == 3);
  CHECK(order(*sampler("BlockShuffleSampler", {{"window", 2}, {"block", 3}}), 7,
              1, 0)
            .size() == 7);
  CHECK(sampler("DistributedSampler",
                {{"num_replicas", 3}, {"rank", 1}, {"drop_last", true}})
            ->count(8) == 2);
  auto buckets = std::dynamic_pointer_cast<BatchSampler>(
      made("BucketBatchSampler", {{"lengths", weights}, {"batch_size", 2}}));
  CHECK(buckets->batches(3, 1, 0).ends.size() == 2);
  CHECK_FAILS(
      made("WeightedRandomSampler", {{"weights", "much"}, {"num_samples", 2}}),
      Kind::kType, "weights: a list of numbers");
}
