#pragma once

#include <string>

#include "ptutils/data/dataset.h"
#include "ptutils/module/registry.h"

/// Parts of register_data.
namespace ptutils::data::detail {

void register_files(Registry& registry);  ///< readers, data sets over files
void register_transforms(Registry& registry);
void register_wrappers(Registry& registry);

/// One transform or a list of them, built already.
Chain chain_of(const Value& given, const std::string& where);
/// A dict of chains by field, or a chain for the first field; null: none.
Preprocessor preprocessor_of(const Value& given, const std::string& where);

}  // namespace ptutils::data::detail
