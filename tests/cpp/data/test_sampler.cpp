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
  CHECK_FAILS(RandomSampler(false, -1), Kind::kValue, "num_samples=-1");
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
