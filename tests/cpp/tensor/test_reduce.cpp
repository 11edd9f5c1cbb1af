#include <complex>
#include <limits>

#include "ptutils/common/thread_pool.h"
#include "ptutils/tensor/random.h"
#include "tensor/check.h"

using namespace ptutils;

static const double kReduceNaN = std::numeric_limits<double>::quiet_NaN();

TEST_CASE("sums over any dimensions") {
  Tensor t = counting({2, 3, 4});
  CHECK(same(sum(t), {276}));
  CHECK(sum(t).dim() == 0);
  CHECK(same(sum(t, {2}), {6, 22, 38, 54, 70, 86}));
  CHECK(same(sum(t, {0}), {12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34}));
  CHECK(same(sum(t, {1}), {12, 15, 18, 21, 48, 51, 54, 57}));
  CHECK(same(sum(t, {0, 2}), {60, 92, 124}));
  CHECK(same(sum(t, {-1, 1}), {66, 210}));
  CHECK(sum(t, {0, 2}, true).shape() == Dims{1, 3, 1});
  CHECK(same(sum(t.transpose(0, 2), {0, 1}), {66, 210}));
  CHECK(same(sum(counting({3}).broadcast_to({2, 3}), {0}), {0, 2, 4}));
  CHECK_KIND(sum(t, {3}), Kind::kIndex);
  CHECK_KIND(sum(t, {0, -3}), Kind::kValue);
  CHECK(same(sum(Tensor::scalar_of(3.0f)), {3}));
  CHECK(same(sum(counting({1, 1}), {0, 1}), {0}));
}

TEST_CASE("reductions of every dtype") {
  for (DType d : every_dtype()) {
    Tensor t = cast(Tensor::of<int>({1, 3, 2, 1, 0, 1}, {2, 3}), d);
    bool flag = d == DType::kBool, whole = is_integer(d) || flag;
    Tensor s = sum(t, {1}), p = prod(t, {0});
    CHECK(s.dtype() == (whole ? DType::kI64 : d));
    CHECK(same(cast(s, DType::kF64), {flag ? 3. : 6., 2}));
    CHECK(same(cast(p, DType::kF64), {1, 0, flag ? 1. : 2}));
    CHECK(any(t).item<bool>());
    CHECK(!all(t).item<bool>());
    if (is_complex(d)) {
      CHECK_KIND(max(t), Kind::kType);
      CHECK_KIND(argmax(t), Kind::kType);
      continue;
    }
    CHECK(max(t).dtype() == d);
    CHECK(same(max(t), {flag ? 1. : 3}));
    CHECK(same(min(t, {0}), {1, 0, 1}));
    CHECK(same(max(t, {1}), {flag ? 1. : 3, 1}));
    CHECK(same(argmax(t, 1), {flag ? 0. : 1, 0}));
    CHECK(same(argmin(t), {4}));
    if (is_floating(d))
      CHECK(same(mean(t, {1}), {2, static_cast<double>(static_cast<float>(
                                       number(mean(t, {1}), 1)))}));
    else
      CHECK_KIND(mean(t), Kind::kType);
  }
}

TEST_CASE("NaN wins in max, min, argmax and argmin, wherever it is") {
  for (std::int64_t n : {1, 5, 33, 100, 1000})
    for (std::int64_t at : {std::int64_t{0}, n / 2, n - 1}) {
      for (DType d : {DType::kF32, DType::kF64, DType::kF16}) {
        Tensor t = cast(counting({n}), d);
        fill_(t.slice(0, at, at + 1), kReduceNaN);
        CHECK(same(max(t), {kReduceNaN}));
        CHECK(same(min(t), {kReduceNaN}));
        CHECK(same(argmax(t), {static_cast<double>(at)}));
        CHECK(same(argmin(t), {static_cast<double>(at)}));
        Tensor column = t.reshape({n, 1}).broadcast_to({n, 3});
        CHECK(same(max(column, {0}), {kReduceNaN, kReduceNaN, kReduceNaN}));
      }
    }
}

