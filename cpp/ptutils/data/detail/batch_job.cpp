#include "ptutils/data/detail/batch_job.h"

#include <algorithm>
#include <new>

#include "ptutils/data/detail/batch_builder.h"
#include "ptutils/data/detail/batch_scope.h"
#include "ptutils/data/detail/buffers.h"
#include "ptutils/data/detail/sample_error.h"
#include "ptutils/data/loader.h"

namespace ptutils::data {
namespace detail {

std::pair<std::int64_t, std::int64_t> Plan::places(std::int64_t batch) const {
  if (!ends.empty()) {
    const auto at = static_cast<std::size_t>(batch);
    return {at == 0 ? 0 : ends[at - 1], ends[at]};
  }
  const std::int64_t begin = first + batch * batch_size;
  return {begin, std::min(begin + batch_size, order.size())};
}

std::vector<std::int64_t> Plan::indices(std::int64_t batch) const {
  const auto [begin, end] = places(batch);
  std::vector<std::int64_t> out(static_cast<std::size_t>(end - begin));
  order.fill(begin, out);
  return out;
}

namespace {

ErrorText& other_error_text() {
  static auto* text = new ErrorText;  // set once, before any loader
  return *text;
}

/// Of the exception being handled, which is rethrown where no sample may be
/// left out for it.
std::string text_of_error() {
  try {
    throw;
  } catch (const Error& e) {
    if (e.kind() == Kind::kInterrupted || e.kind() == Kind::kMemory) throw;
    return e.what();
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    if (!other_error_text()) return e.what();
    std::optional<std::string> text = other_error_text()(e);
    if (!text) throw;
    return *text;
  }
}

}  // namespace

BatchJob::Draw BatchJob::drawn(const Plan& plan, std::int64_t batch) const {
  Draw out{plan.indices(batch), {}};
  if (!draws_random) return out;
  out.random.reserve(out.indices.size());
  auto place = static_cast<std::uint64_t>(plan.places(batch).first);
  for (std::int64_t index : out.indices) {
    Random mine = plan.stream.at(static_cast<std::uint64_t>(plan.epoch),
                                 static_cast<std::uint64_t>(index));
    // Drawn twice, it is to be two: with draws of its place, too.
    if (plan.order.repeats()) mine = mine.at(place++);
    out.random.push_back(mine);
  }
  return out;
}

bool BatchJob::shares() const {
  return batched && !collate && dataset->shares_batches();
}

Loaded BatchJob::load(const Plan& plan, std::int64_t batch, const Value& reuse,
                      bool awaited, const std::atomic<bool>* over) const {
  const Stopwatch watch;
  BufferLog log;
  Loaded out;
  const BatchInfo info{plan.seed, plan.epoch, batch, plan.requests.of(batch)};
  const BatchScope scope(info, awaited && shares(), over);
  if (plan.feed)
    make_next(plan, reuse, out);
  else
    make_chosen(drawn(plan, batch), reuse, out);
  out.recyclable = log.covers(out.batch);
  out.bytes = log.bytes();
  out.spent = watch.spent();
  return out;
}

/// The samples of a batch by their indices.
void BatchJob::make_chosen(Draw draw, const Value& reuse, Loaded& out) const {
  while (!draw.indices.empty()) {
    try {
      out.batch = make(draw, reuse);
      break;
    } catch (const NoWorker& e) {
      dynamic_cast<const std::nested_exception&>(e).rethrow_nested();
    } catch (...) {
      if (!skips_errors || !leave_out(draw, out.left_out)) throw;
    }
  }
  out.samples = static_cast<std::int64_t>(draw.indices.size());
}

/// The next batch of the plan's feed.
void BatchJob::make_next(const Plan& plan, const Value& reuse,
                         Loaded& out) const {
  const std::int64_t first = plan.feed->drawn();
  std::vector<Value> samples = plan.feed->take(plan.batch_size);
  out.stream = plan.feed->state();
  if (static_cast<std::int64_t>(samples.size()) < smallest) {
    out.ended = true;
    return;
  }
  out.batch = make_of(std::move(samples), plan, first, reuse, out);
}

Value BatchJob::make_of(std::vector<Value>&& samples, const Plan& plan,
                        std::int64_t first, const Value& reuse,
                        Loaded& out) const {
  const FieldChains& chains = dataset->chains();
  std::vector<Value> made;
  std::vector<Random> random;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const std::int64_t number = first + static_cast<std::int64_t>(i);
    const Random mine = plan.stream.at(static_cast<std::uint64_t>(plan.epoch),
                                       static_cast<std::uint64_t>(number));
    try {
      // Those that may be left out are tried by themselves.
      if (skips_errors || collate || !batched)
        samples[i] = chains.apply(std::move(samples[i]), mine);
    } catch (...) {
      if (!skips_errors) rethrow_in_sample(number);
      out.left_out.push_back({number, text_of_error()});
      continue;
    }
    made.push_back(std::move(samples[i]));
    random.push_back(mine);
  }
  out.samples = static_cast<std::int64_t>(made.size());
  if (made.empty()) return {};
  if (collate) return (*collate)(std::move(made));
  if (!batched) return std::move(made[0]);
  static const FieldChains kNone;
  BatchBuilder batch(made.size(), skips_errors ? kNone : chains,
                     dataset->origin(), reuse);
  for (std::size_t i = 0; i < made.size(); ++i) {
    try {
      batch.add(i, std::move(made[i]), random[i]);
    } catch (...) {
      rethrow_in_sample(first + static_cast<std::int64_t>(i));
    }
  }
  return batch.finish();
}

Value BatchJob::sample(const Draw& draw, std::size_t i) const {
  try {
    return dataset->get(draw.indices[i],
                        draws_random ? draw.random[i] : Random());
  } catch (...) {
    rethrow_in_sample(draw.indices[i]);
  }
}

Value BatchJob::make(const Draw& draw, const Value& reuse) const {
  if (batched && !collate)
    return dataset->get_batch(draw.indices, draw.random, reuse);
  std::vector<Value> samples;
  samples.reserve(draw.indices.size());
  for (std::size_t i = 0; i < draw.indices.size(); ++i) {
    check_wanted();
    samples.push_back(sample(draw, i));
  }
  if (collate) return (*collate)(std::move(samples));
  return std::move(samples[0]);
}

/// After a batch failed: loads its samples one by one, and takes out those that
/// fail. False where none does: the fault is another.
bool BatchJob::leave_out(Draw& draw, std::vector<LeftOut>& out) const {
  Draw good;
  for (std::size_t i = 0; i < draw.indices.size(); ++i) {
    Draw one{{draw.indices[i]}, {}};
    if (draws_random) one.random.push_back(draw.random[i]);
    try {
      if (batched && !collate)
        dataset->get_batch(one.indices, one.random, {});
      else
        sample(one, 0);
    } catch (const NoWorker& e) {
      dynamic_cast<const std::nested_exception&>(e).rethrow_nested();
    } catch (...) {
      out.push_back({draw.indices[i], text_of_error()});
      continue;
    }
    good.indices.push_back(draw.indices[i]);
    if (draws_random) good.random.push_back(draw.random[i]);
  }
  const bool found = good.indices.size() < draw.indices.size();
  draw = std::move(good);
  return found;
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

}  // namespace detail

void set_error_text(ErrorText text) {
  detail::other_error_text() = std::move(text);
}

}  // namespace ptutils::data
