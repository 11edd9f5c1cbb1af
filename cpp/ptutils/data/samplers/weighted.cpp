#include <algorithm>
#include <cmath>
#include <numeric>

#include "ptutils/data/detail/numbers.h"
#include "ptutils/data/sampler.h"

namespace ptutils::data {
namespace {

constexpr char kWeighted[] = "WeightedRandomSampler";

/// By a power of two, which changes no digit: the largest becomes one in
/// [0.5, 1), so that sums and quotients stay finite.
Tensor scaled(const Tensor& weights) {
  const std::span given(weights.data<double>(),
                        static_cast<std::size_t>(weights.numel()));
  int exponent = 0;
  std::frexp(*std::max_element(given.begin(), given.end()), &exponent);
  Tensor out = Tensor::empty(weights.shape(), DType::kF64);
  std::transform(given.begin(), given.end(), out.data<double>(),
                 [&](double w) { return std::ldexp(w, -exponent); });
  return out;
}

/// Each place: where a uniform number falls among the sums of the weights.
Tensor draw_with_replacement(const Tensor& weights, std::int64_t wanted,
                             Random stream) {
  const auto* w = weights.data<double>();
  std::vector<double> sums(static_cast<std::size_t>(weights.numel()));
  std::partial_sum(w, w + weights.numel(), sums.begin());
  std::int64_t last = weights.numel() - 1;
  while (w[last] == 0) --last;
  const Tensor uniform = stream.uniform({wanted}, 0, 1, DType::kF64);
  Tensor out = Tensor::empty({wanted}, DType::kI64);
  for (std::int64_t i = 0; i < wanted; ++i) {
    const auto found = std::upper_bound(
        sums.begin(), sums.end(), uniform.data<double>()[i] * sums.back());
    // A product that was rounded up to the sum is the last one's.
    out.data<std::int64_t>()[i] =
        std::min<std::int64_t>(found - sums.begin(), last);
  }
  return out;
}

Tensor draw_without_replacement(const Tensor& weights, std::int64_t wanted,
                                Random stream) {
  const Tensor uniform = stream.uniform({weights.numel()}, 0, 1, DType::kF64);
  std::vector<std::pair<double, std::int64_t>> keys;
  for (std::int64_t i = 0; i < weights.numel(); ++i) {
    const double weight = weights.data<double>()[i];
    // log(u) / w sorts as u^(1 / w), and does not vanish; smallest first here.
    if (weight > 0)
      keys.emplace_back(-std::log1p(-uniform.data<double>()[i]) / weight, i);
  }
  std::partial_sort(keys.begin(), keys.begin() + wanted, keys.end());
  Tensor out = Tensor::empty({wanted}, DType::kI64);
  for (std::int64_t i = 0; i < wanted; ++i)
    out.data<std::int64_t>()[i] = keys[static_cast<std::size_t>(i)].second;
  return out;
}

}  // namespace

WeightedRandomSampler::WeightedRandomSampler(Tensor weights,
                                             std::int64_t num_samples,
                                             bool replacement)
    : weights_(std::move(weights)),
      num_samples_(num_samples),
      replacement_(replacement) {
  detail::check_numbers(weights_, DType::kF64, kWeighted, "weights");
  if (num_samples < 1)
    fail(Kind::kValue, kWeighted, "num_samples=", num_samples,
         "; give 1 or more");
  std::int64_t possible = 0;
  for (std::int64_t i = 0; i < weights_.numel(); ++i) {
    const double weight = weights_.data<double>()[i];
    if (!(weight >= 0) || !std::isfinite(weight))
      fail(Kind::kValue, kWeighted, "weights[", i, "] is ", weight,
           "; give numbers from 0 on");
    possible += weight > 0 ? 1 : 0;
  }
  if (possible == 0 || (!replacement && num_samples > possible))
    fail(Kind::kValue, kWeighted, "num_samples=", num_samples, " of ", possible,
         " samples with a weight above 0",
         replacement || possible == 0 ? "" : "; give replacement=True");
}

std::int64_t WeightedRandomSampler::count(std::int64_t) const {
  return num_samples_;
}

Order WeightedRandomSampler::order(std::int64_t n, std::uint64_t seed,
                                   std::int64_t epoch) {
  detail::check_count(weights_, n, kWeighted, "weights");
  const Random stream =
      Random::named(seed, "sampler").at(static_cast<std::uint64_t>(epoch));
  const Tensor weights = scaled(weights_);
  return replacement_ ? draw_with_replacement(weights, num_samples_, stream)
                      : draw_without_replacement(weights, num_samples_, stream);
}

Value WeightedRandomSampler::to_config() {
  return Dict{{"func", class_name()},
              {"weights", detail::list_of(weights_)},
              {"num_samples", num_samples_},
              {"replacement", replacement_}};
}

}  // namespace ptutils::data
