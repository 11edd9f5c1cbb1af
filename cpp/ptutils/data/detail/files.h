#pragma once

#include <string>
#include <vector>

namespace ptutils::data::detail {

/// The files and folders that paths and patterns (*, ?, [a-z]) mean, a
/// pattern's sorted. Kind::kIO where there is none.
std::vector<std::string> sources(const std::vector<std::string>& given);

}  // namespace ptutils::data::detail
