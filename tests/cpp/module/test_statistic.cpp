#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "module/check.h"
#include "ptutils/module/statistic.h"

using namespace ptutils;

namespace {

const double kNaN = std::numeric_limits<double>::quiet_NaN();
const double kInf = std::numeric_limits<double>::infinity();

double number(int i) { return std::sin(i * 12.9898) * 100 + 1e6; }

void check_close(const Statistic& a, const Statistic& b) {
  CHECK(a.count() == b.count());
  CHECK(a.nan_count() == b.nan_count());
  CHECK(a.inf_count() == b.inf_count());
  CHECK(a.mean() == doctest::Approx(b.mean()).epsilon(1e-13));
  CHECK(a.variance() == doctest::Approx(b.variance()).epsilon(1e-9));
  CHECK(a.min() == b.min());
  CHECK(a.max() == b.max());
}

}  // namespace

TEST_CASE("mean, variance, smallest and largest of numbers") {
  Statistic s;
  for (double v : {2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0}) s.update(v);
  CHECK(s.count() == 8);
  CHECK(s.mean() == doctest::Approx(5));
  CHECK(s.variance() == doctest::Approx(32.0 / 7));
  CHECK(s.std() == doctest::Approx(std::sqrt(32.0 / 7)));
  CHECK(s.min() == 2);
  CHECK(s.max() == 9);
  CHECK(s.sum() == doctest::Approx(40));
}

TEST_CASE("a statistic of nothing is NaN, of one number has no variance") {
  Statistic s;
  CHECK(std::isnan(s.mean()));
  CHECK(std::isnan(s.min()));
  CHECK(std::isnan(s.sum()));
  s.update(3.0);
  CHECK(s.mean() == 3);
  CHECK(s.min() == 3);
  CHECK(s.max() == 3);
  CHECK(std::isnan(s.variance()));
}

TEST_CASE("NaN and Inf are counted and enter nothing else") {
  Statistic s;
  for (double v : {1.0, kNaN, 3.0, kInf, -kInf}) s.update(v);
  CHECK(s.count() == 2);
  CHECK(s.nan_count() == 1);
  CHECK(s.inf_count() == 2);
  CHECK(s.mean() == 2);
  CHECK(s.max() == 3);
  Statistic t;
  t.update(Tensor::of<double>({1.0, kNaN, 3.0, kInf, -kInf}, {5}));
  check_close(t, s);
}

TEST_CASE("merged parts are the statistic of the whole") {
  Statistic whole, left, right, none;
  for (int i = 0; i < 1000; ++i) {
    whole.update(number(i));
    (i < 300 ? left : right).update(number(i));
  }
  left.merge(right);
  check_close(left, whole);
  left.merge(none);
  check_close(left, whole);
  none.merge(whole);
  check_close(none, whole);
}

TEST_CASE("a tensor gives what its elements give") {
  Tensor t = Tensor::empty({50, 100}, DType::kF64);
  Statistic one_by_one;
  for (int i = 0; i < 5000; ++i) {
    t.data<double>()[i] = number(i);
    one_by_one.update(number(i));
  }
  Statistic at_once;
  at_once.update(t);
  check_close(at_once, one_by_one);
  Statistic strided;
  strided.update(t.transpose(0, 1));
  check_close(strided, one_by_one);
  Statistic half;
  half.update(Tensor::of<f16>({f16(1.f), f16(2.f)}, {2}));
  half.update(Tensor::of<std::uint8_t>({3, 4}, {2}));
  half.update(Tensor::of<bool>({true, false}, {2}));
  CHECK(half.count() == 6);
  CHECK(half.sum() == doctest::Approx(11));
  half.update(Tensor::empty({0}));
  CHECK(half.count() == 6);
}

TEST_CASE("numbers near the largest double do not overflow the mean") {
  Statistic s;
  s.update(Tensor::full({4}, 1.5e308, DType::kF64));
  CHECK(s.mean() == doctest::Approx(1.5e308));
  CHECK(s.variance() == 0);
}

TEST_CASE("complex numbers are refused, with a way out") {
  Statistic s;
  CHECK_ERROR(s.update(Tensor::zeros({1}, DType::kC64)), Kind::kType,
              "real numbers, not c64; take abs()");
}

TEST_CASE("a statistic comes back from its value") {
  Statistic s;
  for (double v : {1.25, 3.5, kNaN}) s.update(v);
  Statistic t = Statistic::from_value(s.to_value());
  CHECK(t.to_value().identical(s.to_value()));
  CHECK_ERROR(Statistic::from_value(3), Kind::kType, "a dict, not 3");
  CHECK_ERROR(Statistic::from_value(Dict{{"count", 1}}), Kind::kKey, "'nan'");
  Value bad = s.to_value();
  bad.set_path("count", -1);
  CHECK_ERROR(Statistic::from_value(bad), Kind::kFormat, "negative");
}