TEST_CASE("argmax is the first, along any dimension") {
  Tensor t = Tensor::of<float>({1, 5, 5, 7, 2, 7}, {2, 3});
  CHECK(same(argmax(t, 1), {1, 0}));
  CHECK(same(argmax(t, 0), {1, 0, 1}));
  CHECK(argmax(t, 0, true).shape() == Dims{1, 3});
  CHECK(same(argmax(t), {3}));
  CHECK(argmax(t, {}, true).shape() == Dims{1, 1});
  Tensor cube = counting({2, 3, 4});
  CHECK(argmax(cube, 1).shape() == Dims{2, 4});
  CHECK(same(argmin(neg(cube), 0), {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}));
  Tensor mixed =
      Tensor::of<float>({0, 9, 1, 8, 2, 7, 3, 6, 4, 5, 9, 0}, {2, 3, 2});
  CHECK(same(argmax(mixed, 1), {2, 0, 2, 0}));
}

TEST_CASE("empty reductions") {
  Tensor none = Tensor::zeros({0, 3});
  CHECK(same(sum(none), {0}));
  CHECK(same(prod(none, {0}), {1, 1, 1}));
  CHECK(same(mean(none, {0}), {kReduceNaN, kReduceNaN, kReduceNaN}));
  CHECK(max(none, {1}).shape() == Dims{0});
  CHECK(sum(Tensor::zeros({0}, DType::kI8)).dtype() == DType::kI64);
  CHECK_KIND(max(none), Kind::kValue);
  CHECK_KIND(min(none, {0}), Kind::kValue);
  CHECK_KIND(argmax(none), Kind::kValue);
  CHECK(all(none).item<bool>());
  CHECK(!any(none).item<bool>());
}

TEST_CASE("long sums are accurate") {
  Tensor t = Tensor::full({3000001}, 0.1);
  CHECK(std::abs(sum(t).item_f64() - 300000.1) < 0.3);
  CHECK(std::abs(sum(t.slice(0, 0, 3000000).reshape({1000000, 3}), {0})
                     .select(0, 1)
                     .item_f64() -
                 100000) < 0.1);
  CHECK(std::abs(mean(cast(t, DType::kBF16)).item_f64() - 0.1) < 0.001);
  CHECK(sum(Tensor::full({100000}, 1, DType::kU8)).item_i64() == 100000);
  Tensor h = Tensor::full({4096}, 60000, DType::kF16);
  CHECK(mean(h).item_f64() == 60000);  // the sum is beyond f16
}

TEST_CASE("reductions do not depend on the number of threads, to the bit") {
  Tensor a = Random(1).normal({1000003});
  Tensor b = Random(2).normal({517, 33, 61});
  int budget = thread_budget();
  std::vector<Tensor> results[2];
  for (int k = 0; k < 2; ++k) {
    set_thread_budget(k ? 4 : 1);
    for (Dims dims : {Dims{}, Dims{0}, Dims{1}, Dims{2}, Dims{0, 2}}) {
      results[k].push_back(sum(b, dims));
      results[k].push_back(max(b, dims));
    }
    results[k].push_back(sum(a));
    results[k].push_back(prod(a));
    results[k].push_back(softmax(b, 1));
  }
  set_thread_budget(budget);
  for (std::size_t i = 0; i < results[0].size(); ++i)
    CHECK(results[0][i].identical(results[1][i]));
}

TEST_CASE("softmax and log_softmax") {
  Tensor t = Tensor::of<double>({1, 2, 3, 1000, 1000, 1000}, {2, 3});
  double e = std::exp(1.0), s = 1 + e + e * e;
  CHECK(same(softmax(t, 1), {1 / s, e / s, e * e / s, 1 / 3., 1 / 3., 1 / 3.}));
  CHECK(same(log_softmax(t, -1).select(0, 0),
             {-std::log(s), 1 - std::log(s), 2 - std::log(s)}));
  Tensor u = Random(1).normal({3, 4, 5});
  CHECK(softmax(u, 1).identical(
      softmax(u.transpose(1, 2).clone(), 2).transpose(1, 2).clone()));
  CHECK(softmax(cast(t, DType::kF16), 1).dtype() == DType::kF16);
  double inf = std::numeric_limits<double>::infinity();
  CHECK(same(softmax(Tensor::of<double>({0, -inf}, {2}), 0), {1, 0}));
  CHECK(same(softmax(Tensor::of<double>({-inf, -inf}, {2}), 0),
             {kReduceNaN, kReduceNaN}));
  CHECK(softmax(Tensor::zeros({0, 3}), 1).shape() == Dims{0, 3});
  CHECK(same(softmax(Tensor::scalar_of(3.0f), 0), {1}));
  CHECK_KIND(softmax(Tensor::zeros({2}, DType::kI32), 0), Kind::kType);
}
