#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

#include "ptutils/common/log.h"
#include "support.h"

namespace logging = ptutils::log;

namespace {

// Collects records while it lives.
class Collector {
 public:
  Collector() {
    logging::set_sink([this](const logging::Record& record) {
      std::lock_guard lock(mutex_);
      records_.push_back(record);
    });
  }
  ~Collector() {
    logging::set_sink(nullptr);
    logging::set_level(logging::Level::kInfo);
  }
  std::vector<logging::Record> records() {
    std::lock_guard lock(mutex_);
    return records_;
  }

 private:
  std::mutex mutex_;
  std::vector<logging::Record> records_;
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
  logging::warning("step ", 3, " took ", 0.5, " s");
  auto records = sink.records();
  REQUIRE(records.size() == 1);
  CHECK(records[0].level == logging::Level::kWarning);
  CHECK(records[0].logger == "ptutils");
  CHECK(records[0].message == "step 3 took 0.5 s");
  CHECK(records[0].time > 1.6e9);
}

TEST_CASE("records below the level are dropped") {
  Collector sink;
  logging::debug("dropped");
  CHECK(sink.records().empty());
  logging::set_level(logging::Level::kDebug);
  CHECK(logging::enabled(logging::Level::kDebug));
  logging::debug("kept");
  logging::set_level(logging::Level::kError);
  logging::warning("dropped");
  CHECK(sink.records().size() == 1);
}

TEST_CASE("the default sink writes a line with the time to standard error") {
  std::string text = stderr_of([] { logging::info("hello ", 1); });
  REQUIRE(text.size() == std::string("HH:MM:SS info hello 1\n").size());
  CHECK(text[2] == ':');
  CHECK(text.substr(8) == " info hello 1\n");
}

TEST_CASE("a record is not lost when the sink throws") {
  std::string text = stderr_of([] {
    logging::set_sink([](const logging::Record&) { throw 1; });
    logging::error("important");
  });
  CHECK(test::contains(text, "error important"));
}

TEST_CASE("passwords in addresses are hidden from the log") {
  Collector sink;
  logging::info("connected to mongodb://u:secret@host");
  CHECK(sink.records().at(0).message == "connected to mongodb://u:***@host");
}

TEST_CASE("a sink may log and replace the sink: no lock is held") {
  std::atomic<int> calls{0};
  logging::set_sink([&](const logging::Record&) {
    if (++calls == 1) logging::info("from the sink");
    logging::set_sink(nullptr);
  });
  logging::info("first");
  CHECK(calls == 2);
}

TEST_CASE("threads log while the sink is replaced") {
  std::atomic<int> calls{0};
  auto count = [&](const logging::Record&) { ++calls; };
  logging::set_sink(count);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 200; ++i) logging::info("x");
    });
  }
  for (int i = 0; i < 50; ++i) logging::set_sink(count);
  for (auto& thread : threads) thread.join();
  logging::set_sink(nullptr);
  CHECK(calls == 800);
}
