#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ptutils/data/dataset.h"
#include "ptutils/data/detail/feed.h"
#include "ptutils/data/detail/requests.h"
#include "ptutils/data/detail/spent.h"
#include "ptutils/data/sampler.h"

namespace ptutils::data::detail {

/// The batches of one epoch. Never changes; threads share it.
struct Plan {
  Order order;
  std::int64_t first = 0;  ///< the place in the order where batch 0 begins
  std::int64_t batch_size = 1;
  std::vector<std::int64_t> ends;  ///< of a batch sampler's; else empty
  std::int64_t batches = 0;
  std::int64_t epoch = 0;
  std::uint64_t seed = 0;
  Random stream;               ///< of the samples
  std::shared_ptr<Feed> feed;  ///< of an iterable data set; else null
  Requests requests;

  /// The places [first, second) of a batch in the order.
  std::pair<std::int64_t, std::int64_t> places(std::int64_t batch) const;
  std::vector<std::int64_t> indices(std::int64_t batch) const;
};

using Collate = std::function<Value(std::vector<Value>&&)>;

/// A sample that failed, and was left out of its batch.
struct LeftOut {
  std::int64_t index;
  std::string why;
};

struct Loaded {
  Value batch;
  bool recyclable = false;   ///< all of it is in memory of buffer()
  std::size_t bytes = 0;     ///< of that memory
  std::int64_t samples = 0;  ///< 0: all were left out, there is no batch
  bool ended = false;        ///< a feed had no batch any more
  Value stream;              ///< a feed's state behind it
  std::vector<LeftOut> left_out;
  Spent spent;
};

/// How a batch is made. Calls the data set, so: never under a core mutex. The
/// loader and its threads share one, which never changes: so the data set has
/// one owner, whether there are threads or not, as the collector of another
/// language wants it.
struct BatchJob {
  std::shared_ptr<Dataset> dataset;
  std::shared_ptr<const Collate> collate;  ///< empty: the data set's own
  bool draws_random = true;
  bool batched = true;
  bool skips_errors = false;
  std::int64_t smallest = 1;  ///< a feed's batches of fewer are dropped
  std::function<void(int)> worker_init;

  /// `awaited`: by several threads, where the data set can. `over`: set once
  /// it is not wanted any more.
  Loaded load(const Plan& plan, std::int64_t batch, const Value& reuse,
              bool awaited = false,
              const std::atomic<bool>* over = nullptr) const;
  bool shares() const;

 private:
  /// Samples of a batch, with their streams (where it draws).
  struct Draw {
    std::vector<std::int64_t> indices;
    std::vector<Random> random;
  };
  Draw drawn(const Plan& plan, std::int64_t batch) const;
  Value make(const Draw& draw, const Value& reuse) const;
  void make_chosen(Draw draw, const Value& reuse, Loaded& out) const;
  void make_next(const Plan& plan, const Value& reuse, Loaded& out) const;
  Value make_of(std::vector<Value>&& samples, const Plan& plan,
                std::int64_t first, const Value& reuse, Loaded& out) const;
  Value sample(const Draw& draw, std::size_t i) const;
  bool leave_out(Draw& draw, std::vector<LeftOut>& out) const;
};

/// Batches that were given out, for their buffers. Not thread-safe.
class RecycleBin {
 public:
  explicit RecycleBin(std::size_t limit) : limit_(limit) {
    batches_.reserve(limit);
  }
  /// A batch whose buffers nobody else holds, or null.
  Value take();
  std::size_t size() const { return batches_.size(); }
  /// Returns what no longer fits, to be dropped under no lock.
  [[nodiscard]] Value put(Value batch);
  /// Empties it into `out`.
  void clear(std::vector<Value>& out);

 private:
  std::size_t limit_;
  std::vector<Value> batches_;  // the oldest first
};

}  // namespace ptutils::data::detail
