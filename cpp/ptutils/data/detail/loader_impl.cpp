#include "ptutils/data/detail/loader_impl.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "ptutils/common/log.h"
#include "ptutils/common/names.h"
#include "ptutils/common/thread_pool.h"

// How a DataLoader draws: one thread at a time has the turn.

namespace ptutils::data {
namespace {

using Clock = std::chrono::steady_clock;
constexpr char kWhere[] = "DataLoader";

// A batch's way through a thread costs some 10 us, and its data are then in
// another core's cache: what loads in less stays with the caller.
constexpr std::chrono::microseconds kWorthAThread{200};
constexpr std::chrono::milliseconds kSurelyWorthIt{2};

/// What loading has cost this thread: its processor time, and the time it slept
/// (a disk, a user's wait). Time that other threads took from it is neither, or
/// one busy moment of the machine would turn threads on for good.
class Effort {
 public:
  Effort() : clock_(Clock::now()) { getrusage(RUSAGE_THREAD, &usage_); }
  Clock::duration so_far() const {
    auto wall = Clock::now() - clock_;
    rusage now{};
    getrusage(RUSAGE_THREAD, &now);
    bool slept = now.ru_nvcsw != usage_.ru_nvcsw;
    return slept ? wall
                 : std::min<Clock::duration>(wall, busy(now) - busy(usage_));
  }

