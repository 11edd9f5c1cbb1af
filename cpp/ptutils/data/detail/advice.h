#pragma once

#include <string>

#include "ptutils/data/report.h"

namespace ptutils::data::detail {

/// What a loader's advice depends on beside its times.
struct AdviceFacts {
  bool python = false;     ///< samples, or batches, are made by Python
  bool processes = false;  ///< on processes
  int cores = 1;
  bool full_decoding = false;    ///< an ImageFolder without dct_scaling
  bool shuffled_blocks = false;  ///< blocks, read in a random order
};
/// Empty where the consumer hardly waits.
std::string advice(const LoaderReport& report, const AdviceFacts& facts);

}  // namespace ptutils::data::detail
