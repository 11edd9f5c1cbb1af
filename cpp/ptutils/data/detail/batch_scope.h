#pragma once

#include "ptutils/data/dataset.h"

namespace ptutils::data::detail {

/// For its life, this thread makes that batch: batch_info().
class BatchScope {
 public:
  /// `awaited`: nothing else is to be made before it; see batch_is_awaited().
  explicit BatchScope(const BatchInfo& info, bool awaited = false);
  ~BatchScope();
  BatchScope(const BatchScope&) = delete;
  BatchScope& operator=(const BatchScope&) = delete;

 private:
  const BatchInfo* before_;
  bool awaited_before_;
};

/// Whether the batch of this thread is an epoch's first, for which the consumer
/// waits: several threads are to make it.
bool batch_is_awaited();

}  // namespace ptutils::data::detail
