#include <algorithm>
#include <array>
#include <bit>

#include "ptutils/data/dataset.h"
#include "ptutils/data/detail/numbers.h"
#include "ptutils/data/sampler.h"

namespace ptutils::data {

std::int64_t Order::size() const {
  return indices_ ? indices_->numel() : size_;
}

void Order::fill(std::int64_t begin, std::span<std::int64_t> out) const {
  if (indices_)
    std::copy_n(indices_->data<std::int64_t>() + begin, out.size(),
                out.begin());
  else if (!out.empty())
    fill_(begin, out);
}

Tensor Order::tensor() const {
  if (indices_) return *indices_;
  Tensor out = Tensor::empty({size_}, DType::kI64);
  fill(0, {out.data<std::int64_t>(), static_cast<std::size_t>(size_)});
  return out;
}

namespace {

constexpr std::int64_t kListed = std::int64_t{1} << 20;  // 8 MiB

/// A permutation of [0, n) whose places are computed one by one: a Feistel
/// network over the next power of two, applied again until it is below n
/// (Black, Rogaway 2002, Ciphers with arbitrary finite domains).
class Permutation {
 public:
  Permutation(std::int64_t n, Random stream)
      : n_(static_cast<std::uint64_t>(n)),
        low_(std::bit_width(n_ - 1) / 2),
        high_(std::bit_width(n_ - 1) - low_) {
    for (std::uint64_t& key : keys_) key = stream.next_u64();
  }
  std::int64_t operator()(std::int64_t place) const {
    auto at = static_cast<std::uint64_t>(place);
    do at = round_trip(at);
    while (at >= n_);
    return static_cast<std::int64_t>(at);
  }

 private:
  /// Of an even number of rounds: the halves' sizes are as before.
  std::uint64_t round_trip(std::uint64_t x) const {
    std::uint64_t left = x >> low_;                  // high_ bits
    std::uint64_t right = x & ((1ULL << low_) - 1);  // low_ bits
    for (std::size_t i = 0; i < keys_.size(); i += 2) {
      left ^= mixed(right + keys_[i]) >> (64 - high_);
      right ^= mixed(left + keys_[i + 1]) >> (64 - low_);
    }
    return left << low_ | right;
  }
  /// David Stafford's mix 13, of SplitMix64.
  static std::uint64_t mixed(std::uint64_t x) {
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ x >> 27) * 0x94D049BB133111EBULL;
    return x ^ x >> 31;
  }
  std::uint64_t n_;
  int low_, high_;
  std::array<std::uint64_t, 6> keys_{};
};

}  // namespace

Order shuffled(std::int64_t n, Random stream) {
  if (n <= kListed) return stream.permutation(n);
  return {n, [at = Permutation(n, stream)](std::int64_t begin,
                                           std::span<std::int64_t> out) {
            for (std::int64_t& index : out) index = at(begin++);
          }};
}

std::string Sampler::extra_repr() { return detail::arguments_text(*this); }

Order Sampler::order_of(const Dataset& dataset, std::uint64_t seed,
                        std::int64_t epoch) {
  return order(dataset.size(), seed, epoch);
}

}  // namespace ptutils::data
