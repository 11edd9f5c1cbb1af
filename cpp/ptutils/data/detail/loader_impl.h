#pragma once

#include <chrono>
#include <mutex>

#include "ptutils/data/detail/batch_job.h"
#include "ptutils/data/detail/turn.h"
#include "ptutils/data/detail/workers.h"
#include "ptutils/data/loader.h"

namespace ptutils::data {

inline constexpr char kLoader[] = "DataLoader";  // where its errors are

namespace detail {

/// Where a loader is. What moves it while a thread draws counts at the next
/// batch.
struct Position {
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;
  std::int64_t batch = 0;
  std::int64_t skipped = 0;  // samples before the first batch of the epoch
  Value stream;              // there, of an iterable data set that tells it
  std::uint64_t moves = 0;
};

/// Kind::kValue where it is none.
void check_position(std::int64_t epoch, std::int64_t batch);
std::optional<Origin> origin_of(const std::string& output);
std::int64_t size_of(const Dataset& dataset);
std::int64_t batches_of(std::int64_t samples, const DataLoader::Options& o);
/// The sampler's order. A list is in our own memory, and every index of it
/// checked, once an epoch.
Order checked_order(Sampler& sampler, const Dataset& dataset,
                    std::uint64_t seed, std::int64_t epoch);
/// The batch sampler's, checked likewise; Kind::kValue for an empty batch.
Batches checked_batches(BatchSampler& sampler, const Dataset& dataset,
                        std::uint64_t seed, std::int64_t epoch);
/// Those that are not the default, as they would be given.
void put_options(const DataLoader::Options& options, Dict& config);
/// Batches that so many workers load before they are taken.
std::int64_t depth_of(const DataLoader::Options& options, std::int64_t workers);
/// Kind::kValue for options that contradict each other.
void check_options(const DataLoader::Options& options);
/// And for those that only samples with an index can have.
void check_iterable(const DataLoader::Options& options, bool sampled);

}  // namespace detail

struct DataLoader::Impl {
  Impl(std::shared_ptr<Dataset> dataset, Options options_);

  using Position = detail::Position;
  Position now() const;
  /// Changes it. Never waits for a thread that draws: that may need what the
  /// caller holds.
  template <class F>
  void move(F&& change);
  void set_position(std::int64_t epoch, std::int64_t batch);
  std::int64_t samples() const;
  std::int64_t batches_from(const Position& position) const;
  std::int64_t given(const Position& position) const;
  void set_given(std::int64_t count);
  void check_samples();
  void check_order(const Value& before) const;
  std::shared_ptr<detail::Workers> current() const;
  void stop_workers(std::chrono::milliseconds grace);
  std::shared_ptr<const detail::BatchJob> worker_job() const;
  void set_job(std::shared_ptr<Dataset> dataset,
               std::shared_ptr<const detail::Collate> collate);

  // For the thread that has the turn.
  void invalidate();
  void refresh();
  void plan_epoch();
  void follow_requests();
  std::int64_t lag() const {
    return options.lag.value_or(options.prefetch_factor.value_or(2));
  }
  const Module* order_source() const;
  bool threaded() const;
  int wanted_threads() const;
  std::shared_ptr<detail::Workers> ensure_workers();
  bool advance(Value& batch);
  bool step(Value& batch, bool& empty);
  void mark_origin(Value& batch) const;
  detail::Loaded load();
  detail::Loaded load_here();
  void note(const detail::Loaded& loaded, detail::Clock::time_point begin);
  void tell_left_out(const detail::Loaded& loaded, std::int64_t before) const;
  std::chrono::milliseconds patience() const;
  void measure(std::chrono::steady_clock::duration took);
  bool makes_elsewhere() const;  // samples or batches, in another language

  std::shared_ptr<const detail::BatchJob> job;
  ProcessFactory process_factory;
  std::shared_ptr<Sampler> sampler;
  std::shared_ptr<BatchSampler> batch_sampler;  // or null
  Options options;
  bool is_python;
  std::string label = "DataLoader";
  std::optional<std::int64_t> samples_before;  // of a state that is loaded

  mutable std::mutex mutex;  // held for no longer than it takes to copy these:
  Position position;
  detail::Requests requests;
  std::uint64_t requested = 0;  // times that they changed
  std::optional<Origin> output;
  std::shared_ptr<detail::Workers> workers;
  const detail::BatchJob* workers_of = nullptr;  // the job that they began with
  LoaderReport tally;

  detail::Turn turn;  // to draw a batch; what follows is its holder's
  Position at;
  std::shared_ptr<const detail::Plan> plan;  // of `at`; null: not made yet
  const Dataset* planned_dataset = nullptr;
  const Module* planned_sampler = nullptr;
  std::uint64_t planned_requests = 0;
  std::shared_ptr<detail::Feed> drawn_ahead;  // of the plan, once threads draw
  std::optional<detail::Clock::time_point> gave;  // the last batch, when
  detail::RecycleBin bin{2};
  bool worth_threads = false;  // measured, where num_workers says nothing
  int slow_batches = 0;
};

template <class F>
void DataLoader::Impl::move(F&& change) {
  {
    std::lock_guard lock(mutex);
    position.stream = Value();
    requests.end_epoch();
    change(position);
    ++position.moves;
  }
  if (!turn.try_take()) return;  // its holder follows
  invalidate();
  turn.give();
}

}  // namespace ptutils::data
