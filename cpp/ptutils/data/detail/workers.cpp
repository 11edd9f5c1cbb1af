#include "ptutils/data/detail/workers.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "ptutils/common/interrupt.h"
#include "ptutils/common/shutdown.h"
#include "ptutils/data/detail/crew.h"

namespace ptutils::data::detail {
namespace {

constexpr double kWorthAWait = 2e-3;  // s
/// Batches of more, that take long to make, are made by all threads, one after
/// the other: as fast, in less memory.
constexpr std::size_t kShared = std::size_t{8} << 20;

struct Slot {
  bool ready = false;
  Loaded loaded;
  std::exception_ptr error;
};

}  // namespace

/// Held by the consumer and by each thread; it ends with the last of them.
/// Under the mutex nothing of the data set's is called or destroyed.
struct Workers::Shared {
  Shared(std::shared_ptr<const BatchJob> job_, std::int64_t ahead_)
      : job(std::move(job_)),
        ahead(ahead_),
        limit(ahead_),
        slots(static_cast<std::size_t>(ahead_)),
        bin(static_cast<std::size_t>(ahead_) + 2) {
    job->dataset->running.fetch_add(1);
  }
  ~Shared() { job->dataset->running.fetch_sub(1); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  void work(int number);
  Value free_buffers(std::unique_lock<std::mutex>& lock);
  void stop();
  bool wanted() const {
    if (alone && issued > taken) return false;
    return plan && issued < plan->batches &&
           issued <
               taken + (awaited ? std::max<std::int64_t>(limit, 1) : limit);
  }
  Slot& slot(std::int64_t batch) {
    return slots[static_cast<std::size_t>(batch % ahead)];
  }

  const std::shared_ptr<const BatchJob> job;
  const std::int64_t ahead;  // batches loaded before they are taken
  std::int64_t limit;        // of them, those that may be begun: up to `ahead`
  bool awaited = false;      // the consumer waits for one
  bool alone = false;        // all make one batch, before any other
  bool shares = false;       // the first one, at least
  bool thrifty = false;      // then large ones too
  bool patient = true;       // see free_buffers
  double making = 1;         // seconds that the last batch took
  std::mutex mutex;
  std::condition_variable work_came, batch_came;
  std::shared_ptr<const Plan> plan;
  std::uint64_t seeks = 0;  // tells batches of an abandoned plan
  std::int64_t issued = 0;  // next batch that a thread begins
  std::int64_t taken = 0;   // next batch of the consumer
  std::vector<Slot> slots;
  RecycleBin bin;
  bool stopping = false;
  std::atomic<bool> over{false};  // as stopping, for those that make a batch
};

/// The consumer lets go of a batch just after it gets the next: a moment's wait
/// for it takes a batch's memory less. Only where batches take long to make,
/// and never again where the consumer keeps them.
Value Workers::Shared::free_buffers(std::unique_lock<std::mutex>& lock) {
  Value found = bin.take();
  patient = patient && making > kWorthAWait;
  for (int i = 0; i < 20 && found.is_null() && patient && bin.size() > 1; ++i) {
    lock.unlock();
    std::this_thread::sleep_for(std::chrono::microseconds(20));
    lock.lock();
    found = bin.take();
    if (i == 19) patient = !found.is_null();
  }
  return found;
}

void Workers::Shared::work(int number) {
  bool begun = !job->worker_init;
  std::unique_lock lock(mutex);
  for (;;) {
    work_came.wait(lock, [this] { return stopping || wanted(); });
    if (stopping) return;
    std::int64_t batch = issued++;
    std::uint64_t seek = seeks;
    std::shared_ptr<const Plan> mine = plan;
    Value reuse = free_buffers(lock);
    // With the last one its threads have nothing else to do.
    const bool all = alone || (shares && issued == mine->batches);
    lock.unlock();
    Loaded loaded;
    std::exception_ptr error;
    try {
      if (!begun) job->worker_init(number);
      begun = true;
      loaded = job->load(*mine, batch, reuse, all, &over);
    } catch (...) {
      error = std::current_exception();
    }
    reuse = Value();
    mine.reset();
    lock.lock();
    making = loaded.spent.making;
    const bool large =
        loaded.recyclable && loaded.bytes > kShared && making > kWorthAWait;
    if (seek == seeks && std::exchange(alone, shares && thrifty && large))
      work_came.notify_all();
    if (seek == seeks && !stopping) {
      slot(batch).loaded = std::move(loaded);
      slot(batch).error = std::move(error);
      slot(batch).ready = true;
      if (batch == taken) batch_came.notify_one();
    } else {
      lock.unlock();
      loaded = Loaded();
      error = nullptr;
      lock.lock();
    }
  }
}

void Workers::Shared::stop() {
  std::vector<Slot> slots_left;
  std::vector<Value> batches_left;
  std::shared_ptr<const Plan> plan_left;
  {
    std::lock_guard lock(mutex);
    stopping = over = true;
    slots_left.swap(slots);
    bin.clear(batches_left);
    plan_left.swap(plan);
  }
  work_came.notify_all();
  batch_came.notify_all();
}

std::unique_ptr<Workers> Workers::start(std::shared_ptr<const BatchJob> job,
                                        int threads, std::int64_t ahead,
                                        bool thrifty) {
  Crew::list_for_shutdown();
  Crew::reap();
  if (shutdown::done()) return nullptr;
  std::unique_ptr<Workers> out(new Workers);
  out->shared_ = std::make_shared<Shared>(std::move(job), ahead);
  out->shared_->shares = threads > 1 && out->shared_->job->shares();
  out->shared_->thrifty = thrifty;
  out->crew_ = std::make_shared<Crew>();
  while (out->crew_->size() < threads &&
         out->crew_->add([shared = out->shared_, number = out->crew_->size()] {
           shared->work(number);
         })) {
  }
  out->threads_ = out->crew_->size();
  if (out->threads_ == 0) return nullptr;
  out->shutdown_id_ = shutdown::add([shared = out->shared_, crew = out->crew_] {
    if (!crew->mine()) return;
    shared->stop();
    // Awaited by the list: here a loader that another thread lets go would wait
    // for us, with a lock that its threads need to end.
    Crew::dismiss(crew, {});
  });
  return out;
}

Workers::~Workers() {
  if (!crew_->mine()) {
    // A fork's child: locks and handles belong to threads that are not here.
    // Leaked on purpose.  NOLINTNEXTLINE(bugprone-unhandled-exception-at-new)
    new std::shared_ptr<Shared>(std::move(shared_));
    Crew::dismiss(std::move(crew_), {});
    return;
  }
  if (shutdown_id_) shutdown::remove(shutdown_id_);
  shared_->stop();
  Crew::dismiss(std::move(crew_), grace);
}

void Workers::stop() {
  if (crew_->mine()) shared_->stop();
}

void Workers::seek(std::shared_ptr<const Plan> plan, std::int64_t batch) {
  std::vector<Slot> dropped(static_cast<std::size_t>(shared_->ahead));
  {
    std::lock_guard lock(shared_->mutex);
    if (shared_->stopping) return;
    shared_->slots.swap(dropped);
    shared_->plan.swap(plan);
    ++shared_->seeks;
    shared_->issued = shared_->taken = batch;
    shared_->alone = shared_->shares;
  }
  shared_->work_came.notify_all();
}

void Workers::limit(std::int64_t ahead) {
  std::lock_guard lock(shared_->mutex);
  shared_->limit = std::min(ahead, shared_->ahead);
  limited = true;
}

void Workers::follow(std::shared_ptr<const Plan> plan) {
  std::lock_guard lock(shared_->mutex);
  if (!shared_->stopping) shared_->plan.swap(plan);
}

Workers::Taken Workers::take(double timeout) {
  std::optional<std::chrono::steady_clock::duration> limit;
  if (timeout > 0)
    limit = std::chrono::duration_cast<std::chrono::steady_clock::duration>(
        std::chrono::duration<double>(std::min(timeout, 1e9)));
  Shared& s = *shared_;
  Slot slot;
  Value unwanted;
  {
    std::unique_lock lock(s.mutex);
    s.awaited = s.limit == 0;
    if (s.awaited) s.work_came.notify_one();
    bool came = ptutils::wait(
        s.batch_came, lock,
        [&s] { return s.stopping || s.slot(s.taken).ready; }, limit);
    s.awaited = false;
    if (s.stopping || !came) {
      bool stopping = s.stopping;
      std::int64_t batch = s.taken;
      lock.unlock();
      if (stopping) return {{}, nullptr, true};
      fail(Kind::kState, "DataLoader", "batch ", batch,
           " took longer than "
           "timeout=",
           timeout,
           " s; raise timeout, or look at what is slow in "
           "the data set");
    }
    std::swap(slot, s.slot(s.taken));
    ++s.taken;
    if (slot.loaded.recyclable) unwanted = s.bin.put(slot.loaded.batch);
  }
  s.work_came.notify_one();
  return {std::move(slot.loaded), std::move(slot.error)};
}

bool Workers::stopped() const {
  if (!crew_->mine()) return true;
  std::lock_guard lock(shared_->mutex);
  return shared_->stopping;
}

}  // namespace ptutils::data::detail