 private:
  static std::chrono::microseconds busy(const rusage& u) {
    return std::chrono::seconds(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           std::chrono::microseconds(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
  }
  Clock::time_point clock_;
  rusage usage_{};
};

void check(const DataLoader::Options& o) {
  auto want = [](bool fine, auto... parts) {
    if (!fine) fail(Kind::kValue, kWhere, parts...);
  };
  want(o.batch_size >= 1, "batch_size=", o.batch_size, "; give 1 or more");
  want(!o.num_workers || (*o.num_workers >= 0 && *o.num_workers <= 1024),
       "num_workers=", o.num_workers.value_or(0),
       "; give 0 (the caller loads) to 1024, or None");
  want(o.prefetch_factor >= 1 && o.prefetch_factor <= 65536,
       "prefetch_factor=", o.prefetch_factor, "; give 1 to 65536");
  want(o.timeout >= 0, "timeout=", o.timeout,
       "; give seconds, or 0 for no limit");
  want(o.timeout == 0 || o.num_workers.value_or(1) > 0, "timeout=", o.timeout,
       " with num_workers=0: nobody could interrupt the caller; give "
       "num_workers=1 or more");
  want(!o.sampler || !o.shuffle.value_or(false),
       "both shuffle and a sampler were given; the sampler alone says the "
       "order");
}

/// As which library's arrays the tensors go out.
void stamp(Value& value, Origin origin, bool native_only) {
  if (value.is_tensor()) {
    Tensor& t = value.as_tensor();
    if (!native_only || t.origin == Origin::kNative) t.origin = origin;
  } else if (value.is_list()) {
    for (Value& item : value.as_list().items) stamp(item, origin, native_only);
  } else if (value.is_dict()) {
    for (auto& [key, item] : value.as_dict()) stamp(item, origin, native_only);
  }
}

}  // namespace

namespace detail {

void check_position(std::int64_t epoch, std::int64_t batch) {
  if (epoch < 0 || batch < 0)
    fail(Kind::kValue, kWhere, "no position at epoch ", epoch, ", batch ",
         batch, "; both count from 0");
}

std::optional<Origin> origin_of(const std::string& output) {
  if (output.empty()) return {};
  if (output == "native") return Origin::kNative;
  if (output == "numpy") return Origin::kNumpy;
  if (output == "torch") return Origin::kTorch;
  fail(Kind::kValue, kWhere, "output='", output, "'",
       did_you_mean(output, {"native", "numpy", "torch"}));
}

namespace {

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
      fail(Kind::kIndex, where, "order() gave index ", at[i], " at place ", i,
           "; the data set has ", n, " samples");
  return order;
}

}  // namespace

Order checked_order(Sampler& sampler, const Dataset& dataset,
                    std::uint64_t seed, std::int64_t epoch) {
  const std::int64_t n = size_of(dataset);
  return checked(sampler.order_of(dataset, seed, epoch), n,
                 sampler.class_name());
}

std::int64_t size_of(const Dataset& dataset) {
  std::int64_t n = dataset.size();
  if (n < 0) fail(Kind::kValue, dataset.class_name(), "its size is ", n);
  return n;
}

std::int64_t batches_of(std::int64_t samples, const DataLoader::Options& o) {
  return samples / o.batch_size +
         (!o.drop_last && samples % o.batch_size ? 1 : 0);
}

}  // namespace detail

using detail::checked_order;
using detail::origin_of;

/// Threads that are busy with the old one end with it.
void DataLoader::Impl::set_job(std::shared_ptr<Dataset> dataset,
                               std::shared_ptr<const detail::Collate> collate) {
  stop_workers({});
  bool random = dataset && dataset->draws_random();
  job = std::make_shared<const detail::BatchJob>(
      detail::BatchJob{std::move(dataset), std::move(collate), random});
}

DataLoader::Impl::Impl(std::shared_ptr<Dataset> dataset, Options options_)
    : options(std::move(options_)) {
  if (!dataset) fail(Kind::kType, kWhere, "no data set was given");
  check(options);
  output = origin_of(options.output);
  is_python = dataset->is_python();
  set_job(std::move(dataset), nullptr);
  position.seed = options.seed;
  sampler = options.sampler;
  options.sampler = nullptr;  // one owner: see fields()
  if (!sampler && options.shuffle.value_or(false))
    sampler = std::make_shared<RandomSampler>();
  if (!sampler) sampler = std::make_shared<SequentialSampler>();
}

detail::Position DataLoader::Impl::now() const {
  std::lock_guard lock(mutex);
  return position;
}

std::shared_ptr<detail::Workers> DataLoader::Impl::current() const {
  std::lock_guard lock(mutex);
  return workers;
}

void DataLoader::Impl::set_position(std::int64_t epoch, std::int64_t batch) {
  detail::check_position(epoch, batch);
  move([&](Position& p) { p.epoch = epoch, p.batch = batch, p.skipped = 0; });
}

/// Those that an epoch gives.
std::int64_t DataLoader::Impl::samples() const {
  return sampler->count(detail::size_of(*job->dataset));
}

std::int64_t DataLoader::Impl::given(const Position& p) const {
  return p.batch == 0
             ? p.skipped
             : std::min(p.skipped + p.batch * options.batch_size, samples());
}

/// Behind so many samples, whatever the size of the batches that they were in.
void DataLoader::Impl::set_given(std::int64_t count) {
  if (count < 0) fail(Kind::kValue, kWhere, "no position at sample ", count);
  if (count == given(now())) return;
  move([&](Position& p) {
    p.batch = count / options.batch_size;
    p.skipped = count % options.batch_size;
  });
}

/// After a load: a place in the order of other data is none in this.
void DataLoader::Impl::check_samples() {
  const auto before = std::exchange(samples_before, std::nullopt);
  if (!before || !job->dataset) return;
  const std::int64_t have = detail::size_of(*job->dataset);
  if (*before == have) return;
  const Position here = now();
  const bool begun = here.batch > 0 || here.skipped > 0;
  log::warning(
      label, ": has ", have, " samples, and had ", *before,
      " when the state was saved: ",
      begun ? str("epoch ", here.epoch, " begins again with those of now")
            : "epochs are of those of now from here on");
  if (begun) set_position(here.epoch, 0);
}

/// What was loaded ahead is of no use any more.
void DataLoader::Impl::invalidate() {
  plan = nullptr;
  auto mine = current();
  if (mine && mine->seeked && !mine->stopped()) mine->seek(nullptr, 0);
  if (mine) mine->seeked = false;
}

/// A thread that waits for a batch of theirs starts new ones.
void DataLoader::Impl::stop_workers(std::chrono::milliseconds grace) {
  std::shared_ptr<detail::Workers> old;
  {
    std::lock_guard lock(mutex);
    old.swap(workers);
  }
  if (!old) return;
  old->grace = grace;
  old->stop();
}

/// Follows what was changed through fields().
void DataLoader::Impl::refresh() {
  if (!job->dataset || !sampler)
    fail(Kind::kState, kWhere,
         "its data set was taken away; make a new loader");
  if (auto mine = current();
      mine && (mine->stopped() || mine->job() != job.get()))
    stop_workers({});
  Position wanted = now();
  if (planned_dataset != job->dataset.get() ||
      planned_sampler != sampler.get() || wanted.moves != at.moves)
    invalidate();
  at = wanted;
  if (!plan) plan_epoch();
}

void DataLoader::Impl::plan_epoch() {
  auto made = std::make_shared<detail::Plan>();
  made->order = checked_order(*sampler, *job->dataset, at.seed, at.epoch);
  made->first = std::min(at.skipped, made->order.size());
  made->batch_size = options.batch_size;
  made->batches = detail::batches_of(made->order.size() - made->first, options);
  made->epoch = at.epoch;
  made->stream = Random::named(at.seed, "samples");
  if (at.batch > made->batches)
    log::warning("DataLoader: the position is batch ", at.batch,
                 " of an epoch of ", made->batches, "; the epoch ends here");
  plan = std::move(made);
  planned_dataset = job->dataset.get();
  planned_sampler = sampler.get();
}

bool DataLoader::Impl::threaded() const {
  if (options.num_workers) return *options.num_workers > 0;
  return worth_threads || options.timeout > 0;
}

int DataLoader::Impl::wanted_threads() const {
  if (options.num_workers) return static_cast<int>(*options.num_workers);
  return is_python ? 1 : std::clamp(thread_budget() - 1, 1, 4);
}

std::shared_ptr<detail::Workers> DataLoader::Impl::ensure_workers() {
  if (!threaded()) return nullptr;
  auto mine = current();
  if (!mine) {
    int threads = wanted_threads();
    mine =
        detail::Workers::start(job, threads, threads * options.prefetch_factor);
    if (!mine) return nullptr;
    log::debug("DataLoader: ", mine->threads(), " thread(s) load batches");
    std::lock_guard lock(mutex);
    workers = mine;
  }
  if (!mine->seeked) mine->seek(plan, at.batch);
  mine->seeked = true;
  return mine;
}

Value DataLoader::Impl::load() {
  while (auto mine = ensure_workers()) {
    detail::Workers::Taken taken = mine->take(options.timeout);
    if (taken.stopped) {
      if (current() != mine) continue;  // by close()
      fail(Kind::kState, kWhere,
           "its threads were stopped, since the process ends");
    }
    if (!taken.error) return std::move(taken.batch);
    mine->seek(nullptr, 0);
    mine->seeked = false;
    std::rethrow_exception(std::move(taken.error));
  }
  return load_here();
}

Value DataLoader::Impl::load_here() {
  Effort effort;
  Value reuse = bin.take();
  detail::Loaded loaded = job->load(*plan, at.batch, reuse);
  measure(effort.so_far());
  if (loaded.recyclable) Value dropped = bin.put(loaded.batch);
  return std::move(loaded.batch);
}

/// The batch at the position, and on to the next; false at the epoch's end.
bool DataLoader::Impl::advance(Value& batch) {
  refresh();
  bool more = at.batch < plan->batches;
  if (more) {
    batch = load();
    mark_origin(batch);
  } else {
    invalidate();
  }
  std::lock_guard lock(mutex);
  if (position.moves != at.moves) return more;
  position.batch = more ? at.batch + 1 : 0;
  if (!more) ++position.epoch, position.skipped = 0;
  return more;
}

/// As which library's arrays the tensors go out.
void DataLoader::Impl::mark_origin(Value& batch) const {
  std::optional<Origin> asked;
  {
    std::lock_guard lock(mutex);
    asked = output;
  }
  if (asked) {
    stamp(batch, *asked, false);
  } else if (job->dataset->origin() == Origin::kTorch) {
    stamp(batch, Origin::kTorch, false);
  } else if (is_python && job->dataset->origin() != Origin::kNative) {
    stamp(batch, Origin::kNumpy, true);
  }
}

void DataLoader::Impl::measure(Clock::duration took) {
  slow_batches = took > kWorthAThread ? slow_batches + 1 : 0;
  // The first batches also pay for fresh memory; a very slow one is clear.
  if (slow_batches >= 3 || took > kSurelyWorthIt) worth_threads = true;
}

}  // namespace ptutils::data
