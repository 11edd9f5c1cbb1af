#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

#include "ptutils/common/log.h"
#include "support.h"

namespace log = ptutils::log;

namespace {

// Collects records while it lives.
class Collector {
 public:
  Collector() {
    log::set_sink([this](const log::Record& record) {
      std::lock_guard lock(mutex_);
      records_.push_back(record);
    });
  }
  ~Collector() {
    log::set_sink(nullptr);
    log::set_level(log::Level::kInfo);
  }
  std::vector<log::Record> records() {
    std::lock_guard lock(mutex_);
    return records_;
  }

 private:
  std::mutex mutex_;
  std::vector<log::Record> records_;
};

// What a child writes to its standard error.
std::string stderr_of(const std::function<void()>& body) {
  test::Folder folder;
  std::string path = folder / "stderr";
  test::in_child([&] {
    if (!freopen(path.c_str(), "w", stderr)) return false;
    body();
    fflush(stderr);
    return true;
  });
  return test::get(path);
}

}  // namespace

TEST_CASE("records reach the sink with level, logger, message and time") {
  Collector sink;
  log::warning("step ", 3, " took ", 0.5, " s");
  auto records = sink.records();
  REQUIRE(records.size() == 1);
  CHECK(records[0].level == log::Level::kWarning);
  CHECK(records[0].logger == "ptutils");
  CHECK(records[0].message == "step 3 took 0.5 s");
  CHECK(records[0].time > 1.6e9);
}

TEST_CASE("records below the level are dropped") {
  Collector sink;
  log::debug("dropped");
  CHECK(sink.records().empty());
  log::set_level(log::Level::kDebug);
  CHECK(log::enabled(log::Level::kDebug));
  log::debug("kept");
  log::set_level(log::Level::kError);
  log::warning("dropped");
  CHECK(sink.records().size() == 1);
}

TEST_CASE("the default sink writes a line with the time to standard error") {
  std::string text = stderr_of([] { log::info("hello ", 1); });
  REQUIRE(text.size() == std::string("HH:MM:SS info hello 1\n").size());
  CHECK(text[2] == ':');
  CHECK(text.substr(8) == " info hello 1\n");
}

TEST_CASE("a record is not lost when the sink throws") {
  std::string text = stderr_of([] {
    log::set_sink([](const log::Record&) { throw 1; });
    log::error("important");
  });
  CHECK(test::contains(text, "error important"));
}

TEST_CASE("passwords in addresses are hidden from the log") {
  Collector sink;
  log::info("connected to mongodb://u:secret@host");
  CHECK(sink.records().at(0).message == "connected to mongodb://u:***@host");
}

TEST_CASE("a sink may log and replace the sink: no lock is held") {
  std::atomic<int> calls{0};
  log::set_sink([&](const log::Record&) {
    if (++calls == 1) log::info("from the sink");
    log::set_sink(nullptr);
  });
  log::info("first");
  CHECK(calls == 2);
}

TEST_CASE("threads log while the sink is replaced") {
  std::atomic<int> calls{0};
  auto count = [&](const log::Record&) { ++calls; };
  log::set_sink(count);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 200; ++i) log::info("x");
    });
  }
  for (int i = 0; i < 50; ++i) log::set_sink(count);
  for (auto& thread : threads) thread.join();
  log::set_sink(nullptr);
  CHECK(calls == 800);
}
