#include <complex>
#include <limits>

#include "ptutils/common/thread_pool.h"
#include "ptutils/tensor/random.h"
#include "tensor/check.h"

using namespace ptutils;

static const double kNaN = std::numeric_limits<double>::quiet_NaN();
static const double kInf = std::numeric_limits<double>::infinity();

TEST_CASE("arithmetic of every dtype, with itself and with others") {
  for (DType x : every_dtype())
    for (DType y : every_dtype()) {
      Tensor a = cast(Tensor::of<int>({1, 0, 3, 7, 2}, {5}), x);
      Tensor b = cast(Tensor::of<int>({1, 1, 2, 0, 5}, {5}), y);
      DType p = promote(x, y);
      Tensor total = add(a, b), product = mul(a, b);
      CHECK(total.dtype() == p);
      CHECK(product.dtype() == p);
      bool logic = p == DType::kBool;
      bool left = x == DType::kBool, right = y == DType::kBool;
      auto value = [&](const Tensor& t, std::int64_t i) {
        return number(cast(t, DType::kF64), i);
      };
      double third = left ? 1 : 3, two = right ? 1 : 2;
      CHECK(value(total, 2) == (logic ? 1 : third + two));
      CHECK(value(product, 2) == (logic ? 1 : third * two));
      CHECK(value(total, 1) == 1);
      CHECK(value(product, 3) == 0);
      CHECK(eq(a, b).dtype() == DType::kBool);
      CHECK(number(cast(eq(a, b), DType::kU8), 0) == 1);
      CHECK(number(cast(ne(a, b), DType::kU8), 1) == 1);
    }
}

TEST_CASE("integers wrap") {
  CHECK(same(add(Tensor::of<std::uint8_t>({250}, {1}),
                 Tensor::of<std::uint8_t>({10}, {1})),
             {4}));
  Tensor big =
      Tensor::of<std::int32_t>({std::numeric_limits<std::int32_t>::max()}, {1});
  CHECK(same(add(big, Tensor::of<std::int32_t>({1}, {1})), {-2147483648.0}));
  Tensor u16 = Tensor::of<std::uint16_t>({65535}, {1});
  CHECK(same(mul(u16, u16), {1}));
  Tensor least =
      Tensor::of<std::int64_t>({std::numeric_limits<std::int64_t>::min()}, {1});
  CHECK(neg(least).identical(least));
  CHECK(abs(least).identical(least));
}

TEST_CASE("division is true division; floor_div and remainder are Python's") {
  Tensor a = Tensor::of<int>({7, -7, 7, -7, 6}, {5});
  Tensor b = Tensor::of<int>({2, 2, -2, -2, 3}, {5});
  CHECK(div(a, b).dtype() == DType::kF32);
  CHECK(same(div(a, b), {3.5, -3.5, -3.5, 3.5, 2}));
  CHECK(same(floor_div(a, b), {3, -4, -4, 3, 2}));
  CHECK(same(remainder(a, b), {1, 1, -1, -1, 0}));
  Tensor x = cast(a, DType::kF64), y = cast(b, DType::kF64);
  CHECK(same(floor_div(x, y), {3, -4, -4, 3, 2}));
  CHECK(same(remainder(x, y), {1, 1, -1, -1, 0}));
  CHECK_KIND(floor_div(a, Tensor::zeros({5}, DType::kI32)), Kind::kValue);
  CHECK_KIND(remainder(a, Tensor::zeros({}, DType::kI32)), Kind::kValue);
  Tensor least = Tensor::of<int>({std::numeric_limits<int>::min()}, {1});
  Tensor minus = Tensor::of<int>({-1}, {1});
  CHECK(floor_div(least, minus).identical(least));
  CHECK(same(remainder(least, minus), {0}));
  CHECK(same(div(Tensor::scalar_of(1.0), Tensor::scalar_of(0.0)), {kInf}));
  CHECK_KIND(sub(Tensor::scalar_of(true), Tensor::scalar_of(true)),
             Kind::kType);
}

