#include <complex>
#include <string>

#include "ptutils/common/thread_pool.h"
#include "ptutils/tensor/random.h"
#include "tensor/check.h"

using namespace ptutils;

// The definition, in double.
static double element(const Tensor& a, const Tensor& b, std::int64_t i,
                      std::int64_t j) {
  double out = 0;
  for (std::int64_t k = 0; k < a.size(1); ++k)
    out += a.select(0, i).select(0, k).item_f64() *
           b.select(0, k).select(0, j).item_f64();
  return out;
}

static void check_product(const Tensor& a, const Tensor& b, const Tensor& c,
                          double tolerance) {
  REQUIRE(c.shape() == Dims{a.size(0), b.size(1)});
  for (std::int64_t i = 0; i < c.size(0); i += 1 + c.size(0) / 7)
    for (std::int64_t j = 0; j < c.size(1); j += 1 + c.size(1) / 7)
      CHECK(std::abs(c.select(0, i).select(0, j).item_f64() -
                     element(a, b, i, j)) <= tolerance);
}

TEST_CASE("products of every layout and size") {
  for (DType d : {DType::kF32, DType::kF64})
    for (auto [m, n, k] : {std::array<std::int64_t, 3>{1, 1, 1},
                           {3, 5, 7},
                           {1, 40, 30},
                           {40, 1, 30},
                           {65, 49, 33},
                           {300, 70, 20}}) {
      Random random(5);
      Tensor a = random.normal({m, k}, 0, 1, d);
      Tensor b = random.normal({k, n}, 0, 1, d);
      double tolerance = d == DType::kF32 ? 1e-4 : 1e-12;
      check_product(a, b, matmul(a, b), tolerance);
      Tensor at = a.transpose(0, 1).clone(), bt = b.transpose(0, 1).clone();
      check_product(a, b, matmul(at.transpose(0, 1), bt.transpose(0, 1)),
                    tolerance);
      Tensor c = Tensor::full({m, n}, 2, d);
      gemm(at, true, bt, true, 0.5, 3, c);
      Tensor wanted =
          add(mul(matmul(a, b), scalar_like(a, 0.5)), scalar_like(a, 6.0));
      Tensor off = max(abs(sub(c, wanted)));
      CHECK(off.item_f64() < tolerance);
      gemm(a, false, bt, true, 1, 0, c);
      check_product(a, b, c, tolerance);
      gemm(at, true, b, false, 1, 0, c);
      check_product(a, b, c, tolerance);
    }
}

TEST_CASE("products of views with gaps, stride 0 and single columns") {
  Tensor wide = Random(1).normal({20, 40});
  Tensor a = wide.slice(1, 3, 17), b = wide.slice(0, 0, 14).slice(1, 1, 30, 2);
  check_product(a, b, matmul(a, b), 1e-4);
  Tensor repeated = counting({1, 4}).broadcast_to({3, 4});
  check_product(repeated, counting({4, 2}), matmul(repeated, counting({4, 2})),
                0);
  Tensor column = wide.slice(1, 5, 6);
  check_product(column, wide.slice(0, 2, 3),
                matmul(column, wide.slice(0, 2, 3)), 1e-5);
}

TEST_CASE("beta of 0 forgets NaN in the result's memory") {
  Tensor c = Tensor::full({2, 2}, NAN);
  gemm(counting({2, 3}), false, counting({3, 2}), false, 1, 0, c);
  CHECK(same(c, {10, 13, 28, 40}));
  gemm(Tensor::zeros({2, 0}), false, Tensor::zeros({0, 2}), false, 1, 2, c);
  CHECK(same(c, {20, 26, 56, 80}));
}

TEST_CASE("vectors and batches, as torch.matmul") {
  Tensor v = counting({3}), m = counting({3, 2});
  CHECK(matmul(v, v).dim() == 0);
  CHECK(same(matmul(v, v), {5}));
  CHECK(same(matmul(v, m), {10, 13}));
  CHECK(same(matmul(m.transpose(0, 1), v), {10, 13}));
  Tensor batch = counting({2, 1, 4, 3});
  CHECK(matmul(batch, m).shape() == Dims{2, 1, 4, 2});
  CHECK(matmul(batch, counting({5, 3, 2})).shape() == Dims{2, 5, 4, 2});
  CHECK(matmul(batch, v).shape() == Dims{2, 1, 4});
  CHECK(matmul(v, counting({5, 3, 2})).shape() == Dims{5, 2});
  Tensor all = matmul(batch, counting({5, 3, 2}));
  CHECK(all.select(0, 1).select(0, 3).identical(matmul(
      batch.select(0, 1).select(0, 0), counting({5, 3, 2}).select(0, 3))));
  CHECK(matmul(Tensor::zeros({0, 3}), m).shape() == Dims{0, 2});
  CHECK(same(matmul(Tensor::zeros({1, 0}), Tensor::zeros({0, 2})), {0, 0}));
}

