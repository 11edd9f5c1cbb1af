#include <algorithm>
#include <cmath>
#include <numeric>

#include "ptutils/data/detail/numbers.h"
#include "ptutils/data/detail/shuffle.h"
#include "ptutils/data/sampler.h"

namespace ptutils::data {
namespace {

constexpr char kBuckets[] = "BucketBatchSampler";

}  // namespace

BucketBatchSampler::BucketBatchSampler(Options options)
    : options_(std::move(options)) {
  const Tensor& lengths = options_.lengths;
  detail::check_numbers(lengths, DType::kF64, kBuckets, "lengths");
  for (std::int64_t i = 0; i < lengths.numel(); ++i)
    if (std::isnan(lengths.data<double>()[i]))
      fail(Kind::kValue, kBuckets, "lengths[", i, "] is not a number");
  if (options_.batch_size < 1)
    fail(Kind::kValue, kBuckets, "batch_size=", options_.batch_size,
         "; give 1 or more");
  if (options_.window < 1)
    fail(Kind::kValue, kBuckets, "window=", options_.window,
         "; give 1 or more batches");
}

std::int64_t BucketBatchSampler::count(std::int64_t n) const {
  const bool more = n % options_.batch_size != 0 && !options_.drop_last;
  return n / options_.batch_size + (more ? 1 : 0);
}

Batches BucketBatchSampler::batches(std::int64_t n, std::uint64_t seed,
                                    std::int64_t epoch) {
  detail::check_count(options_.lengths, n, kBuckets, "lengths");
  const Random named = Random::named(seed, "sampler");
  const auto at = static_cast<std::uint64_t>(epoch);
  std::vector<std::int64_t> samples(static_cast<std::size_t>(n));
  std::iota(samples.begin(), samples.end(), 0);
  Random stream = named.at(at);
  if (options_.shuffle) detail::shuffle(samples, stream);
  const auto size = static_cast<std::size_t>(options_.batch_size);
  const std::size_t pool =
      options_.window < n / options_.batch_size + 1
          ? size * static_cast<std::size_t>(options_.window)
          : samples.size();
  const auto* length = options_.lengths.data<double>();
  for (std::size_t i = 0; i < samples.size(); i += pool)
    std::stable_sort(
        samples.begin() + static_cast<std::ptrdiff_t>(i),
        samples.begin() +
            static_cast<std::ptrdiff_t>(std::min(i + pool, samples.size())),
        [&](std::int64_t a, std::int64_t b) { return length[a] < length[b]; });
  std::vector<std::size_t> places(static_cast<std::size_t>(count(n)));
  std::iota(places.begin(), places.end(), 0);
  if (options_.shuffle) detail::shuffle(places, stream);
  Batches out;
  std::vector<std::int64_t> order;
  for (std::size_t place : places) {
    const auto begin =
        samples.begin() + static_cast<std::ptrdiff_t>(place * size);
    const auto end =
        samples.begin() + static_cast<std::ptrdiff_t>(
                              std::min(place * size + size, samples.size()));
    order.insert(order.end(), begin, end);
    out.ends.push_back(static_cast<std::int64_t>(order.size()));
  }
  out.order = Tensor::from(std::span<const std::int64_t>(order),
                           {static_cast<std::int64_t>(order.size())});
  return out;
}

Value BucketBatchSampler::to_config() {
  return Dict{{"func", class_name()},
              {"lengths", detail::list_of(options_.lengths)},
              {"batch_size", options_.batch_size},
              {"shuffle", options_.shuffle},
              {"drop_last", options_.drop_last},
              {"window", options_.window}};
}

}  // namespace ptutils::data
