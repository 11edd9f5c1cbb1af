#include "ptutils/module/statistic.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ptutils {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kBlock = 1024;

template <class T>
double as_double(T value) {
  if constexpr (std::is_same_v<T, f16> || std::is_same_v<T, bf16>)
    return static_cast<double>(static_cast<float>(value));
  else
    return static_cast<double>(value);
}

}  // namespace

void Statistic::update(double value) {
  if (std::isnan(value)) {
    ++nan_;
    return;
  }
  if (std::isinf(value)) {
    ++inf_;
    return;
  }
  ++count_;
  double delta = value - mean_;
  mean_ += delta / static_cast<double>(count_);
  m2_ += delta * (value - mean_);
  min_ = count_ == 1 ? value : std::min(min_, value);
  max_ = count_ == 1 ? value : std::max(max_, value);
}

void Statistic::update(const Tensor& values) {
  if (is_complex(values.dtype()))
    fail(Kind::kType, "Statistic", "real numbers, not ", name(values.dtype()),
         "; take abs() of it first");
  Tensor flat = values.to_contiguous();
  auto block = [this](const auto* data, std::int64_t n) {
    // Two passes over a block that is in the cache, then one merge: faster and
    // closer than an update a number.
    Statistic part;
    double numbers[kBlock], sum = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      double v = as_double(data[i]);
      if (!std::isfinite(v)) {
        part.update(v);
        continue;
      }
      numbers[part.count_++] = v;
      sum += v;
    }
    if (!std::isfinite(sum)) {  // near the largest double: one by one
      for (std::int64_t i = 0; i < n; ++i) update(as_double(data[i]));
      return;
    }
    if (part.count_ > 0) {
      part.mean_ = sum / static_cast<double>(part.count_);
      auto [low, high] = std::minmax_element(numbers, numbers + part.count_);
      part.min_ = *low;
      part.max_ = *high;
      for (std::int64_t i = 0; i < part.count_; ++i) {
        double delta = numbers[i] - part.mean_;
        part.m2_ += delta * delta;
      }
    }
    merge(part);
  };
  dispatch(flat.dtype(), [&]<class T>() {
    if constexpr (!std::is_same_v<T, std::complex<float>> &&
                  !std::is_same_v<T, std::complex<double>>) {
      const T* data = flat.data<T>();
      for (std::int64_t at = 0; at < flat.numel(); at += kBlock)
        block(data + at, std::min(kBlock, flat.numel() - at));
    }
  });
}

void Statistic::merge(const Statistic& other) {
  nan_ += other.nan_;
  inf_ += other.inf_;
  if (other.count_ == 0) return;
  if (count_ == 0) {
    min_ = other.min_;
    max_ = other.max_;
  }
  auto n = static_cast<double>(count_), m = static_cast<double>(other.count_);
  double delta = other.mean_ - mean_;
  mean_ += delta * (m / (n + m));
  m2_ += other.m2_ + delta * delta * (n * m / (n + m));
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  count_ += other.count_;
}

double Statistic::mean() const { return count_ ? mean_ : kNaN; }
double Statistic::variance() const {
  return count_ > 1 ? m2_ / static_cast<double>(count_ - 1) : kNaN;
}
double Statistic::std() const { return std::sqrt(variance()); }
double Statistic::min() const { return count_ ? min_ : kNaN; }
double Statistic::max() const { return count_ ? max_ : kNaN; }
double Statistic::sum() const {
  return count_ ? mean_ * static_cast<double>(count_) : kNaN;
}

Value Statistic::to_value() const {
  return Dict{{"count", count_}, {"nan", nan_}, {"inf", inf_}, {"mean", mean_},
              {"m2", m2_},       {"min", min_}, {"max", max_}};
}

Statistic Statistic::from_value(const Value& value) {
  const Dict& dict = value.as_dict("Statistic");
  Statistic out;
  out.count_ = dict.at("count").as_int("Statistic.count");
  out.nan_ = dict.at("nan").as_int("Statistic.nan");
  out.inf_ = dict.at("inf").as_int("Statistic.inf");
  out.mean_ = dict.at("mean").as_double("Statistic.mean");
  out.m2_ = dict.at("m2").as_double("Statistic.m2");
  out.min_ = dict.at("min").as_double("Statistic.min");
  out.max_ = dict.at("max").as_double("Statistic.max");
  if (out.count_ < 0 || out.nan_ < 0 || out.inf_ < 0)
    fail(Kind::kFormat, "Statistic", "a negative count in ", value.repr());
  return out;
}

}  // namespace ptutils
