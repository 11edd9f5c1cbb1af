#include <algorithm>

#include "ptutils/common/log.h"
#include "ptutils/common/names.h"
#include "ptutils/data/detail/loader_impl.h"

// A DataLoader's options, and what its samplers give, checked.

namespace ptutils::data {
namespace detail {

void check_position(std::int64_t epoch, std::int64_t batch) {
  if (epoch < 0 || batch < 0)
    fail(Kind::kValue, kLoader, "no position at epoch ", epoch, ", batch ",
         batch, "; both count from 0");
}

std::optional<Origin> origin_of(const std::string& output) {
  if (output.empty()) return {};
  if (output == "native") return Origin::kNative;
  if (output == "numpy") return Origin::kNumpy;
  if (output == "torch") return Origin::kTorch;
  fail(Kind::kValue, kLoader, "output='", output, "'",
       did_you_mean(output, {"native", "numpy", "torch"}));
}

namespace {

/// Whether one of the indices, of [0, n), is there twice.
bool repeats(std::span<const std::int64_t> indices, std::int64_t n) {
  if (static_cast<std::int64_t>(indices.size()) > n) return true;
  constexpr std::size_t kFew = 64;  // of n, that make a bit each a waste
  if (indices.size() < static_cast<std::size_t>(n) / kFew) {
    std::vector<std::int64_t> sorted(indices.begin(), indices.end());
    std::sort(sorted.begin(), sorted.end());
    return std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
  }
  std::vector<bool> seen(static_cast<std::size_t>(n));
  for (std::int64_t index : indices) {
    const auto at = static_cast<std::size_t>(index);
    if (seen[at]) return true;
    seen[at] = true;
  }
  return false;
}

Order checked(Order given, std::int64_t n, const std::string& where) {
  if (!given.indices()) return given;
  Tensor order = *given.indices();
  given = Order();
  if (order.dim() != 1 || order.dtype() != DType::kI64)
    fail(Kind::kType, where, "order() gave ", order.shape_str(), " ",
         name(order.dtype()), ", not a 1-d i64 tensor of indices");
  bool ours = order.origin == Origin::kNative && order.contiguous() &&
              order.aligned() && order.storage().use_count() == 1;
  if (!ours) order = order.clone();
  order.origin = Origin::kNative;
  const auto* at = order.data<std::int64_t>();
  for (std::int64_t i = 0; i < order.numel(); ++i)
    if (at[i] < 0 || at[i] >= n)
      fail(Kind::kIndex, where, "gives index ", at[i], " at place ", i,
           "; the data set has ", n, " samples");
  Order out = order;
  out.set_repeats(repeats({at, static_cast<std::size_t>(order.numel())}, n));
  return out;
}

}  // namespace

Batches checked_batches(BatchSampler& sampler, const Dataset& dataset,
                        std::uint64_t seed, std::int64_t epoch) {
  const std::int64_t n = size_of(dataset);
  const std::string where = sampler.class_name();
  Batches out = sampler.batches(n, seed, epoch);
  out.order = checked(std::move(out.order), n, where);
  std::int64_t before = 0;
  for (std::size_t i = 0; i < out.ends.size(); ++i) {
    if (out.ends[i] <= before || out.ends[i] > out.order.size())
      fail(Kind::kValue, where, "batch ", i, " is ",
           out.ends[i] == before ? "empty" : "beyond the order's end");
    before = out.ends[i];
  }
  return out;
}

Order checked_order(Sampler& sampler, const Dataset& dataset,
                    std::uint64_t seed, std::int64_t epoch) {
  const std::int64_t n = size_of(dataset);
  const std::string where = sampler.class_name();
  const std::int64_t said = sampler.count(n);
  Order out = checked(sampler.order_of(dataset, seed, epoch), n, where);
  if (out.size() != said)
    log::warning("[DataLoader] ", where, " gives ", out.size(),
                 " samples in epoch ", epoch, ", and its length says ", said,
                 ": so does the loader's");
  return out;
}

std::int64_t size_of(const Dataset& dataset) {
  std::int64_t n = dataset.size();
  if (n < 0) fail(Kind::kValue, dataset.class_name(), "its size is ", n);
  return n;
}

void check_options(const DataLoader::Options& o) {
  auto want = [](bool fine, auto... parts) {
    if (!fine) fail(Kind::kValue, kLoader, parts...);
  };
  want(o.batch_size >= 1, "batch_size=", o.batch_size, "; give 1 or more");
  want(!o.num_workers || (*o.num_workers >= 0 && *o.num_workers <= 1024),
       "num_workers=", o.num_workers.value_or(0),
       "; give 0 (the caller loads) to 1024, or None");
  const std::int64_t factor = o.prefetch_factor.value_or(1);
  want(factor >= 1 && factor <= 65536, "prefetch_factor=", factor,
       "; give 1 to 65536");
  want(o.timeout >= 0, "timeout=", o.timeout,
       "; give seconds, or 0 for no limit");
  want(o.timeout == 0 || o.num_workers.value_or(1) > 0, "timeout=", o.timeout,
       " with num_workers=0: nobody could interrupt the caller; give "
       "num_workers=1 or more");
  const bool shuffled = o.shuffle.value_or(false);
  want(!o.sampler || !shuffled,
       "both shuffle and a sampler were given; the sampler alone says the "
       "order");
  want(!o.batch_sampler || (o.batched && o.batch_size == 1 && !shuffled &&
                            !o.sampler && !o.drop_last),
       "a batch_sampler says what the batches are; give no batch_size, "
       "shuffle, sampler or drop_last beside it");
  want(o.batched || !o.drop_last,
       "drop_last with batch_size=None: there are no batches");
  want(o.workers == "thread" || o.workers == "process", "workers='", o.workers,
       "'", did_you_mean(o.workers, {"thread", "process"}));
  const std::vector<std::string> methods = {"fork", "forkserver", "spawn"};
  want(o.start_method.empty() || std::find(methods.begin(), methods.end(),
                                           o.start_method) != methods.end(),
       "multiprocessing_context='", o.start_method, "'",
       did_you_mean(o.start_method, methods));
  want(o.start_method.empty() || o.workers == "process",
       "multiprocessing_context='", o.start_method,
       "' says how processes are started: give workers='process', too (else "
       "workers are threads)");
  const std::int64_t depth =
      depth_of(o, std::max<std::int64_t>(o.num_workers.value_or(1), 1));
  want(!o.lag || (*o.lag >= 0 && *o.lag <= depth), "lag=", o.lag.value_or(0),
       "; give 0 to ", depth,
       ", the batches that are loaded ahead (more with a greater "
       "prefetch_factor)");
  want(o.on_error == "raise" || o.on_error == "skip", "on_error='", o.on_error,
       "'", did_you_mean(o.on_error, {"raise", "skip"}));
  want(!o.persistent_workers.value_or(false) || o.num_workers.value_or(1) > 0,
       "persistent_workers=True with num_workers=0: there are no threads");
}

std::int64_t depth_of(const DataLoader::Options& o, std::int64_t workers) {
  if (o.prefetch_factor) return workers * *o.prefetch_factor;
  // Batches of Python take now longer, now shorter: with two for each process
  // none waits for another's.
  if (o.workers == "process") return 2 * workers;
  return std::max<std::int64_t>(workers, 2);
}

void put_options(const DataLoader::Options& o, Dict& config) {
  const DataLoader::Options defaults;
  if (o.batch_sampler)
    config.set("batch_sampler", o.batch_sampler->to_config());
  else
    config.set("batch_size", o.batched ? Value(o.batch_size) : Value());
  if (o.shuffle) config.set("shuffle", *o.shuffle);
  if (o.sampler) config.set("sampler", o.sampler->to_config());
  if (o.num_workers) config.set("num_workers", *o.num_workers);
  if (o.drop_last) config.set("drop_last", true);
  if (o.prefetch_factor) config.set("prefetch_factor", *o.prefetch_factor);
  if (o.timeout != 0) config.set("timeout", o.timeout);
  if (!o.output.empty()) config.set("output", o.output);
  if (o.on_error != defaults.on_error) config.set("on_error", o.on_error);
  if (o.workers != defaults.workers) config.set("workers", o.workers);
  if (o.persistent_workers)
    config.set("persistent_workers", *o.persistent_workers);
  if (o.lag) config.set("lag", *o.lag);
  if (o.pin_memory) config.set("pin_memory", true);
  if (!o.device.empty()) config.set("device", o.device);
  if (o.worker_init)
    fail(Kind::kState, kLoader,
         "a worker_init_fn is code, which a configuration cannot hold; do "
         "without, or build the loader in code");
}

void check_iterable(const DataLoader::Options& o, bool sampled) {
  auto refuse = [](const char* what) {
    fail(Kind::kValue, kLoader, what,
         " with a data set whose samples come one after another, and have no "
         "index");
  };
  if (o.shuffle.value_or(false)) refuse("shuffle=True");
  if (sampled) refuse("a sampler");
  if (o.workers == "process")
    fail(Kind::kValue, kLoader,
         "workers='process' with a data set whose samples come one after "
         "another: one thread draws them; leave workers out, or give the "
         "samples an index (a Dataset), which several can share");
}

std::int64_t batches_of(std::int64_t samples, const DataLoader::Options& o) {
  return samples / o.batch_size +
         (!o.drop_last && samples % o.batch_size ? 1 : 0);
}

}  // namespace detail

}  // namespace ptutils::data
