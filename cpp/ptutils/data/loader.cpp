#include "ptutils/data/loader.h"

#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <utility>

#include "ptutils/common/log.h"
#include "ptutils/common/names.h"
#include "ptutils/common/thread_pool.h"
#include "ptutils/data/detail/batch_job.h"
#include "ptutils/data/detail/workers.h"

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

std::optional<Origin> origin_of(const std::string& output) {
  if (output.empty()) return {};
  if (output == "native") return Origin::kNative;
  if (output == "numpy") return Origin::kNumpy;
  if (output == "torch") return Origin::kTorch;
  fail(Kind::kValue, kWhere, "output='", output, "'",
       did_you_mean(output, {"native", "numpy", "torch"}));
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

/// The sampler's order, in our own memory, every index checked once an epoch.
Tensor checked_order(Sampler& sampler, std::int64_t n, std::uint64_t seed,
                     std::int64_t epoch) {
  Tensor order = sampler.order(n, seed, epoch);
  if (order.dim() != 1 || order.dtype() != DType::kI64)
    fail(Kind::kType, sampler.class_name(), "order() gave ", order.shape_str(),
         " ", name(order.dtype()), ", not a 1-d i64 tensor of indices");
  bool ours = order.origin == Origin::kNative && order.contiguous() &&
              order.aligned() && order.storage().use_count() == 1;
  if (!ours) order = order.clone();
  order.origin = Origin::kNative;
  const auto* at = order.data<std::int64_t>();
  for (std::int64_t i = 0; i < order.numel(); ++i)
    if (at[i] < 0 || at[i] >= n)
      fail(Kind::kIndex, sampler.class_name(), "order() gave index ", at[i],
           " at place ", i, "; the data set has ", n, " samples");
  return order;
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

std::uint64_t seed_in(const Value& v) {
  if (!v.is_bigint()) {
    std::int64_t seed = 0;
    ptutils::detail::load(seed, v, "seed");
    return static_cast<std::uint64_t>(seed);
  }
  const std::string& digits = v.as_bigint().digits;
  std::uint64_t seed = 0;
  auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), seed);
  if (error != std::errc() || end != digits.data() + digits.size())
    fail(Kind::kValue, kWhere, "seed ", digits, " is not within 0 … 2^64 - 1");
  return seed;
}

}  // namespace

struct DataLoader::Impl {
  Impl(std::shared_ptr<Dataset> dataset, Options options_);

  void invalidate();
  void stop_workers(std::chrono::milliseconds grace);
  void set_position(std::int64_t epoch_, std::int64_t batch_);
  std::int64_t samples() const;
  std::int64_t given() const;
  void set_given(std::int64_t count);
  void check_samples();
  void refresh();
  void plan_epoch();
  bool threaded() const;
  int wanted_threads() const;
  bool ensure_workers();
  Value load();
  Value load_here();
  void measure(Clock::duration took);
  void set_job(std::shared_ptr<Dataset> dataset,
               std::shared_ptr<const detail::Collate> collate);

  std::shared_ptr<const detail::BatchJob> job;
  std::shared_ptr<Sampler> sampler;
  Options options;
  std::optional<Origin> output;
  bool is_python;

  std::uint64_t seed;
  std::int64_t epoch = 0;
  std::int64_t batch = 0;
  std::int64_t skipped = 0;  // samples before the first batch of the epoch
  std::string label = "DataLoader";
  std::optional<std::int64_t> samples_before;  // of a state that is loaded

  std::shared_ptr<const detail::Plan> plan;  // of `epoch`; null: not made yet
  const Dataset* planned_dataset = nullptr;
  const Sampler* planned_sampler = nullptr;
  std::unique_ptr<detail::Workers> workers;
  bool seeked = false;  // the workers are at `batch` of `plan`
  detail::RecycleBin bin{2};
  bool worth_threads = false;  // measured, where num_workers says nothing
  int slow_batches = 0;
};

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
  seed = options.seed;
  sampler = options.sampler;
  options.sampler = nullptr;  // one owner: see fields()
  if (!sampler && options.shuffle.value_or(false))
    sampler = std::make_shared<RandomSampler>();
  if (!sampler) sampler = std::make_shared<SequentialSampler>();
}

