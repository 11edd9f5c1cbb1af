#include "ptutils/data/detail/feed.h"

#include <utility>

#include "ptutils/data/detail/batch_scope.h"
#include "ptutils/data/detail/sample_error.h"

namespace ptutils::data::detail {

std::vector<Value> Feed::take(std::int64_t count) {
  if (!samples_) {
    samples_ = dataset_->iterate(stream_, epoch_);
    const Value state = std::exchange(state_, Value());
    if (!state.is_null())
      samples_->load_state(state);
    else if (drawn_ > 0)
      ended_ = !samples_->skip(drawn_);
  }
  std::vector<Value> out;
  while (!ended_ && static_cast<std::int64_t>(out.size()) < count) {
    check_wanted();
    Value sample;
    try {
      ended_ = !samples_->next(sample);
    } catch (...) {
      rethrow_in_sample(drawn_);
    }
    if (ended_) break;
    out.push_back(std::move(sample));
    ++drawn_;
  }
  return out;
}

}  // namespace ptutils::data::detail
