#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ptutils/data/dataset.h"

namespace ptutils::data::detail {

/// The samples of an iterable data set from a place in its epoch on. For one
/// thread at a time.
class Feed {
 public:
  /// From `state` (of the stream, as it was there), else past `first` samples.
  Feed(std::shared_ptr<Dataset> dataset, const Random& stream,
       std::int64_t epoch, std::int64_t first, Value state)
      : dataset_(std::move(dataset)),
        stream_(stream),
        epoch_(epoch),
        drawn_(first),
        state_(std::move(state)) {}
  /// As many as there are, up to `count`.
  std::vector<Value> take(std::int64_t count);
  /// Number of the next sample.
  std::int64_t drawn() const { return drawn_; }
  Value state() { return samples_ ? samples_->state() : state_; }

 private:
  std::shared_ptr<Dataset> dataset_;
  Random stream_;
  std::int64_t epoch_;
  std::int64_t drawn_;
  Value state_;
  std::unique_ptr<SampleStream> samples_;
  bool ended_ = false;
};

}  // namespace ptutils::data::detail
