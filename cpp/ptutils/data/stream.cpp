#include "ptutils/data/detail/stream.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "ptutils/data/dataset.h"
#include "ptutils/data/detail/batch_scope.h"

// Samples that come one after another, and what is known to who makes them.

namespace ptutils::data {
namespace {

/// Parts in order, of which some may have indices.
class PartsStream final : public SampleStream {
 public:
  PartsStream(std::vector<std::shared_ptr<Dataset>> parts, Random stream,
              std::int64_t epoch)
      : parts_(std::move(parts)), stream_(stream), epoch_(epoch) {}

  bool next(Value& sample) override {
    for (; part_ < parts_.size(); ++part_, index_ = 0, inner_ = nullptr) {
      Dataset& part = *parts_[part_];
      if (!part.is_iterable() && index_ < part.size()) {
        sample = part.get(index_++, random());
        return true;
      }
      if (part.is_iterable() && begun().next(sample)) {
        sample = part.processed(std::move(sample), random());
        return true;
      }
    }
    return false;
  }

  bool skip(std::int64_t count) override {
    for (; part_ < parts_.size(); ++part_, index_ = 0, inner_ = nullptr) {
      Dataset& part = *parts_[part_];
      if (part.is_iterable()) return SampleStream::skip(count);
      const std::int64_t here = std::min(count, part.size() - index_);
      index_ += here;
      drawn_ += here;
      count -= here;
      if (count == 0) return true;
    }
    return count == 0;
  }

  Value state() override {
    if (part_ >= parts_.size() || !parts_[part_]->is_iterable()) return {};
    const Value inner = begun().state();
    if (inner.is_null()) return {};
    return Dict{{"part", static_cast<std::int64_t>(part_)},
                {"index", index_},
                {"drawn", drawn_},
                {"state", inner}};
  }
  void load_state(const Value& state) override {
    const Dict& d = state.as_dict("IterableDataset");
    part_ = static_cast<std::size_t>(d.at("part").as_int());
    if (part_ >= parts_.size())
      fail(Kind::kValue, "IterableDataset", "the state is of data source ",
           part_, ", there are ", parts_.size());
    index_ = d.at("index").as_int();
    drawn_ = d.at("drawn").as_int();
    inner_ = nullptr;
    begun().load_state(d.at("state"));
  }

 private:
  Random random() {
    return stream_.at(static_cast<std::uint64_t>(epoch_),
                      static_cast<std::uint64_t>(drawn_++));
  }
  SampleStream& begun() {
    if (!inner_) inner_ = parts_[part_]->iterate(stream_, epoch_);
    return *inner_;
  }
  std::vector<std::shared_ptr<Dataset>> parts_;
  Random stream_;
  std::int64_t epoch_;
  std::size_t part_ = 0;
  std::int64_t index_ = 0;  // within the part
  std::int64_t drawn_ = 0;  // of all
  std::unique_ptr<SampleStream> inner_;
};

thread_local const BatchInfo* current_batch = nullptr;
thread_local bool current_is_awaited = false;
thread_local const std::atomic<bool>* current_over = nullptr;

}  // namespace

const BatchInfo* batch_info() { return current_batch; }

detail::BatchScope::BatchScope(const BatchInfo& info, bool awaited,
                               const std::atomic<bool>* over)
    : before_(std::exchange(current_batch, &info)),
      awaited_before_(std::exchange(current_is_awaited, awaited)),
      over_before_(std::exchange(current_over, over)) {}
detail::BatchScope::~BatchScope() {
  current_batch = before_;
  current_is_awaited = awaited_before_;
  current_over = over_before_;
}
void check_wanted() {
  if (current_over && *current_over)
    fail(Kind::kInterrupted, "DataLoader", "it was closed");
}
bool detail::batch_is_awaited() { return current_is_awaited; }

bool SampleStream::skip(std::int64_t count) {
  Value dropped;
  while (count-- > 0)
    if (!next(dropped)) return false;
  return true;
}

void SampleStream::load_state(const Value&) {
  fail(Kind::kState, "IterableDataset",
       "a state was saved of its source, and this one takes none");
}

std::unique_ptr<SampleStream> detail::stream_of(
    std::vector<std::shared_ptr<Dataset>> parts, const Random& stream,
    std::int64_t epoch) {
  return std::make_unique<PartsStream>(std::move(parts), stream, epoch);
}

}  // namespace ptutils::data
