#pragma once

#include <atomic>

#include "ptutils/data/dataset.h"

namespace ptutils::data::detail {

/// For its life, this thread makes that batch: batch_info().
class BatchScope {
 public:
  /// `awaited`: nothing else is to be made before it; see batch_is_awaited().
  /// `over`: set once nobody wants it any more; see check_wanted().
  explicit BatchScope(const BatchInfo& info, bool awaited = false,
                      const std::atomic<bool>* over = nullptr);
  ~BatchScope();
  BatchScope(const BatchScope&) = delete;
  BatchScope& operator=(const BatchScope&) = delete;

 private:
  const BatchInfo* before_;
  bool awaited_before_;
  const std::atomic<bool>* over_before_;
};

/// Whether the batch of this thread is an epoch's first, for which the consumer
/// waits: several threads are to make it.
bool batch_is_awaited();

}  // namespace ptutils::data::detail
