#pragma once

#include <span>

#include "ptutils/data/pending.h"
#include "ptutils/module/value.h"

namespace ptutils::data::detail {

/// A number as a tensor of no dimensions (int64, float64); an array as it is.
void as_array(Pending& sample);
Value list_of(std::span<const double> numbers);

}  // namespace ptutils::data::detail
