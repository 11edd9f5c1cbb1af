#include <algorithm>
#include <numeric>

#include "ptutils/data/detail/numbers.h"
#include "ptutils/data/sampler.h"

namespace ptutils::data {

Order SequentialSampler::order(std::int64_t n, std::uint64_t, std::int64_t) {
  return {n, [](std::int64_t begin, std::span<std::int64_t> out) {
            std::iota(out.begin(), out.end(), begin);
          }};
}

Value SequentialSampler::to_config() { return Dict{{"func", class_name()}}; }

RandomSampler::RandomSampler(bool replacement,
                             std::optional<std::int64_t> num_samples)
    : replacement_(replacement), num_samples_(num_samples) {
  if (num_samples && *num_samples < 1)
    fail(Kind::kValue, "RandomSampler", "num_samples=", *num_samples,
         "; give 1 or more, or None for as many as there are");
}

std::int64_t RandomSampler::count(std::int64_t n) const {
  return num_samples_.value_or(n);
}

Order RandomSampler::order(std::int64_t n, std::uint64_t seed,
                           std::int64_t epoch) {
  std::int64_t wanted = count(n);
  if (n == 0 && wanted > 0)
    fail(Kind::kValue, "RandomSampler", "num_samples=", wanted,
         " of a data set without samples");
  Random stream = Random::named(seed, "sampler");
  auto at = static_cast<std::uint64_t>(epoch);
  if (replacement_ && n > 0) return stream.at(at).randint(0, n, {wanted});
  if (wanted == n) return shuffled(n, stream.at(at));
  // More than there are: one permutation after another.
  Tensor out = Tensor::empty({wanted}, DType::kI64);
  for (std::int64_t done = 0, round = 0; done < wanted; done += n, ++round)
    shuffled(n, stream.at(at, static_cast<std::uint64_t>(round)))
        .fill(0, {out.data<std::int64_t>() + done,
                  static_cast<std::size_t>(std::min(n, wanted - done))});
  return out;
}

Value RandomSampler::to_config() {
  return Dict{{"func", class_name()},
              {"replacement", replacement_},
              {"num_samples", num_samples_ ? Value(*num_samples_) : Value()}};
}

SubsetRandomSampler::SubsetRandomSampler(Tensor indices)
    : indices_(std::move(indices)) {
  detail::check_numbers(indices_, DType::kI64, "SubsetRandomSampler",
                        "indices");
}

std::int64_t SubsetRandomSampler::count(std::int64_t) const {
  return indices_.numel();
}

Order SubsetRandomSampler::order(std::int64_t, std::uint64_t seed,
                                 std::int64_t epoch) {
  Tensor out = Random::named(seed, "sampler")
                   .at(static_cast<std::uint64_t>(epoch))
                   .permutation(indices_.numel());
  auto* at = out.data<std::int64_t>();
  for (std::int64_t i = 0; i < out.numel(); ++i)
    at[i] = indices_.data<std::int64_t>()[at[i]];
  return out;
}

Value SubsetRandomSampler::to_config() {
  return Dict{{"func", class_name()}, {"indices", detail::list_of(indices_)}};
}

}  // namespace ptutils::data
