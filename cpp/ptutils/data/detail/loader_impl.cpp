#include "ptutils/data/detail/loader_impl.h"

#include <sys/resource.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "ptutils/common/log.h"
#include "ptutils/common/thread_pool.h"
#include "ptutils/data/detail/buffers.h"

// How a DataLoader draws: one thread at a time has the turn.

namespace ptutils::data {
namespace {

using detail::Clock;

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

}  // namespace

using detail::checked_batches;
using detail::checked_order;
using detail::origin_of;
using detail::stamp;

/// Threads that are busy with the old one end with it.
void DataLoader::Impl::set_job(std::shared_ptr<Dataset> dataset,
                               std::shared_ptr<const detail::Collate> collate) {
  stop_workers({});
  bool random = dataset && dataset->draws_random();
  job = std::make_shared<const detail::BatchJob>(detail::BatchJob{
      std::move(dataset), std::move(collate), random, options.batched,
      options.on_error == "skip", options.drop_last ? options.batch_size : 1,
      options.worker_init});
}

DataLoader::Impl::Impl(std::shared_ptr<Dataset> dataset, Options options_)
    : options(std::move(options_)) {
  if (!dataset) fail(Kind::kType, kLoader, "no data set was given");
  detail::check_options(options);
  output = origin_of(options.output);
  is_python = dataset->is_python();
  set_job(std::move(dataset), nullptr);
  position.seed = options.seed;
  sampler = std::move(options.sampler);  // one owner: see fields()
  batch_sampler = std::move(options.batch_sampler);
  if (job->dataset->is_iterable())
    detail::check_iterable(options, sampler || batch_sampler);
  if (!sampler && options.shuffle.value_or(false))
    sampler = std::make_shared<RandomSampler>();
  if (!sampler) sampler = std::make_shared<SequentialSampler>();
  const auto* classes = dynamic_cast<const StratifiedSampler*>(sampler.get());
  if (classes && options.batched && classes->batch_size() != options.batch_size)
    log::warning(label, ": batches of ", options.batch_size,
                 ", and a StratifiedSampler for batches of ",
                 classes->batch_size(),
                 ": not each has the classes in "
                 "proportion; give both the same batch_size");
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

/// Those that an epoch gives; < 0: nobody knows.
std::int64_t DataLoader::Impl::samples() const {
  if (job->dataset->is_iterable()) return -1;
  return sampler->count(detail::size_of(*job->dataset));
}

std::int64_t DataLoader::Impl::given(const Position& p) const {
  if (p.batch == 0) return p.skipped;
  const std::int64_t full = p.skipped + p.batch * options.batch_size;
  const std::int64_t all = samples();
  return all < 0 ? full : std::min(full, all);
}

/// Batches of the epoch, from the position's first sample on; < 0: nobody
/// knows.
std::int64_t DataLoader::Impl::batches_from(const Position& p) const {
  if (job->dataset->is_iterable()) return -1;
  if (!batch_sampler)
    return detail::batches_of(std::max<std::int64_t>(samples() - p.skipped, 0),
                              options);
  const std::int64_t count =
      batch_sampler->count(detail::size_of(*job->dataset));
  if (count >= 0) return count;
  return static_cast<std::int64_t>(
      checked_batches(*batch_sampler, *job->dataset, p.seed, p.epoch)
          .ends.size());
}

/// Behind so many samples, whatever the size of the batches that they were in.
void DataLoader::Impl::set_given(std::int64_t count) {
  if (count < 0) fail(Kind::kValue, kLoader, "no position at sample ", count);
  if (batch_sampler) return;
  const Position here = now();
  const std::int64_t exact = here.skipped + here.batch * options.batch_size;
  // The last batch may be shorter.
  if (count == given(here) && exact - count < options.batch_size) return;
  move([&](Position& p) {
    p.batch = count / options.batch_size;
    p.skipped = count % options.batch_size;
  });
}

/// After a load: a place in the order of other data is none in this.
void DataLoader::Impl::check_samples() {
  const auto before = std::exchange(samples_before, std::nullopt);
  if (!before || !job->dataset || job->dataset->is_iterable()) return;
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

/// After a load: another sampler gives other samples at the same place.
void DataLoader::Impl::check_order(const Value& before) const {
  const Module* source = order_source();
  if (!before.is_string() || !source) return;
  if (before.as_string() == source->class_name()) return;
  log::warning(label, ": the state is of samples in the order of a ",
               before.as_string(), ", here it is a ", source->class_name(),
               "'s: other samples follow than would have");
}

/// What was loaded ahead is of no use any more.
void DataLoader::Impl::invalidate() {
  plan = nullptr;
  gave.reset();
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

/// What the threads do: make batches, or have worker processes make them.
std::shared_ptr<const detail::BatchJob> DataLoader::Impl::worker_job() const {
  if (options.workers == "thread") return job;
  if (!process_factory)
    fail(Kind::kState, kLoader,
         "workers='process' takes Python, which starts them; give 'thread'");
  detail::BatchJob out;
  out.dataset = process_factory(job->dataset, wanted_threads());
  out.draws_random = true;  // of other libraries' generators, too
  out.skips_errors = job->skips_errors;
  return std::make_shared<const detail::BatchJob>(std::move(out));
}

/// Follows what was changed through fields().
void DataLoader::Impl::refresh() {
  if (!job->dataset || !sampler)
    fail(Kind::kState, kLoader,
         "its data set was taken away; make a new loader");
  std::shared_ptr<detail::Workers> mine;
  const detail::BatchJob* theirs = nullptr;
  {
    std::lock_guard lock(mutex);
    mine = workers;
    theirs = workers_of;
  }
  if (mine && (mine->stopped() || theirs != job.get())) stop_workers({});
  Position wanted = now();
  if (planned_dataset != job->dataset.get() ||
      planned_sampler != order_source() || wanted.moves != at.moves)
    invalidate();
  at = wanted;
  if (!plan)
    plan_epoch();
  else
    follow_requests();
}

/// Batches that were not begun answer what was asked for meanwhile.
void DataLoader::Impl::follow_requests() {
  detail::Requests asked;
  {
    std::lock_guard lock(mutex);
    if (planned_requests == requested) return;
    planned_requests = requested;
    asked = requests;
  }
  auto made = std::make_shared<detail::Plan>(*plan);
  made->requests = std::move(asked);
  plan = std::move(made);
  auto mine = current();
  if (!mine || !mine->seeked) return;
  if (mine->limited && (lag() > 0 || plan->feed)) {
    mine->follow(plan);
  } else {  // what is ahead may be for what was asked before
    mine->limit(lag());
    mine->seeked = false;
  }
}

void DataLoader::Impl::plan_epoch() {
  auto made = std::make_shared<detail::Plan>();
  made->stream = Random::named(at.seed, "samples");
  if (job->dataset->is_iterable()) {
    made->batch_size = options.batch_size;
    made->batches = std::numeric_limits<std::int64_t>::max() / 2;
    made->feed = std::make_shared<detail::Feed>(
        job->dataset, made->stream, at.epoch,
        at.skipped + at.batch * options.batch_size, at.stream);
  } else if (batch_sampler) {
    Batches given =
        checked_batches(*batch_sampler, *job->dataset, at.seed, at.epoch);
    made->order = std::move(given.order);
    made->ends = std::move(given.ends);
    made->batches = static_cast<std::int64_t>(made->ends.size());
  } else {
    made->order = checked_order(*sampler, *job->dataset, at.seed, at.epoch);
    made->first = std::min(at.skipped, made->order.size());
    made->batch_size = options.batch_size;
    made->batches =
        detail::batches_of(made->order.size() - made->first, options);
  }
  made->epoch = at.epoch;
  made->seed = at.seed;
  {
    std::lock_guard lock(mutex);
    made->requests = requests;
    planned_requests = requested;
  }
  if (at.batch > made->batches)
    log::warning("DataLoader: the position is batch ", at.batch,
                 " of an epoch of ", made->batches, "; the epoch ends here");
  plan = std::move(made);
  planned_dataset = job->dataset.get();
  planned_sampler = order_source();
}

const Module* DataLoader::Impl::order_source() const {
  if (batch_sampler) return batch_sampler.get();
  return sampler.get();
}

bool DataLoader::Impl::makes_elsewhere() const {
  return is_python || job->collate;
}

bool DataLoader::Impl::threaded() const {
  if (options.num_workers) return *options.num_workers > 0;
  if (options.workers == "process") return true;
  return worth_threads || options.timeout > 0;
}

int DataLoader::Impl::wanted_threads() const {
  if (job->dataset->is_iterable()) return 1;  // one after another
  if (options.num_workers) return static_cast<int>(*options.num_workers);
  if (options.workers == "process") return std::clamp(thread_budget(), 1, 8);
  return makes_elsewhere() ? 1 : std::clamp(thread_budget() - 1, 1, 4);
}

std::shared_ptr<detail::Workers> DataLoader::Impl::ensure_workers() {
  if (!threaded()) return nullptr;
  auto mine = current();
  if (!mine) {
    int threads = wanted_threads();
    const auto doing = worker_job();
    mine = detail::Workers::start(doing, threads,
                                  detail::depth_of(options, threads),
                                  /*thrifty=*/!options.prefetch_factor);
    if (!mine) return nullptr;
    // What threads that were stopped have drawn is lost: from the position on.
    if (plan->feed && plan->feed == drawn_ahead) plan_epoch();
    if (plan->feed || options.lag || !plan->requests.last().is_null())
      mine->limit(lag());
    log::debug("DataLoader: ", mine->threads(), " ", options.workers,
               "(s) load batches");
    std::lock_guard lock(mutex);
    workers = mine;
    workers_of = job.get();
  }
  if (!mine->seeked) mine->seek(plan, at.batch);
  drawn_ahead = plan->feed;
  mine->seeked = true;
  return mine;
}

detail::Loaded DataLoader::Impl::load() {
  while (auto mine = ensure_workers()) {
    detail::Workers::Taken taken = mine->take(options.timeout);
    if (taken.stopped) {
      if (current() != mine) continue;  // by close()
      fail(Kind::kState, kLoader,
           "its threads were stopped, since the process ends");
    }
    if (!taken.error) return std::move(taken.loaded);
    mine->seek(nullptr, 0);
    mine->seeked = false;
    std::rethrow_exception(std::move(taken.error));
  }
  return load_here();
}

detail::Loaded DataLoader::Impl::load_here() {
  Effort effort;
  Value reuse = bin.take();
  detail::Loaded loaded = job->load(*plan, at.batch, reuse);
  measure(effort.so_far());
  if (loaded.recyclable) Value dropped = bin.put(loaded.batch);
  return loaded;
}

/// The batch at the position, and on to the next; false at the epoch's end.
bool DataLoader::Impl::advance(Value& batch) {
  bool empty = true;
  while (empty)
    if (!step(batch, empty)) return false;
  return true;
}

/// As advance(); `empty`: all of the batch's samples were left out.
bool DataLoader::Impl::step(Value& batch, bool& empty) {
  refresh();
  bool more = at.batch < plan->batches;
  empty = false;
  Value stream;
  if (more) {
    const Clock::time_point begin = Clock::now();
    detail::Loaded loaded;
    try {
      loaded = load();
    } catch (...) {
      if (plan->feed) invalidate();  // a source that failed begins again
      throw;
    }
    note(loaded, begin);
    more = !loaded.ended;
    empty = more && loaded.samples == 0;
    stream = std::move(loaded.stream);
    batch = std::move(loaded.batch);
    mark_origin(batch);
  }
  if (!more) {
    invalidate();
    if (!options.persistent_workers.value_or(true)) stop_workers(patience());
  }
  std::lock_guard lock(mutex);
  if (position.moves != at.moves) return more;
  position.batch = more ? at.batch + 1 : 0;
  position.stream = more ? std::move(stream) : Value();
  if (more) return true;
  ++position.epoch, position.skipped = 0;
  requests.end_epoch();
  return false;
}

/// Adds to the report.
void DataLoader::Impl::note(const detail::Loaded& loaded,
                            Clock::time_point begin) {
  auto seconds = [](Clock::duration d) {
    return std::chrono::duration<double>(d).count();
  };
  const Clock::time_point now = Clock::now();
  const auto left_out = static_cast<std::int64_t>(loaded.left_out.size());
  std::int64_t before = 0;
  {
    std::lock_guard lock(mutex);
    before = tally.skipped;
    if (loaded.samples > 0) ++tally.batches;
    tally.samples += loaded.samples;
    tally.skipped += left_out;
    tally.making += loaded.spent.making;
    tally.reading += loaded.spent.reading;
    tally.decoding += loaded.spent.decoding;
    tally.transforming += loaded.spent.transforming;
    tally.python += loaded.spent.python;
    tally.waiting += seconds(now - begin);
    if (gave) tally.working += seconds(begin - *gave);
  }
  gave = now;
  if (left_out > 0) tell_left_out(loaded, before);
}

/// The first few samples by name, then how many there are.
void DataLoader::Impl::tell_left_out(const detail::Loaded& loaded,
                                     std::int64_t before) const {
  constexpr std::int64_t kNamed = 3;
  std::int64_t count = before;
  for (const detail::LeftOut& sample : loaded.left_out) {
    ++count;
    if (count <= kNamed)
      log::warning(label, ": sample ", sample.index,
                   " is left out: ", sample.why,
                   count == kNamed ? " (of more, their number is told)" : "");
    std::int64_t power = 10;
    while (power < count) power *= 10;
    if (count == power) log::warning(label, ": ", count, " samples left out");
  }
}

/// How long the end of its threads is awaited: one that makes samples in
/// another language may need a lock that the caller holds.
std::chrono::milliseconds DataLoader::Impl::patience() const {
  const bool foreign = makes_elsewhere() || job->worker_init;
  return std::chrono::milliseconds(foreign ? 0 : 1000);
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
  // What another language makes may draw from generators that the caller draws
  // from too: in a thread of its own, in another order each time.
  if (makes_elsewhere()) return;
  slow_batches = took > kWorthAThread ? slow_batches + 1 : 0;
  // The first batches also pay for fresh memory; a very slow one is clear.
  if (slow_batches >= 3 || took > kSurelyWorthIt) worth_threads = true;
}

}  // namespace ptutils::data
