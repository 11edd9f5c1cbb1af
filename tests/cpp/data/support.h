#pragma once

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "ptutils/data/loader.h"

/// The expression throws ptutils::Error of that kind whose text has `part`.
#define CHECK_FAILS(expression, wanted, part)                    \
  do {                                                           \
    bool thrown = false;                                         \
    try {                                                        \
      (void)(expression);                                        \
    } catch (const ptutils::Error& error) {                      \
      thrown = true;                                             \
      std::string text = error.what();                           \
      CHECK_MESSAGE(error.kind() == (wanted), text);             \
      CHECK_MESSAGE(text.find(part) != std::string::npos, text); \
      CHECK_MESSAGE(text[0] == '[', text);                       \
    }                                                            \
    CHECK_MESSAGE(thrown, "no error from " #expression);         \
  } while (false)

namespace test {

using ptutils::Dims;
using ptutils::DType;
using ptutils::Kind;
using ptutils::Random;
using ptutils::Tensor;
using ptutils::Value;
using namespace ptutils::data;  // NOLINT(google-build-using-namespace)

/// Samples are their own index (i64), with a random number; get() may be
/// watched, slowed down or made to fail.
class Numbers : public Dataset {
 public:
  explicit Numbers(std::int64_t n) : n_(n) {}
  std::int64_t size() const override { return n_; }
  Value get(std::int64_t index, Random random) override {
    calls.fetch_add(1);
    if (on_get) on_get(index);
    return Value::list({Value(index), Value(random.next_uniform())}, true);
  }
  std::function<void(std::int64_t)> on_get;
  std::atomic<int> calls{0};

 private:
  std::int64_t n_;
};

/// What identifies a batch of Numbers: its indices and random numbers.
struct Seen {
  std::vector<std::int64_t> indices;
  std::vector<double> random;
  bool operator==(const Seen&) const = default;
};

inline Seen seen(const Value& batch) {
  const auto& items = batch.as_list().items;
  const Tensor& indices = items[0].as_tensor();
  const Tensor& random = items[1].as_tensor();
  Seen out;
  out.indices.assign(indices.data<std::int64_t>(),
                     indices.data<std::int64_t>() + indices.numel());
  out.random.assign(random.data<double>(),
                    random.data<double>() + random.numel());
  return out;
}

/// One epoch's batches.
inline std::vector<Seen> epoch_of(Loader& loader) {
  std::vector<Seen> out;
  Value batch;
  while (loader.next(batch)) out.push_back(seen(batch));
  return out;
}

inline DataLoader::Options options(std::int64_t batch_size, bool shuffle,
                                   std::optional<std::int64_t> workers) {
  DataLoader::Options o;
  o.batch_size = batch_size;
  o.shuffle = shuffle;
  o.num_workers = workers;
  o.seed = 7;
  return o;
}

inline int thread_count() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator("/proc/self/task"))
    ++count;
  return count;
}

/// A joined thread may stay in /proc for a moment.
/// Once threads that earlier tests let go have ended.
inline int settled_thread_count() {
  int count = thread_count();
  for (int same = 0; same < 10; ++same) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    int now = thread_count();
    if (now != count) same = 0;
    count = now;
  }
  return count;
}

inline bool threads_fall_to(int wanted) {
  for (int i = 0; i < 500; ++i) {
    if (thread_count() <= wanted) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

/// A folder of its own, removed at the end.
class Folder {
 public:
  Folder() {
    std::string name =
        (std::filesystem::temp_directory_path() / "ptutils-data-XXXXXX")
            .string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name,
                              const std::string& bytes) const {
    auto path = path_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace test
