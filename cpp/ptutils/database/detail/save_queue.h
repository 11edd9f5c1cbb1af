#pragma once

#include "ptutils/common/work_queue.h"
#include "ptutils/database/detail/documents.h"

/// Private to this folder.
namespace ptutils::detail {

/// Documents that wait to be written by one thread, several in a transaction.
class SaveQueue {
 public:
  using Write = WorkQueue<Document>::Work;

  SaveQueue(Write write, std::size_t max_count, std::size_t max_bytes);

  using GiveUp = WorkQueue<Document>::GiveUp;

  /// These return false when `give_up` ended their waiting.
  bool push(Document document, const GiveUp& give_up);
  bool wait_all(const GiveUp& give_up) { return queue_.wait_all(give_up); }
  bool wait_for(const std::string& id, const GiveUp& give_up) {
    return queue_.wait_for(id, give_up);
  }
  /// "3 saves (12 MB)", that wait.
  std::string waiting();
  /// Throws the first error since the last call, with how many followed.
  void raise_error();
  /// Writes what waits, then ends the thread. Idempotent; push fails after it.
  void stop() { queue_.stop(); }

 private:
  WorkQueue<Document> queue_;
};

}  // namespace ptutils::detail
