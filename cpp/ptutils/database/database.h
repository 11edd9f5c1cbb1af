#pragma once

#include "ptutils/module/registry.h"

namespace ptutils {

/// Registers SQLiteInterface, and what open_database opens: a path that ends in
/// .db, .sqlite or .sqlite3, an SQLite file of any name, or
/// "sqlite:///relative/path" ("sqlite:////absolute/path").
PTUTILS_API void register_database(Registry& registry);

}  // namespace ptutils