TEST_CASE("pow") {
  CHECK(same(pow(Tensor::of<int>({2, 3, -1, 5}, {4}),
                 Tensor::of<int>({10, 0, -3, -1}, {4})),
             {1024, 1, -1, 0}));
  CHECK(same(pow(Tensor::of<double>({2, 9}, {2}), Tensor::scalar_of(0.5)),
             {std::sqrt(2.0), 3}));
}

TEST_CASE("maximum, minimum and relu keep NaN") {
  Tensor a = Tensor::of<float>({1, NAN, 3, -0.5f}, {4});
  Tensor b = Tensor::of<float>({2, 0, NAN, -2}, {4});
  CHECK(same(maximum(a, b), {2, kNaN, kNaN, -0.5}));
  CHECK(same(minimum(a, b), {1, kNaN, kNaN, -2}));
  CHECK(same(relu(a), {1, kNaN, 3, 0}));
  CHECK_KIND(maximum(Tensor::scalar_of(std::complex<float>(1)), a),
             Kind::kType);
}

TEST_CASE("comparisons of NaN are false, but ne") {
  Tensor a = Tensor::of<float>({1, NAN, 3}, {3});
  CHECK(same(eq(a, a), {1, 0, 1}));
  CHECK(same(ne(a, a), {0, 1, 0}));
  CHECK(same(le(a, a), {1, 0, 1}));
  CHECK(same(lt(a, Tensor::scalar_of(2.0f)), {1, 0, 0}));
  CHECK(same(gt(a, Tensor::scalar_of(2.0f)), {0, 0, 1}));
  CHECK(same(ge(a, Tensor::scalar_of(3.0f)), {0, 0, 1}));
  Tensor c = Tensor::scalar_of(std::complex<double>(1, 2));
  CHECK(same(eq(c, c), {1}));
  CHECK_KIND(lt(c, c), Kind::kType);
}

TEST_CASE("broadcasting, transposed and 0-d operands") {
  Tensor a = counting({2, 1, 3});
  Tensor b = counting({4, 1});
  CHECK(add(a, b).shape() == Dims{2, 4, 3});
  CHECK(same(add(a, b).select(0, 1), {3, 4, 5, 4, 5, 6, 5, 6, 7, 6, 7, 8}));
  Tensor m = counting({3, 2});
  CHECK(same(sub(m.transpose(0, 1), counting({2, 3})), {0, 1, 2, -2, -1, 0}));
  CHECK(same(mul(m, Tensor::scalar_of(2.0f)), {0, 2, 4, 6, 8, 10}));
  CHECK(add(Tensor::zeros({0, 3}), counting({3})).shape() == Dims{0, 3});
  CHECK_KIND(add(counting({2}), counting({3})), Kind::kValue);
  CHECK(same(exp(Tensor::zeros({}).broadcast_to({2, 2})), {1, 1, 1, 1}));
}

TEST_CASE("long rows of mixed dtypes and strides agree with short ones") {
  Tensor a = Random(1).randint(-100, 100, {2500, 2}, DType::kI16);
  Tensor b = Random(2).uniform({5000}, -1, 1, DType::kBF16);
  Tensor column = a.select(1, 1);
  Tensor every = b.slice(0, 1, 5000, 2);
  Tensor all = mul(column, every);
  CHECK(all.dtype() == DType::kBF16);
  for (std::int64_t i : {0, 1, 1023, 1024, 1025, 2047, 2499}) {
    auto x = static_cast<float>(number(column, i));
    auto y = static_cast<float>(number(every, i));
    CHECK(number(all, i) == static_cast<float>(bf16(x * y)));
  }
}

