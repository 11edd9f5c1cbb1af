#include "ptutils/data/loader.h"

#include <algorithm>
#include <charconv>

#include "ptutils/common/log.h"
#include "ptutils/common/thread_pool.h"
#include "ptutils/data/detail/advice.h"
#include "ptutils/data/detail/loader_impl.h"
#include "ptutils/data/readers.h"
#include "ptutils/formats/flatten.h"

namespace ptutils::data {
namespace {

std::uint64_t seed_in(const Value& v) {
  if (!v.is_bigint()) {
    std::int64_t seed = 0;
    ptutils::detail::load(seed, v, "seed");
    if (seed < 0)
      fail(Kind::kValue, kLoader, "seed ", seed, " is not within 0 … 2^64 - 1");
    return static_cast<std::uint64_t>(seed);
  }
  const std::string& digits = v.as_bigint().digits;
  std::uint64_t seed = 0;
  auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), seed);
  if (error != std::errc() || end != digits.data() + digits.size())
    fail(Kind::kValue, kLoader, "seed ", digits, " is not within 0 … 2^64 - 1");
  return seed;
}

/// From 1 on. (The system gives the id of a thread that ended to another.)
std::uint64_t thread_number() {
  static std::atomic<std::uint64_t> threads{0};
  thread_local const std::uint64_t number = ++threads;
  return number;
}

/// A state of an earlier version: what it says of what it has not.
Value completed(const Value& state, const DataLoader::Options& options) {
  if (!state.is_dict()) return state;
  const Value* batch = state.as_dict().find("batch");
  if (!batch || !batch->is_int()) return state;
  Value out = state;
  Dict& d = out.as_dict();
  if (!d.contains("given"))
    d.set("given", batch->as_int() * options.batch_size);
  for (const char* later : {"samples", "order", "stream", "requests"})
    if (!d.contains(later)) d.set(later, Value());
  return out;
}

}  // namespace

using detail::batches_of;
using detail::check_position;
using detail::checked_batches;
using detail::checked_order;
using detail::origin_of;
using detail::Position;
using detail::size_of;

DataLoader::DataLoader(std::shared_ptr<Dataset> dataset, Options options)
    : impl_(std::make_unique<Impl>(std::move(dataset), std::move(options))) {}

DataLoader::~DataLoader() { impl_->stop_workers(impl_->patience()); }

