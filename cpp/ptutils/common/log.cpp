#include "ptutils/common/log.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <ctime>
#include <memory>
#include <mutex>
#include <utility>

#include "ptutils/common/fork.h"
#include "ptutils/common/names.h"
#include "ptutils/common/process.h"

namespace ptutils::log {
namespace {

struct State {
  State() { hold_over_fork(mutex); }

  std::mutex mutex;
  std::shared_ptr<const Sink> sink;  // null: standard error
  std::atomic<Level> level{Level::kInfo};
};

State& state() {
  // Never destroyed: static destructors log too.
  static State& instance = *new State;
  return instance;
}

[[maybe_unused]] const bool kLogMade = (state(), true);

const char* name_of(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
  }
  return "log";
}

// One write of the whole line, so that lines of several threads do not mix.
void write_to_stderr(const Record& record) {
  auto seconds = static_cast<std::time_t>(record.time);
  std::tm local{};
  localtime_r(&seconds, &local);
  char clock[16];
  std::strftime(clock, sizeof clock, "%H:%M:%S", &local);
  std::string line =
      str(clock, " ", name_of(record.level), " ", record.message, "\n");
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace

void set_sink(Sink sink) {
  std::shared_ptr<const Sink> next;
  if (sink) next = std::make_shared<const Sink>(std::move(sink));
  // The old sink is destroyed after the lock: it may belong to Python.
  std::lock_guard lock(state().mutex);
  state().sink.swap(next);
}

void set_level(Level level) { state().level = level; }

bool enabled(Level level) { return level >= state().level.load(); }

void write(Level level, std::string_view logger, std::string_view message) {
  if (!enabled(level)) return;
  Record record{level, std::string(logger), hide_uri_passwords(message), now()};
  std::shared_ptr<const Sink> sink;
  {
    std::lock_guard lock(state().mutex);
    sink = state().sink;
  }
  if (!sink) return write_to_stderr(record);
  try {
    (*sink)(record);
  } catch (...) {
    // Logging happens in destructors and in handlers of other errors: a broken
    // sink must not replace those, and the record must not be lost.
    write_to_stderr(record);
  }
}

}  // namespace ptutils::log