TEST_CASE("scalars promote across categories only") {
  Tensor u8 = Tensor::of<std::uint8_t>({1, 2}, {2});
  Tensor f16s = cast(u8, DType::kF16);
  CHECK(add(u8, scalar_like(u8, std::int64_t{3})).dtype() == DType::kU8);
  CHECK(add(u8, scalar_like(u8, 0.5)).dtype() == DType::kF32);
  CHECK(add(f16s, scalar_like(f16s, 0.5)).dtype() == DType::kF16);
  CHECK(add(f16s, Tensor::scalar_of(0.5)).dtype() == DType::kF16);
  CHECK(add(u8, Tensor::scalar_of(std::int64_t{1})).dtype() == DType::kU8);
  CHECK(add(u8, Tensor::scalar_of(1.0)).dtype() == DType::kF64);
  Tensor f64 = cast(u8, DType::kF64);
  std::complex<double> i(0, 1);
  CHECK(add(f64, scalar_like(f64, i)).dtype() == DType::kC128);
  CHECK(add(f16s, scalar_like(f16s, i)).dtype() == DType::kC64);
  Tensor flag = Tensor::of<bool>({true}, {1});
  CHECK(add(flag, scalar_like(flag, std::int64_t{1})).dtype() == DType::kI64);
}

TEST_CASE("in place arithmetic keeps the dtype") {
  for (DType d : {DType::kF32, DType::kF64, DType::kF16, DType::kI32}) {
    Tensor a = cast(counting({2, 3}), d);
    add_(a.transpose(0, 1), Tensor::scalar_of(std::int64_t{1}), 2);
    CHECK(same(a, {2, 3, 4, 5, 6, 7}));
    mul_(a, 3);
    CHECK(same(a, {6, 9, 12, 15, 18, 21}));
    fill_(a.select(1, 0), 1);
    CHECK(same(a, {1, 9, 12, 1, 18, 21}));
    CHECK(a.dtype() == d);
  }
  Tensor ints = Tensor::zeros({2}, DType::kI32);
  CHECK_KIND(add_(ints, counting({2})), Kind::kType);
  CHECK_KIND(mul_(ints, 0.5), Kind::kType);
  CHECK_KIND(add_(ints, ints, 0.5), Kind::kType);
  Tensor square = counting({2, 2});
  add_(square, square.transpose(0, 1));
  CHECK(same(square, {0, 3, 3, 6}));
  static float fixed[1] = {1};
  Tensor locked = Tensor::view_bytes(Storage::wrap(fixed, 4, nullptr, true),
                                     DType::kF32, {1});
  CHECK_KIND(fill_(locked, 2), Kind::kValue);
  CHECK_KIND(add_(locked, locked), Kind::kValue);
}

TEST_CASE("logic and where") {
  Tensor a = Tensor::of<float>({0, 2, 0, -1}, {4});
  Tensor b = Tensor::of<int>({0, 0, 5, 6}, {4});
  CHECK(same(logical_and(a, b), {0, 0, 0, 1}));
  CHECK(same(logical_or(a, b), {0, 1, 1, 1}));
  CHECK(same(logical_not(a), {1, 0, 1, 0}));
  CHECK(same(where(a, b, Tensor::scalar_of(9)), {9, 0, 9, 6}));
  CHECK(where(a, b, a).dtype() == DType::kF32);
}

template <class T>
static void check_functions(DType dtype, double tolerance) {
  std::vector<T> x;
  for (double v = -120; v < 120; v += 0.0317) x.push_back(static_cast<T>(v));
  for (double v : {1e-30, -1e-30, 1e-6, 0.0, -0.0, 1e-3, 1e30, 88.8, -104.5,
                   709.7, -745.0, -800.0, 1.0, 1e-310})
    x.push_back(static_cast<T>(v));
  Tensor t = Tensor::from(std::span<const T>(x),
                          {static_cast<std::int64_t>(x.size())});
  auto check = [&](const Tensor& got, auto f, double least) {
    CHECK(got.dtype() == dtype);
    for (std::size_t i = 0; i < x.size(); ++i) {
      auto wanted = static_cast<double>(f(x[i]));
      double is = static_cast<double>(got.data<T>()[i]);
      if (std::isnan(wanted)   ? !std::isnan(is)
          : std::isinf(wanted) ? is != wanted
                               : !(std::abs(is - wanted) <=
                                   tolerance * std::abs(wanted) + least))
        FAIL_CHECK("f(", x[i], ") = ", is, ", wanted ", wanted);
    }
  };
  double tiny = std::numeric_limits<T>::denorm_min() * 2;
  check(
      exp(t), [](T v) { return std::exp(v); }, tiny);
  check(
      log_e(t), [](T v) { return std::log(v); }, tolerance / 4);
  check(
      tanh(t), [](T v) { return std::tanh(v); }, 0);
  check(
      sqrt(t), [](T v) { return std::sqrt(v); }, 0);
  check(
      sigmoid(t), [](T v) { return 1 / (1 + std::exp(-v)); },
      std::numeric_limits<T>::min());
  check(
      abs(t), [](T v) { return std::abs(v); }, 0);
  check(
      square(t), [](T v) { return v * v; }, 0);
}