Meta DataLoader::meta() const {
  Meta out;
  out.exclude = {"dataset", "sampler", "batch_sampler"};
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
      fail(Kind::kType, kLoader, "a ", module->class_name(),
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
  if (impl_->batch_sampler) f("batch_sampler", impl_->batch_sampler);
  Position now = impl_->now();  // all of one moment
  f(
      "seed", [now] { return Value(now.seed); },
      [this](const Value& v) { set_seed(seed_in(v)); });
  f(
      "epoch", [now] { return Value(now.epoch); },
      [this](const Value& v) {
        std::int64_t epoch = 0;
        ptutils::detail::load(epoch, v, "epoch");
        check_position(epoch, 0);
        impl_->move([epoch](Position& p) { p.epoch = epoch, p.skipped = 0; });
      });
  f(
      "batch", [now] { return Value(now.batch); },
      [this](const Value& v) {
        std::int64_t batch = 0;
        ptutils::detail::load(batch, v, "batch");
        check_position(0, batch);
        impl_->move([batch](Position& p) { p.batch = batch, p.skipped = 0; });
      });
  f(
      "given",
      [this, now] {
        return impl_->batch_sampler ? Value() : Value(impl_->given(now));
      },
      [this](const Value& v) {
        if (v.is_null() != (impl_->batch_sampler != nullptr))
          log::warning(impl_->label, ": the state is of a loader ",
                       v.is_null() ? "with" : "without",
                       " a batch_sampler: this one goes on after as many "
                       "batches, not samples");
        if (v.is_null()) return;
        std::int64_t given = 0;
        ptutils::detail::load(given, v, "given");
        impl_->set_given(given);
      });
  f(
      "samples",
      [this] {
        const Dataset* data = impl_->job->dataset.get();
        return data && !data->is_iterable() ? Value(size_of(*data)) : Value();
      },
      [this](const Value& v) {
        if (v.is_int()) impl_->samples_before = v.as_int();
      });
  f(
      "order",
      [this] {
        const Module* source = impl_->order_source();
        return source ? Value(source->class_name()) : Value();
      },
      [this](const Value& v) { impl_->check_order(v); });
  f(
      "stream", [now] { return now.stream; },
      [this](const Value& v) {
        std::lock_guard lock(impl_->mutex);
        impl_->position.stream = v.clone();
      });
  f(
      "requests",
      [this] {
        std::lock_guard lock(impl_->mutex);
        return impl_->requests.state();
      },
      [this](const Value& v) {
        detail::Requests loaded;
        loaded.load(v);
        std::lock_guard lock(impl_->mutex);
        impl_->requests = std::move(loaded);
        ++impl_->requested;
      });
}

void DataLoader::check_state(const Value& state, const std::string& prefix,
                             bool strict, Mismatch& out) {
  Loader::check_state(completed(state, impl_->options), prefix, strict, out);
}

void DataLoader::load_partial(const Value& state) {
  impl_->samples_before.reset();
  Loader::load_partial(completed(state, impl_->options));
  impl_->check_samples();
}

Value DataLoader::to_config() {
  if (impl_->job->collate)
    fail(Kind::kState, kLoader,
         "a collate_fn is code, which a configuration cannot hold; do without, "
         "or build the loader in code");
  Options options = impl_->options;
  const bool ordered = options.shuffle || impl_->job->dataset->is_iterable();
  options.sampler = ordered ? nullptr : impl_->sampler;
  options.batch_sampler = impl_->batch_sampler;
  Dict config{{"func", class_name()},
              {"dataset", impl_->job->dataset->to_config()}};
  detail::put_options(options, config);
  if (options.seed != 0) config.set("seed", options.seed);
  return config;
}

bool DataLoader::next(Value& batch) {
  Pass alone;
  return next_of(alone, batch);
}

bool DataLoader::next_of(Pass& pass, Value& batch) {
  batch = Value();  // its buffers may hold the batch that is loaded now
  detail::Turn::Mine turn(impl_->turn);
  const std::uint64_t self = thread_number();
  if (pass.ended || (pass.failed != 0 && pass.failed != self)) return false;
  pass.failed = 0;
  try {
    if (impl_->advance(batch)) return true;
  } catch (...) {
    pass.failed = self;
    throw;
  }
  pass.ended = true;
  return false;
}

std::int64_t DataLoader::length() const {
  Position begin = impl_->now();
  begin.skipped = 0;
  return impl_->batches_from(begin);
}

std::int64_t DataLoader::remaining() const {
  const Position now = impl_->now();
  const std::int64_t all = impl_->batches_from(now);
  return all < 0 ? -1 : std::max<std::int64_t>(all - now.batch, 0);
}

void Loader::request(const Value& request) {
  fail(Kind::kState, class_name(),
       "its batches answer no requests: ", request.repr(60));
}

void DataLoader::request(const Value& request) {
  Value mine = request.clone();
  flatten(mine, "[DataLoader] a request: ", /*pack=*/false);  // data alone
  std::lock_guard lock(impl_->mutex);
  if (impl_->requests.last().identical(mine)) return;
  const std::int64_t given = impl_->position.batch;
  impl_->requests.add(given, given + impl_->lag(), std::move(mine));
  ++impl_->requested;
}

void DataLoader::set_label(std::string label) {
  impl_->label = std::move(label);
}

void DataLoader::rewind() {
  impl_->move([](Position& p) { p.batch = 0, p.skipped = 0; });
}

void DataLoader::close() {
  impl_->stop_workers(std::chrono::seconds(5));
  if (!impl_->turn.try_take()) return;  // its holder uses the buffers
  std::vector<Value> dropped;
  impl_->bin.clear(dropped);
  impl_->turn.give();
}

const std::shared_ptr<Dataset>& DataLoader::dataset() const {
  return impl_->job->dataset;
}

const DataLoader::Options& DataLoader::options() const {
  return impl_->options;
}

int DataLoader::workers() const {
  std::lock_guard lock(impl_->mutex);
  const auto& mine = impl_->workers;
  return mine && !mine->stopped() ? mine->threads() : 0;
}

std::int64_t DataLoader::epoch() const { return impl_->now().epoch; }
std::int64_t DataLoader::batch() const { return impl_->now().batch; }
std::pair<std::int64_t, std::int64_t> DataLoader::position() const {
  Position now = impl_->now();
  return {now.epoch, now.batch};
}

Tensor DataLoader::order(std::int64_t epoch) const {
  if (impl_->batch_sampler) return batches(epoch).order.tensor();
  return checked_order(*impl_->sampler, *impl_->job->dataset, impl_->now().seed,
                       epoch)
      .tensor();
}

Batches DataLoader::batches(std::int64_t epoch) const {
  const std::uint64_t seed = impl_->now().seed;
  if (impl_->batch_sampler)
    return checked_batches(*impl_->batch_sampler, *impl_->job->dataset, seed,
                           epoch);
  Batches out{checked_order(*impl_->sampler, *impl_->job->dataset, seed, epoch),
              {}};
  const std::int64_t size = impl_->options.batch_size;
  for (std::int64_t i = 1; i <= batches_of(out.order.size(), impl_->options);
       ++i)
    out.ends.push_back(std::min(i * size, out.order.size()));
  return out;
}

std::int64_t DataLoader::skipped() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->tally.skipped;
}

