#pragma once

#include "ptutils/module/value.h"

/// Private to this folder.
namespace ptutils::detail {

/// Place of the value's type in compare_values' order; only values of one rank
/// compare in a query.
int type_rank(const Value& value);

}  // namespace ptutils::detail
