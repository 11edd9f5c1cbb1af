#include "ptutils/database/detail/save_queue.h"

#include <new>
#include <utility>

namespace ptutils::detail {
namespace {

// A transaction's size: enough to share one flush among many small documents,
// little enough to let other writers in.
constexpr std::size_t kGroupCount = 1000;
constexpr std::size_t kGroupBytes = std::size_t{64} << 20;

}  // namespace

SaveQueue::SaveQueue(Write write, std::size_t max_count, std::size_t max_bytes)
    : queue_(std::move(write),
             {max_count, max_bytes, kGroupCount, kGroupBytes}) {}

bool SaveQueue::push(Document document, const GiveUp& give_up) {
  using Push = WorkQueue<Document>::Push;
  const Push pushed = queue_.push(std::move(document), give_up);
  if (pushed == Push::kStopped)
    fail(Kind::kState, "SQLiteInterface", "closed while a save waited");
  return pushed == Push::kTaken;
}

std::string SaveQueue::waiting() {
  const auto waiting = queue_.waiting();
  return str(waiting.items, waiting.items == 1 ? " save (" : " saves (",
             (waiting.bytes + 999'999) / 1'000'000, " MB)");
}

void SaveQueue::raise_error() {
  const auto failure = queue_.take_failure();
  if (!failure.error) return;
  std::string more =
      failure.count > 1 ? str(" (and ", failure.count - 1, " more)") : "";
  try {
    std::rethrow_exception(failure.error);
  } catch (const Error& cause) {
    throw Error(cause.kind(), str("background save of document ", failure.id,
                                  more, " failed: ", cause.what()));
  } catch (const std::bad_alloc&) {
    fail(Kind::kMemory, "SQLiteInterface", "background save of document ",
         failure.id, more, " failed: no memory");
  }
}

}  // namespace ptutils::detail