LoaderReport DataLoader::report() const {
  LoaderReport out;
  {
    std::lock_guard lock(impl_->mutex);
    out = impl_->tally;
  }
  out.workers = workers();
  const Dataset* data = impl_->job->dataset.get();
  if (!data) return out;
  detail::AdviceFacts facts;
  facts.python = impl_->makes_elsewhere();
  facts.processes = impl_->options.workers == "process";
  facts.cores = thread_budget();
  const auto full = [](const Module* module) {
    const auto* folder = dynamic_cast<const ImageFolder*>(module);
    return folder && !folder->dct_scaling();
  };
  facts.full_decoding = full(data);
  for (const auto& [name, within] : impl_->job->dataset->named_modules())
    facts.full_decoding = facts.full_decoding || full(within.get());
  facts.shuffled_blocks =
      dynamic_cast<const RandomSampler*>(impl_->sampler.get()) &&
      !data->blocks().empty();
  out.advice = detail::advice(out, facts);
  return out;
}

void DataLoader::set_position(std::int64_t epoch, std::int64_t batch) {
  impl_->set_position(epoch, batch);
}

void DataLoader::set_seed(std::uint64_t seed) {
  impl_->move([seed](Position& p) { p.seed = seed; });
}

void DataLoader::set_output(const std::string& output) {
  std::optional<Origin> origin = origin_of(output);
  std::lock_guard lock(impl_->mutex);
  impl_->output = origin;
  impl_->options.output = output;
}

bool DataLoader::says_output() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->output.has_value();
}

void set_origin(Value& batch, Origin origin) {
  detail::stamp(batch, origin, /*native_only=*/false);
}

void DataLoader::set_process_factory(ProcessFactory factory) {
  impl_->process_factory = std::move(factory);
}

void DataLoader::set_collate(
    std::function<Value(std::vector<Value>&&)> collate) {
  impl_->set_job(
      impl_->job->dataset,
      collate ? std::make_shared<const detail::Collate>(std::move(collate))
              : nullptr);
}

void DataLoader::set_worker_init(std::function<void(int)> init) {
  impl_->options.worker_init = std::move(init);
  impl_->set_job(impl_->job->dataset, impl_->job->collate);
}

}  // namespace ptutils::data