/// What was loaded ahead is of no use any more.
void DataLoader::Impl::invalidate() {
  plan = nullptr;
  if (workers && seeked && !workers->stopped()) workers->seek(nullptr, 0);
  seeked = false;
}

void DataLoader::Impl::stop_workers(std::chrono::milliseconds grace) {
  if (!workers) return;
  workers->grace = grace;
  workers.reset();
  seeked = false;
}

void DataLoader::Impl::set_position(std::int64_t epoch_, std::int64_t batch_) {
  if (epoch_ < 0 || batch_ < 0)
    fail(Kind::kValue, kWhere, "no position at epoch ", epoch_, ", batch ",
         batch_, "; both count from 0");
  epoch = epoch_;
  batch = batch_;
  skipped = 0;
  invalidate();
}

/// Those that an epoch gives.
std::int64_t DataLoader::Impl::samples() const {
  return sampler->count(size_of(*job->dataset));
}

std::int64_t DataLoader::Impl::given() const {
  return batch == 0 ? skipped
                    : std::min(skipped + batch * options.batch_size, samples());
}

/// Behind so many samples, whatever the size of the batches that they were in.
void DataLoader::Impl::set_given(std::int64_t count) {
  if (count < 0) fail(Kind::kValue, kWhere, "no position at sample ", count);
  if (count == given()) return;
  set_position(epoch, count / options.batch_size);
  skipped = count % options.batch_size;
}

/// After a load: a place in the order of other data is none in this.
void DataLoader::Impl::check_samples() {
  const auto before = std::exchange(samples_before, std::nullopt);
  if (!before || !job->dataset) return;
  const std::int64_t now = size_of(*job->dataset);
  if (*before == now) return;
  const bool begun = batch > 0 || skipped > 0;
  log::warning(label, ": has ", now, " samples, and had ", *before,
               " when the state was saved: ",
               begun ? str("epoch ", epoch, " begins again with those of now")
                     : "epochs are of those of now from here on");
  if (begun) set_position(epoch, 0);
}

/// Follows what was changed through fields().
void DataLoader::Impl::refresh() {
  if (!job->dataset || !sampler)
    fail(Kind::kState, kWhere,
         "its data set was taken away; make a new loader");
  if (workers && (workers->stopped() || workers->job() != job.get()))
    stop_workers({});
  if (planned_dataset != job->dataset.get() || planned_sampler != sampler.get())
    invalidate();
  if (!plan) plan_epoch();
}

