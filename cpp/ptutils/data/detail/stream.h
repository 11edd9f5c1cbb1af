#pragma once

#include <memory>
#include <vector>

#include "ptutils/data/dataset.h"

namespace ptutils::data::detail {

/// The samples of data sets one after another, of which some may have indices.
std::unique_ptr<SampleStream> stream_of(
    std::vector<std::shared_ptr<Dataset>> parts, const Random& stream,
    std::int64_t epoch);

}  // namespace ptutils::data::detail
