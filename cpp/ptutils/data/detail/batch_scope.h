#pragma once

#include "ptutils/data/dataset.h"

namespace ptutils::data::detail {

/// For its life, this thread makes that batch: batch_info().
class BatchScope {
 public:
  explicit BatchScope(const BatchInfo& info);
  ~BatchScope();
  BatchScope(const BatchScope&) = delete;
  BatchScope& operator=(const BatchScope&) = delete;

 private:
  const BatchInfo* before_;
};

}  // namespace ptutils::data::detail