TEST_CASE("products of other dtypes") {
  for (DType d : every_dtype()) {
    Tensor a = cast(counting({2, 3}), d), b = cast(counting({3, 2}), d);
    if (d == DType::kBool) {
      CHECK_KIND(matmul(a, b), Kind::kType);
      continue;
    }
    CHECK(matmul(a, b).dtype() == d);
    CHECK(same(cast(matmul(a, b), DType::kF64), {10, 13, 28, 40}));
  }
  Tensor wraps = Tensor::of<std::uint8_t>({16}, {1, 1});
  CHECK(same(matmul(wraps, wraps), {0}));
}

TEST_CASE("what does not fit is an error that says so") {
  CHECK_KIND(matmul(counting({2, 3}), counting({2, 3})), Kind::kValue);
  CHECK_KIND(matmul(counting({3}), Tensor::scalar_of(1.0f)), Kind::kValue);
  CHECK_KIND(matmul(counting({3}), Tensor::zeros({3}, DType::kF64)),
             Kind::kType);
  Tensor c = counting({2, 2});
  CHECK_KIND(gemm(c, false, counting({3, 2}), false, 1, 0, c), Kind::kValue);
  CHECK_KIND(gemm(c, false, c, false, 1, 0, counting({4, 2}).transpose(0, 1)),
             Kind::kValue);
}

TEST_CASE("products do not depend on the number of threads, to the bit") {
  Tensor a = Random(1).normal({600, 310}), b = Random(2).normal({310, 530});
  int budget = thread_budget();
  set_thread_budget(1);
  Tensor one = matmul(a, b);
  set_thread_budget(4);
  Tensor four = matmul(a, b);
  set_thread_budget(budget);
  CHECK(one.identical(four));
}

TEST_CASE("index_select, concat, stack and arange") {
  Tensor t = counting({3, 2});
  Tensor at = Tensor::of<std::int64_t>({2, 0, -1}, {3});
  CHECK(same(index_select(t, 0, at), {4, 5, 0, 1, 4, 5}));
  CHECK(same(index_select(t.transpose(0, 1), 1, at), {4, 0, 4, 5, 1, 5}));
  CHECK(
      same(index_select(t, -1, Tensor::of<std::uint8_t>({1}, {1})), {1, 3, 5}));
  CHECK(index_select(t, 0, Tensor::zeros({0}, DType::kI64)).shape() ==
        Dims{0, 2});
  CHECK_KIND(index_select(t, 0, Tensor::of<int>({3}, {1})), Kind::kIndex);
  CHECK_KIND(index_select(t, 0, Tensor::of<int>({-4}, {1})), Kind::kIndex);
  CHECK_KIND(index_select(t, 0, counting({1})), Kind::kType);
  CHECK(same(concat({t, counting({1, 2})}, 0), {0, 1, 2, 3, 4, 5, 0, 1}));
  CHECK(same(concat({t, counting({3, 1})}, 1), {0, 1, 0, 2, 3, 1, 4, 5, 2}));
  CHECK(concat({t, cast(t, DType::kF64)}, 0).dtype() == DType::kF64);
  CHECK_KIND(concat({t, counting({2, 3})}, 0), Kind::kValue);
  CHECK_KIND(concat({}, 0), Kind::kValue);
  CHECK(stack({t, t}, -1).shape() == Dims{3, 2, 2});
  CHECK(same(stack({counting({2}), counting({2})}, 1), {0, 0, 1, 1}));
  CHECK_KIND(stack({t, counting({3})}, 0), Kind::kValue);
  CHECK(same(arange(3), {0, 1, 2}));
  CHECK(arange(2, DType::kF16).dtype() == DType::kF16);
  CHECK_KIND(arange(-1), Kind::kValue);
}
