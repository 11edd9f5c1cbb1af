#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "ptutils/common/error.h"

namespace ptutils::log {

enum class Level { kDebug = 10, kInfo = 20, kWarning = 30, kError = 40 };

struct Record {
  Level level;
  std::string logger;  ///< "ptutils" or "ptutils.<room>"
  std::string message;
  double time;  ///< seconds since the epoch
};

/// Where records go. The default writes "HH:MM:SS level message" to stderr.
/// A sink is called under no core lock, from any thread.
using Sink = std::function<void(const Record&)>;

/// Replaces the sink; nullptr restores the default.
PTUTILS_API void set_sink(Sink sink);

/// Records below the level are dropped before they are built (default info).
PTUTILS_API void set_level(Level level);
PTUTILS_API bool enabled(Level level);
PTUTILS_API void write(Level level, std::string_view logger,
                       std::string_view message);

template <class... Parts>
void debug(const Parts&... parts) {
  if (enabled(Level::kDebug)) write(Level::kDebug, "ptutils", str(parts...));
}
template <class... Parts>
void info(const Parts&... parts) {
  if (enabled(Level::kInfo)) write(Level::kInfo, "ptutils", str(parts...));
}
template <class... Parts>
void warning(const Parts&... parts) {
  if (enabled(Level::kWarning))
    write(Level::kWarning, "ptutils", str(parts...));
}
template <class... Parts>
void error(const Parts&... parts) {
  if (enabled(Level::kError)) write(Level::kError, "ptutils", str(parts...));
}

}  // namespace ptutils::log