TEST_CASE("functions agree with the C library") {
  check_functions<float>(DType::kF32, 4e-7);
  check_functions<double>(DType::kF64, 2e-15);
}

TEST_CASE("functions at the edges") {
  for (DType d : {DType::kF32, DType::kF64}) {
    Tensor t = cast(Tensor::of<double>({kInf, -kInf, kNaN, 0}, {4}), d);
    CHECK(same(exp(t), {kInf, 0, kNaN, 1}));
    CHECK(same(log_e(t), {kInf, kNaN, kNaN, -kInf}));
    CHECK(same(tanh(t), {1, -1, kNaN, 0}));
    CHECK(same(sigmoid(t), {1, 0, kNaN, 0.5}));
    CHECK(same(sqrt(t), {kInf, kNaN, kNaN, 0}));
    CHECK(same(isnan(t), {0, 0, 1, 0}));
    CHECK(same(isinf(t), {1, 1, 0, 0}));
    CHECK(neg(t.slice(0, 3, 4))
              .identical(cast(Tensor::of<double>({-0.0}, {1}), d)));
  }
  CHECK(exp(Tensor::of<int>({0}, {1})).dtype() == DType::kF32);
  CHECK(same(isnan(counting({2})), {0, 0}));
  CHECK(same(abs(Tensor::scalar_of(std::complex<double>(3, 4))), {5}));
  CHECK(abs(Tensor::scalar_of(std::complex<float>(3, 4))).dtype() ==
        DType::kF32);
  CHECK_KIND(neg(Tensor::scalar_of(true)), Kind::kType);
}

TEST_CASE("casts between all dtypes") {
  for (DType x : every_dtype())
    for (DType y : every_dtype()) {
      Tensor a = cast(Tensor::of<int>({0, 1, 5, 100}, {4}), x);
      a.origin = Origin::kTorch;
      Tensor b = cast(a, y);
      CHECK(b.dtype() == y);
      CHECK(b.origin == Origin::kTorch);
      bool flag = x == DType::kBool || y == DType::kBool;
      CHECK(same(cast(b, DType::kF64), {0, 1, flag ? 1. : 5, flag ? 1. : 100}));
    }
  Tensor f = Tensor::of<double>({-1.7, 300.9, 0.2}, {3});
  CHECK(same(cast(f, DType::kI32), {-1, 300, 0}));
  CHECK(same(cast(f, DType::kU8), {255, 44, 0}));
  CHECK(same(cast(f, DType::kBool), {1, 1, 1}));
  CHECK(same(cast(Tensor::scalar_of(std::complex<float>(2, 3)), DType::kF32),
             {2}));
}

TEST_CASE("elementwise results do not depend on the number of threads") {
  Tensor a = Random(1).normal({300, 1001});
  Tensor b = Random(2).normal({1001});
  int budget = thread_budget();
  set_thread_budget(1);
  Tensor one = exp(mul(a, b));
  set_thread_budget(4);
  Tensor four = exp(mul(a, b));
  set_thread_budget(budget);
  CHECK(one.identical(four));
}
