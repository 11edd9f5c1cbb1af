#include <algorithm>

#include "ptutils/data/dataset.h"
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

Order Sampler::order_of(const Dataset& dataset, std::uint64_t seed,
                        std::int64_t epoch) {
  return order(dataset.size(), seed, epoch);
}

}  // namespace ptutils::data
