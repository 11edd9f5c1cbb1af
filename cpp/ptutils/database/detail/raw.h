#pragma once

#include <string>

#include "ptutils/database/detail/connection.h"
#include "ptutils/module/value.h"

/// Private to this folder.
namespace ptutils::detail {

/// SQLiteInterface::execute on a connection.
Value execute_raw(Connection& db, const std::string& sql, const Value& params);

}  // namespace ptutils::detail
