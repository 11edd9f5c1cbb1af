#pragma once

#include <cstdint>
#include <string>

#include "ptutils/common/export.h"

namespace ptutils::data {

/// Where the time of a loader went, of the batches that it gave.
struct PTUTILS_API LoaderReport {
  std::int64_t batches = 0;
  std::int64_t samples = 0;
  std::int64_t skipped = 0;  ///< samples left out by on_error="skip"
  int workers = 0;           ///< threads in use
  // Seconds. Making: of all threads together; within it (of data sets that
  // core readers and transforms make): reading from files, with what these
  // decompress; decoding pictures; transforms and the way into the batch, and
  // within those the functions of another language, its lock included.
  double making = 0, reading = 0, decoding = 0, transforming = 0, python = 0;
  double waiting = 0;  ///< the consumer, for batches
  double working = 0;  ///< the consumer, between batches
  std::string advice;  ///< one line, where it waits for more than a fifth

  /// Of the consumer's time; 0 before the first batch.
  double waiting_share() const;
  std::string text() const;
};

}  // namespace ptutils::data
