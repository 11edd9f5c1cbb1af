#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "ptutils/database/detail/documents.h"

/// Private to this folder.
namespace ptutils::detail {

/// Documents that wait to be written by one thread, in order. Bounded: push
/// waits. Thread-safe. The thread starts with the first document.
class SaveQueue {
 public:
  /// Writes a group in one transaction, all or none; called on the thread.
  using Write = std::function<void(const std::vector<Document>& group)>;

  SaveQueue(Write write, std::size_t max_count, std::size_t max_bytes);
  ~SaveQueue();  // stop()
  SaveQueue(const SaveQueue&) = delete;
  SaveQueue& operator=(const SaveQueue&) = delete;

  void push(Document document);
  /// Until everything pushed so far (with this id) is written or has failed.
  void wait_all();
  void wait_for(const std::string& id);
  /// Throws the first error since the last call, with how many followed.
  void raise_error();
  /// Writes what waits, then ends the thread. Idempotent; push fails after it.
  void stop();

 private:
  void run();
  std::vector<Document> take_group();
  void write_group(std::vector<Document>& group);
  void note_error(const std::string& id);
  void finish(const std::vector<Document>& group);

  const Write write_;
  const std::size_t max_count_, max_bytes_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by the mutex.
  std::deque<Document> waiting_;
  std::unordered_map<std::string, std::uint64_t> last_of_id_;
  std::uint64_t pushed_ = 0, written_ = 0;  // documents, in order
  std::size_t bytes_ = 0;
  std::exception_ptr error_;
  std::string error_id_;
  std::size_t errors_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace ptutils::detail
