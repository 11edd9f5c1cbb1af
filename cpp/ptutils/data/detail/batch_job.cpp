#include "ptutils/data/detail/batch_job.h"

#include <algorithm>

#include "ptutils/data/detail/buffers.h"
#include "ptutils/data/detail/sample_error.h"

namespace ptutils::data::detail {

std::vector<std::int64_t> Plan::indices(std::int64_t batch) const {
  const std::int64_t begin = first + batch * batch_size;
  const std::int64_t end = std::min(begin + batch_size, order.size());
  std::vector<std::int64_t> out(static_cast<std::size_t>(end - begin));
  order.fill(begin, out);
  return out;
}

Loaded BatchJob::load(const Plan& plan, std::int64_t batch,
                      const Value& reuse) const {
  BufferLog log;
  Loaded out;
  out.batch = make(plan, batch, reuse);
  out.recyclable = log.covers(out.batch);
  return out;
}

Value BatchJob::make(const Plan& plan, std::int64_t batch,
                     const Value& reuse) const {
  const std::vector<std::int64_t> indices = plan.indices(batch);
  std::vector<Random> random;
  if (draws_random) {
    random.reserve(indices.size());
    for (std::int64_t index : indices)
      random.push_back(plan.stream.at(static_cast<std::uint64_t>(plan.epoch),
                                      static_cast<std::uint64_t>(index)));
  }
  if (!collate) return dataset->get_batch(indices, random, reuse);
  std::vector<Value> samples;
  samples.reserve(indices.size());
  for (std::size_t i = 0; i < indices.size(); ++i) {
    try {
      samples.push_back(
          dataset->get(indices[i], draws_random ? random[i] : Random()));
    } catch (...) {
      rethrow_in_sample(indices[i]);
    }
  }
  return (*collate)(std::move(samples));
}

Value RecycleBin::take() {
  for (auto it = batches_.begin(); it != batches_.end(); ++it)
    if (reusable(*it)) {
      Value found = std::move(*it);
      batches_.erase(it);
      return found;
    }
  return {};
}

Value RecycleBin::put(Value batch) {
  Value oldest;
  if (batches_.size() == limit_) {
    oldest = std::move(batches_.front());
    batches_.erase(batches_.begin());
  }
  batches_.push_back(std::move(batch));
  return oldest;
}

void RecycleBin::clear(std::vector<Value>& out) {
  for (Value& batch : batches_) out.push_back(std::move(batch));
  batches_.clear();
}

}  // namespace ptutils::data::detail
