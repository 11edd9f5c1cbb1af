#include <algorithm>
#include <cmath>
#include <vector>

#include "ptutils/common/thread_pool.h"
#include "ptutils/tensor/random.h"
#include "tensor/check.h"

using namespace ptutils;

using Words = std::array<std::uint32_t, 4>;

TEST_CASE("philox gives the known answers of Random123") {
  CHECK(philox({0, 0, 0, 0}, {0, 0}) ==
        Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const std::uint32_t all = 0xffffffff;
  CHECK(philox({all, all, all, all}, {all, all}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
               {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a stream goes on from its two integers") {
  Random a(7);
  Tensor first = a.normal({101});
  Random b(a.key(), a.counter());
  CHECK(a.uniform({33}).identical(b.uniform({33})));
  CHECK(a.permutation(50).identical(b.permutation(50)));
  CHECK(a.next_u64() == b.next_u64());
  CHECK(a.counter() == b.counter());
  CHECK(first.identical(Random(7).normal({101})));
}

TEST_CASE("a draw of n elements is the beginning of a longer one") {
  Tensor longer = Random(3).uniform({1000});
  CHECK(longer.slice(0, 0, 333).identical(Random(3).uniform({333})));
  Tensor normal = Random(3).normal({1000}, 0, 1, DType::kF64);
  CHECK(normal.slice(0, 0, 7).identical(
      Random(3).normal({7}, 0, 1, DType::kF64)));
}

TEST_CASE("named and item streams are their own") {
  CHECK(Random::named(0, "data").key() == Random::named(0, "data").key());
  CHECK(Random::named(0, "data").key() != Random::named(0, "init").key());
  CHECK(Random::named(0, "data").key() != Random::named(1, "data").key());
  CHECK(Random(5).at(1, 2).key() != Random(5).at(2, 1).key());
  CHECK(Random(5).at(1).key() == Random(5, 99).at(1).key());
}

TEST_CASE("draws do not depend on the number of threads") {
  int budget = thread_budget();
  set_thread_budget(1);
  Tensor one = Random(9).normal({300001});
  set_thread_budget(4);
  Tensor four = Random(9).normal({300001});
  set_thread_budget(budget);
  CHECK(one.identical(four));
}

TEST_CASE("a permutation is one") {
  for (std::int64_t n : {0, 1, 2, 3, 10, 1000}) {
    Tensor p = Random(1).permutation(n);
    CHECK(p.dtype() == DType::kI64);
    std::vector<std::int64_t> at(p.data<std::int64_t>(),
                                 p.data<std::int64_t>() + n);
    std::sort(at.begin(), at.end());
    for (std::int64_t i = 0; i < n; ++i)
      CHECK(at[static_cast<std::size_t>(i)] == i);
  }
  CHECK(!Random(1).permutation(1000).identical(Random(2).permutation(1000)));
}

TEST_CASE("every permutation is as likely") {
  int counts[6] = {};
  Random random(4);
  for (int round = 0; round < 6000; ++round) {
    Tensor p = random.permutation(3);
    auto* at = p.data<std::int64_t>();
    ++counts[at[0] * 2 + (at[1] > at[2] ? 1 : 0)];
  }
  for (int count : counts) CHECK(std::abs(count - 1000) < 150);
}

static double moment(const Tensor& t, double center, int power) {
  double out = 0;
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    double x = t.dtype() == DType::kF32
                   ? static_cast<double>(t.data<float>()[i])
                   : t.data<double>()[i];
    out += std::pow(x - center, power);
  }
  return out / static_cast<double>(t.numel());
}

TEST_CASE("uniform draws fill their interval evenly") {
  for (DType dtype : {DType::kF32, DType::kF64}) {
    Tensor t = Random(11).uniform({200000}, -1, 3, dtype);
    CHECK(min(t).item_f64() >= -1);
    CHECK(max(t).item_f64() < 3);
    CHECK(std::abs(moment(t, 0, 1) - 1) < 0.01);
    CHECK(std::abs(moment(t, 1, 2) - 16.0 / 12) < 0.01);
  }
  CHECK(Random(1).uniform({9}, 0, 1, DType::kBF16).dtype() == DType::kBF16);
  CHECK(same(Random(1).uniform({2}, 5, 5), {5, 5}));
  CHECK_KIND(Random(1).uniform({9}, 1, 0), Kind::kValue);
  CHECK_KIND(Random(1).uniform({9}, 0, 1, DType::kI32), Kind::kType);
}

TEST_CASE("normal draws have the moments of the normal distribution") {
  for (DType dtype : {DType::kF32, DType::kF64}) {
    Tensor t = Random(12).normal({200000}, 2, 3, dtype);
    CHECK(std::abs(moment(t, 0, 1) - 2) < 0.03);
    CHECK(std::abs(moment(t, 2, 2) - 9) < 0.15);
    CHECK(std::abs(moment(t, 2, 3)) < 1);
    CHECK(std::abs(moment(t, 2, 4) - 243) < 8);
    CHECK(!any(isnan(t)).item<bool>());
    double beyond =
        mean(cast(gt(t, scalar_like(t, 5.0)), DType::kF32)).item_f64();
    CHECK(std::abs(beyond - 0.158655) < 0.004);
  }
}

TEST_CASE("bernoulli and randint") {
  Tensor b = Random(13).bernoulli({100000}, 0.3);
  CHECK(b.dtype() == DType::kBool);
  CHECK(std::abs(sum(b).item<double>() - 30000) < 600);
  CHECK(!any(Random(1).bernoulli({1000}, 0)).item<bool>());
  CHECK(all(Random(1).bernoulli({1000}, 1)).item<bool>());
  CHECK_KIND(Random(1).bernoulli({1}, 1.5), Kind::kValue);
  Tensor r = Random(14).randint(-3, 4, {70000});
  CHECK(min(r).item_i64() == -3);
  CHECK(max(r).item_i64() == 3);
  for (int value = -3; value < 4; ++value) {
    Tensor hits = eq(r, scalar_like(r, std::int64_t{value}));
    CHECK(std::abs(sum(hits).item_i64() - 10000) < 500);
  }
  CHECK_KIND(Random(1).randint(3, 3, {1}), Kind::kValue);
  const auto low = std::numeric_limits<std::int64_t>::min();
  const auto high = std::numeric_limits<std::int64_t>::max();
  CHECK(Random(1).randint(low, high, {4}).numel() == 4);
}

TEST_CASE("next_below is within its bound") {
  Random random(15);
  int counts[3] = {};
  for (int i = 0; i < 3000; ++i) ++counts[random.next_below(3)];
  for (int count : counts) CHECK(std::abs(count - 1000) < 150);
  CHECK(random.next_below(1) == 0);
  CHECK_KIND(random.next_below(0), Kind::kValue);
  double u = random.next_uniform();
  CHECK((u >= 0 && u < 1));
}

TEST_CASE("seed starts the default stream anew") {
  seed(3);
  std::uint64_t first = default_random().next_u64();
  seed(3);
  CHECK(default_random().next_u64() == first);
  seed(0);
}
