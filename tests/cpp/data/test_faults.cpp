#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>

#include "ptutils/common/interrupt.h"
#include "support.h"

using namespace test;  // NOLINT(google-build-using-namespace)

namespace {

/// Blocks get() until it is opened.
struct Gate {
  std::mutex mutex;
  std::condition_variable opened;
  bool open = false;
  void wait() {
    std::unique_lock lock(mutex);
    opened.wait(lock, [this] { return open; });
  }
  void release() {
    std::lock_guard lock(mutex);
    open = true;
    opened.notify_all();
  }
};

}  // namespace

TEST_CASE("an error of a sample names it, and keeps its kind and its place") {
  for (std::int64_t workers : {0, 1, 4}) {
    auto numbers = std::make_shared<Numbers>(64);
    std::atomic<bool> broken{true};
    numbers->on_get = [&](std::int64_t i) {
      if (i == 37 && broken)
        ptutils::fail(Kind::kIO, "Numbers", "the disk is gone");
    };
    DataLoader loader(numbers, options(8, false, workers));
    Value batch;
    for (int i = 0; i < 4; ++i) REQUIRE(loader.next(batch));
    CHECK_FAILS(loader.next(batch), Kind::kIO,
                "the disk is gone (in sample 37)");
    CHECK(loader.batch() == 4);
    CHECK_FAILS(loader.next(batch), Kind::kIO, "(in sample 37)");
    broken = false;
    REQUIRE(loader.next(batch));
    CHECK(seen(batch).indices[0] == 32);
    CHECK(epoch_of(loader).size() == 3);
  }
}

TEST_CASE("errors of the standard library name the sample too") {
  auto numbers = std::make_shared<Numbers>(8);
  numbers->on_get = [](std::int64_t i) {
    if (i == 5) throw std::out_of_range("too far");
  };
  DataLoader loader(numbers, options(8, false, 2));
  Value batch;
  CHECK_FAILS(loader.next(batch), Kind::kIndex, "too far (in sample 5)");
}

TEST_CASE("a collate error reaches the consumer") {
  DataLoader loader(std::make_shared<Numbers>(10), options(4, false, 2));
  loader.set_collate([](std::vector<Value>&&) -> Value {
    ptutils::fail(Kind::kType, "mine", "cannot");
  });
  Value batch;
  CHECK_FAILS(loader.next(batch), Kind::kType, "cannot");
}

TEST_CASE("breaking out of the loop leaves no thread") {
  int before = settled_thread_count();
  {
    DataLoader loader(std::make_shared<Numbers>(1000), options(4, true, 4));
    Value batch;
    REQUIRE(loader.next(batch));
    CHECK(loader.workers() == 4);
    CHECK(thread_count() == before + 4);
  }
  CHECK(threads_fall_to(before));
}

TEST_CASE("200 loaders made and dropped leave no thread") {
  int before = thread_count();
  for (int i = 0; i < 200; ++i) {
    auto numbers = std::make_shared<Numbers>(100);
    DataLoader loader(numbers, options(3, true, i % 4));
    Value batch;
    for (int k = 0; k < i % 7; ++k) REQUIRE(loader.next(batch));
    if (i % 5 == 0) loader.close();
    if (i % 5 == 1) loader.rewind();
  }
  CHECK(threads_fall_to(before));
}

TEST_CASE("a batch that takes too long is a timeout, and may come later") {
  auto gate = std::make_shared<Gate>();
  auto numbers = std::make_shared<Numbers>(16);
  numbers->on_get = [gate](std::int64_t i) {
    if (i == 8) gate->wait();
  };
  auto o = options(8, false, 1);
  o.timeout = 0.05;
  DataLoader loader(numbers, o);
  Value batch;
  REQUIRE(loader.next(batch));
  CHECK_FAILS(loader.next(batch), Kind::kState, "timeout=0.05");
  CHECK_FAILS(loader.next(batch), Kind::kState, "timeout=0.05");
  gate->release();
  for (int i = 0; i < 100 && numbers->calls < 16; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  while (true) {
    try {
      REQUIRE(loader.next(batch));
      break;
    } catch (const ptutils::Error&) {
    }
  }
  CHECK(seen(batch).indices[0] == 8);
}

TEST_CASE("a loader whose sample hangs can be dropped") {
  int before = thread_count();
  auto gate = std::make_shared<Gate>();
  auto start = std::chrono::steady_clock::now();
  {
    auto numbers = std::make_shared<Numbers>(16);
    numbers->on_get = [gate](std::int64_t) { gate->wait(); };
    auto o = options(8, false, 2);
    o.timeout = 0.02;
    DataLoader loader(numbers, o);
    Value batch;
    CHECK_FAILS(loader.next(batch), Kind::kState, "timeout");
  }
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(4));
  gate->release();
  CHECK(threads_fall_to(before));
}

TEST_CASE("an interrupt ends the wait and loses no batch") {
  auto gate = std::make_shared<Gate>();
  auto numbers = std::make_shared<Numbers>(8);
  numbers->on_get = [gate](std::int64_t) { gate->wait(); };
  DataLoader loader(numbers, options(8, false, 1));
  ptutils::set_interrupt_hook(
      [] { ptutils::fail(Kind::kInterrupted, "test", "Ctrl-C"); });
  Value batch;
  CHECK_FAILS(loader.next(batch), Kind::kInterrupted, "Ctrl-C");
  ptutils::set_interrupt_hook(nullptr);
  gate->release();
  REQUIRE(loader.next(batch));
  CHECK(seen(batch).indices[0] == 0);
}

#if !defined(__SANITIZE_THREAD__)
TEST_CASE("a forked child starts threads of its own") {
  DataLoader loader(std::make_shared<Numbers>(400), options(4, true, 2));
  std::vector<Seen> wanted = epoch_of(loader);
  loader.set_position(0, 0);
  Value batch;
  for (int i = 0; i < 5; ++i) REQUIRE(loader.next(batch));
  pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::alarm(20);  // a hang is a failure
    bool same = true;
    std::size_t at = 5;
    while (loader.next(batch)) same = same && seen(batch) == wanted[at++];
    {
      DataLoader dropped(std::move(loader.dataset()), options(4, true, 2));
      same = same && dropped.next(batch);
    }
    loader.close();
    ::_exit(same && at == wanted.size() ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(epoch_of(loader).size() == wanted.size() - 5);
}
#endif

TEST_CASE("a sampler that gives a wrong index is found at once") {
  class Wrong : public Sampler {
    Order order(std::int64_t n, std::uint64_t, std::int64_t) override {
      Tensor out = Tensor::zeros({n}, DType::kI64);
      out.data<std::int64_t>()[3] = n;
      return out;
    }
  };
  auto o = options(4, false, 0);
  o.shuffle = {};
  o.sampler = std::make_shared<Wrong>();
  DataLoader loader(std::make_shared<Numbers>(10), o);
  Value batch;
  CHECK_FAILS(loader.next(batch), Kind::kIndex, "index 10 at place 3");
}
