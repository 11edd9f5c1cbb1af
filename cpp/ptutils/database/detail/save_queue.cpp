#include "ptutils/database/detail/save_queue.h"

#include <utility>

#include "ptutils/common/interrupt.h"

namespace ptutils::detail {
namespace {

// A transaction's size: enough to share one flush among many small documents,
// little enough to let other writers in.
constexpr std::size_t kGroupCount = 1000;
constexpr std::size_t kGroupBytes = std::size_t{64} << 20;

}  // namespace

SaveQueue::SaveQueue(Write write, std::size_t max_count, std::size_t max_bytes)
    : write_(std::move(write)), max_count_(max_count), max_bytes_(max_bytes) {}

SaveQueue::~SaveQueue() { stop(); }

void SaveQueue::push(Document document) {
  const std::size_t bytes = document.bytes();
  std::unique_lock lock(mutex_);
  wait(changed_, lock, [&] {
    std::uint64_t pending = pushed_ - written_;
    return stopping_ || pending == 0 ||
           (pending < max_count_ && bytes_ + bytes <= max_bytes_);
  });
  if (stopping_)
    fail(Kind::kState, "SQLiteInterface", "closed while a save waited");
  ++pushed_;
  bytes_ += bytes;
  last_of_id_[document.id] = pushed_;
  waiting_.push_back(std::move(document));
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  changed_.notify_all();
}

void SaveQueue::wait_all() {
  std::unique_lock lock(mutex_);
  const std::uint64_t target = pushed_;
  wait(changed_, lock, [&] { return written_ >= target; });
}

void SaveQueue::wait_for(const std::string& id) {
  std::unique_lock lock(mutex_);
  auto found = last_of_id_.find(id);
  if (found == last_of_id_.end()) return;
  const std::uint64_t target = found->second;
  wait(changed_, lock, [&] { return written_ >= target; });
}

void SaveQueue::raise_error() {
  std::exception_ptr error;
  std::string id;
  std::size_t count = 0;
  {
    std::lock_guard lock(mutex_);
    if (!error_) return;
    error = std::exchange(error_, nullptr);
    id = std::exchange(error_id_, {});
    count = std::exchange(errors_, 0);
  }
  std::string more = count > 1 ? str(" (and ", count - 1, " more)") : "";
  try {
    std::rethrow_exception(error);
  } catch (const Error& cause) {
    throw Error(cause.kind(), str("background save of document ", id, more,
                                  " failed: ", cause.what()));
  } catch (const std::bad_alloc&) {
    fail(Kind::kMemory, "SQLiteInterface", "background save of document ", id,
         more, " failed: no memory");
  }
}

void SaveQueue::stop() {
  std::thread thread;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    thread = std::exchange(thread_, {});
  }
  changed_.notify_all();
  if (thread.joinable()) thread.join();
}

std::vector<Document> SaveQueue::take_group() {
  std::vector<Document> group;
  std::size_t bytes = 0;
  while (!waiting_.empty() && group.size() < kGroupCount &&
         bytes < kGroupBytes) {
    bytes += waiting_.front().bytes();
    group.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  return group;
}

void SaveQueue::run() {
  for (;;) {
    std::vector<Document> group;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      group = take_group();
    }
    write_group(group);
    finish(group);
    // Here, with nothing locked: an array's owner may need its language's lock.
    group.clear();
  }
}

void SaveQueue::write_group(std::vector<Document>& group) {
  try {
    write_(group);
    return;
  } catch (...) {
    if (group.size() == 1) return note_error(group[0].id);
  }
  // One bad document shall not take the others with it.
  for (Document& document : group) {
    std::vector<Document> one;
    one.push_back(std::move(document));
    try {
      write_(one);
    } catch (...) {
      note_error(one[0].id);
    }
    document = std::move(one[0]);
  }
}

void SaveQueue::note_error(const std::string& id) {
  std::exception_ptr error = std::current_exception();
  std::lock_guard lock(mutex_);
  ++errors_;
  if (error_) return;
  error_ = error;
  error_id_ = id;
}

void SaveQueue::finish(const std::vector<Document>& group) {
  std::size_t bytes = 0;
  for (const Document& document : group) bytes += document.bytes();
  {
    std::lock_guard lock(mutex_);
    written_ += group.size();
    bytes_ -= bytes;
    for (const Document& document : group) {
      auto last = last_of_id_.find(document.id);
      if (last != last_of_id_.end() && last->second <= written_)
        last_of_id_.erase(last);
    }
  }
  changed_.notify_all();
}

}  // namespace ptutils::detail