void DataLoader::Impl::plan_epoch() {
  std::int64_t n = size_of(*job->dataset);
  auto made = std::make_shared<detail::Plan>();
  made->order = checked_order(*sampler, n, seed, epoch);
  if (skipped > 0)
    made->order = made->order.slice(0, std::min(skipped, made->order.numel()),
                                    made->order.numel());
  made->batch_size = options.batch_size;
  made->batches = batches_of(made->order.numel(), options);
  made->epoch = epoch;
  made->stream = Random::named(seed, "samples");
  if (batch > made->batches)
    log::warning("DataLoader: the position is batch ", batch,
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

bool DataLoader::Impl::ensure_workers() {
  if (!threaded()) return false;
  if (!workers) {
    int threads = wanted_threads();
    workers =
        detail::Workers::start(job, threads, threads * options.prefetch_factor);
    if (!workers) return false;
    log::debug("DataLoader: ", workers->threads(), " thread(s) load batches");
  }
  if (!seeked) workers->seek(plan, batch);
  seeked = true;
  return true;
}

Value DataLoader::Impl::load() {
  if (!ensure_workers()) return load_here();
  detail::Workers::Taken taken = workers->take(options.timeout);
  if (!taken.error) return std::move(taken.batch);
  workers->seek(nullptr, 0);
  seeked = false;
  std::rethrow_exception(std::move(taken.error));
}

Value DataLoader::Impl::load_here() {
  Effort effort;
  Value reuse = bin.take();
  detail::Loaded loaded = job->load(*plan, batch, reuse);
  measure(effort.so_far());
  if (loaded.recyclable) Value dropped = bin.put(loaded.batch);
  return std::move(loaded.batch);
}

void DataLoader::Impl::measure(Clock::duration took) {
  slow_batches = took > kWorthAThread ? slow_batches + 1 : 0;
  // The first batches also pay for fresh memory; a very slow one is clear.
  if (slow_batches >= 3 || took > kSurelyWorthIt) worth_threads = true;
}

DataLoader::DataLoader(std::shared_ptr<Dataset> dataset, Options options)
    : impl_(std::make_unique<Impl>(std::move(dataset), std::move(options))) {}

DataLoader::~DataLoader() {
  // Threads of a Python data set may wait for the lock that we hold here.
  bool python = impl_->is_python || impl_->job->collate;
  impl_->stop_workers(std::chrono::milliseconds(python ? 0 : 1000));
}

Meta DataLoader::meta() const {
  Meta out;
  out.exclude = {"dataset", "sampler"};
  return out;
}

/// Its data set: another one is another job.
class DataLoader::DatasetSlot final : public ChildSlot {
 public:
  explicit DatasetSlot(Impl& impl) : impl_(impl) {}
  Module* get() const override { return impl_.job->dataset.get(); }
  ModulePtr share() const override { return impl_.job->dataset; }
  long use_count() const override { return impl_.job->dataset.use_count(); }
  void set(ModulePtr module) override {
    auto dataset = std::dynamic_pointer_cast<Dataset>(module);
    if (module && !dataset)
      fail(Kind::kType, kWhere, "a ", module->class_name(),
           " is not a data set");
    impl_.set_job(std::move(dataset), impl_.job->collate);
  }

 private:
  Impl& impl_;
};

void DataLoader::fields(Fields& f) {
  DatasetSlot dataset(*impl_);
  f.child("dataset", dataset);
  f("sampler", impl_->sampler);
  f(
      "seed", [this] { return Value(impl_->seed); },
      [this](const Value& v) { set_seed(seed_in(v)); });
  f(
      "epoch", [this] { return Value(impl_->epoch); },
      [this](const Value& v) {
        std::int64_t epoch = 0;
        ptutils::detail::load(epoch, v, "epoch");
        set_position(epoch, impl_->batch);
      });
  f(
      "batch", [this] { return Value(impl_->batch); },
      [this](const Value& v) {
        std::int64_t batch = 0;
        ptutils::detail::load(batch, v, "batch");
        set_position(impl_->epoch, batch);
      });
  f(
      "given", [this] { return Value(impl_->given()); },
      [this](const Value& v) {
        std::int64_t given = 0;
        ptutils::detail::load(given, v, "given");
        impl_->set_given(given);
      });
  f(
      "samples",
      [this] {
        return impl_->job->dataset ? Value(size_of(*impl_->job->dataset))
                                   : Value();
      },
      [this](const Value& v) {
        if (v.is_int()) impl_->samples_before = v.as_int();
      });
}

namespace {

/// A state from before "given" and "samples": what it says of them.
Value completed(const Value& state, std::int64_t batch_size) {
  if (!state.is_dict() || state.as_dict().contains("given")) return state;
  const Value* batch = state.as_dict().find("batch");
  if (!batch || !batch->is_int()) return state;
  Value out = state;
  out.as_dict().set("given", batch->as_int() * batch_size);
  if (!out.as_dict().contains("samples")) out.as_dict().set("samples", Value());
  return out;
}

}  // namespace

void DataLoader::check_state(const Value& state, const std::string& prefix,
                             bool strict, Mismatch& out) {
  Loader::check_state(completed(state, impl_->options.batch_size), prefix,
                      strict, out);
}

void DataLoader::load_partial(const Value& state) {
  impl_->samples_before.reset();
  Loader::load_partial(completed(state, impl_->options.batch_size));
  impl_->check_samples();
}

Value DataLoader::to_config() {
  const Options& o = impl_->options;
  if (impl_->job->collate)
    fail(
        Kind::kState, kWhere,
        "a collate_fn is code, which a configuration cannot hold; make samples "
        "that need none, or build the loader in code");
  Dict config{{"func", class_name()},
              {"dataset", impl_->job->dataset->to_config()},
              {"batch_size", o.batch_size}};
  if (o.shuffle) {
    config.set("shuffle", *o.shuffle);
  } else {
    config.set("sampler", impl_->sampler->to_config());
  }
  if (o.num_workers) config.set("num_workers", *o.num_workers);
  config.set("drop_last", o.drop_last);
  config.set("prefetch_factor", o.prefetch_factor);
  config.set("timeout", o.timeout);
  if (!o.output.empty()) config.set("output", o.output);
  config.set("seed", o.seed);
  return config;
}

bool DataLoader::next(Value& batch) {
  Impl& s = *impl_;
  batch = Value();  // its buffers may hold the batch that is loaded now
  s.refresh();
  if (s.batch >= s.plan->batches) {
    s.set_position(s.epoch + 1, 0);
    return false;
  }
  batch = s.load();
  if (s.output) {
    stamp(batch, *s.output, false);
  } else if (s.job->dataset->origin() == Origin::kTorch) {
    stamp(batch, Origin::kTorch, false);
  } else if (s.is_python && s.job->dataset->origin() != Origin::kNative) {
    stamp(batch, Origin::kNumpy, true);
  }
  ++s.batch;
  return true;
}

std::int64_t DataLoader::length() const {
  return batches_of(impl_->samples(), impl_->options);
}

std::int64_t DataLoader::remaining() const {
  const Impl& s = *impl_;
  const std::int64_t left = std::max<std::int64_t>(s.samples() - s.skipped, 0);
  return std::max<std::int64_t>(batches_of(left, s.options) - s.batch, 0);
}

void DataLoader::set_label(std::string label) {
  impl_->label = std::move(label);
}

void DataLoader::rewind() { impl_->set_position(impl_->epoch, 0); }

void DataLoader::close() {
  impl_->stop_workers(std::chrono::seconds(5));
  std::vector<Value> dropped;
  impl_->bin.clear(dropped);
}

const std::shared_ptr<Dataset>& DataLoader::dataset() const {
  return impl_->job->dataset;
}

const DataLoader::Options& DataLoader::options() const {
  return impl_->options;
}

int DataLoader::workers() const {
  return impl_->workers && !impl_->workers->stopped()
             ? impl_->workers->threads()
             : 0;
}

std::int64_t DataLoader::epoch() const { return impl_->epoch; }
std::int64_t DataLoader::batch() const { return impl_->batch; }

Tensor DataLoader::order(std::int64_t epoch) const {
  return checked_order(*impl_->sampler, size_of(*impl_->job->dataset),
                       impl_->seed, epoch);
}

void DataLoader::set_position(std::int64_t epoch, std::int64_t batch) {
  impl_->set_position(epoch, batch);
}

void DataLoader::set_seed(std::uint64_t seed) {
  impl_->seed = seed;
  impl_->invalidate();
}

void DataLoader::set_output(const std::string& output) {
  impl_->output = origin_of(output);
  impl_->options.output = output;
}

void DataLoader::set_collate(
    std::function<Value(std::vector<Value>&&)> collate) {
  impl_->set_job(
      impl_->job->dataset,
      collate ? std::make_shared<const detail::Collate>(std::move(collate))
              : nullptr);
}

}  // namespace ptutils::data
