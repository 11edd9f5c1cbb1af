#include <algorithm>
#include <map>
#include <numeric>

#include "ptutils/data/detail/numbers.h"
#include "ptutils/data/detail/shuffle.h"
#include "ptutils/data/sampler.h"

namespace ptutils::data {
namespace {

constexpr char kStratified[] = "StratifiedSampler";
using Counts = std::vector<std::int64_t>;

/// How many samples of each class the last, shorter batch of `size` has: the
/// quotas, rounded so that they sum up (those with the largest remainder up).
Counts last_batch(const Counts& sizes, std::int64_t n, std::int64_t size,
                  const Counts& ties) {
  Counts out(sizes.size());
  std::vector<std::pair<std::int64_t, std::size_t>> remainders;
  std::int64_t missing = size;
  for (std::int64_t tie : ties) {
    const auto c = static_cast<std::size_t>(tie);
    out[c] = sizes[c] * size / n;
    missing -= out[c];
    remainders.emplace_back(-(sizes[c] * size % n), c);
  }
  std::stable_sort(
      remainders.begin(), remainders.end(),
      [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::int64_t i = 0; i < missing; ++i)
    ++out[remainders[static_cast<std::size_t>(i)].second];
  return out;
}

/// For each whole batch the classes whose quota it rounds up. Each batch takes
/// the classes of which the most ups are left: none can then be left over,
/// since no class ever has more than there are batches to come.
std::vector<Counts> rounded_up(Counts left, std::int64_t batches,
                               const Counts& ties) {
  const std::int64_t total =
      std::accumulate(left.begin(), left.end(), std::int64_t{0});
  const auto each =
      static_cast<std::size_t>(batches == 0 ? 0 : total / batches);
  std::vector<Counts> out(static_cast<std::size_t>(batches));
  Counts classes = ties;
  for (Counts& ups : out) {
    std::nth_element(classes.begin(),
                     classes.begin() + static_cast<std::ptrdiff_t>(each),
                     classes.end(), [&](std::int64_t a, std::int64_t b) {
                       return left[static_cast<std::size_t>(a)] >
                              left[static_cast<std::size_t>(b)];
                     });
    ups.assign(classes.begin(),
               classes.begin() + static_cast<std::ptrdiff_t>(each));
    for (std::int64_t c : ups) --left[static_cast<std::size_t>(c)];
  }
  return out;
}

}  // namespace

StratifiedSampler::StratifiedSampler(const Tensor& labels,
                                     std::int64_t batch_size)
    : labels_(labels), batch_size_(batch_size) {
  detail::check_numbers(labels_, DType::kI64, kStratified, "labels");
  if (batch_size < 1)
    fail(Kind::kValue, kStratified, "batch_size=", batch_size,
         "; give 1 or more");
  std::map<std::int64_t, std::int64_t> classes;
  for (std::int64_t i = 0; i < labels_.numel(); ++i) {
    const auto [found, added] =
        classes.emplace(labels_.data<std::int64_t>()[i], classes.size());
    if (added) sizes_.push_back(0);
    class_of_.push_back(found->second);
    ++sizes_[static_cast<std::size_t>(found->second)];
  }
}

Order StratifiedSampler::order(std::int64_t n, std::uint64_t seed,
                               std::int64_t epoch) {
  detail::check_count(labels_, n, kStratified, "labels");
  const Random named = Random::named(seed, "sampler");
  const auto at = static_cast<std::uint64_t>(epoch);
  Random stream = named.at(at, 1);
  Counts ties(sizes_.size());
  std::iota(ties.begin(), ties.end(), 0);
  detail::shuffle(ties, stream);
  const std::int64_t whole = n / batch_size_, rest = n % batch_size_;
  Counts last(sizes_.size()), ups(sizes_.size()), quota(sizes_.size());
  if (rest > 0) last = last_batch(sizes_, n, rest, ties);
  for (std::size_t c = 0; c < sizes_.size(); ++c) {
    quota[c] = n == 0 ? 0 : sizes_[c] * batch_size_ / n;
    ups[c] = sizes_[c] - quota[c] * whole - last[c];
  }
  std::vector<Counts> extra = rounded_up(ups, whole, ties);
  detail::shuffle(extra, stream);

  // Each class's samples in a random order, taken one after another.
  std::vector<Counts> members(sizes_.size());
  const Tensor mixed = named.at(at).permutation(n);
  for (std::int64_t i = n - 1; i >= 0; --i) {
    const std::int64_t sample = mixed.data<std::int64_t>()[i];
    members[static_cast<std::size_t>(
                class_of_[static_cast<std::size_t>(sample)])]
        .push_back(sample);
  }
  Tensor out = Tensor::empty({n}, DType::kI64);
  std::int64_t* place = out.data<std::int64_t>();
  auto take = [&](std::size_t c, std::int64_t count) {
    for (; count > 0; --count) {
      *place++ = members[c].back();
      members[c].pop_back();
    }
  };
  for (std::int64_t b = 0; b < whole + (rest > 0 ? 1 : 0); ++b) {
    std::int64_t* begin = place;
    for (std::size_t c = 0; c < sizes_.size(); ++c)
      take(c, b < whole ? quota[c] : last[c]);
    if (b < whole)
      for (std::int64_t c : extra[static_cast<std::size_t>(b)])
        take(static_cast<std::size_t>(c), 1);
    detail::shuffle(std::span(begin, place), stream);
  }
  return out;
}

Value StratifiedSampler::to_config() {
  return Dict{{"func", class_name()},
              {"labels", detail::list_of(labels_)},
              {"batch_size", batch_size_}};
}

}  // namespace ptutils::data
