#include "ptutils/data/detail/turn.h"

#include "ptutils/common/error.h"
#include "ptutils/common/fork.h"
#include "ptutils/common/interrupt.h"

namespace ptutils::data::detail {

bool Turn::is_free() const { return !taken_ || process_ != fork_generation(); }

void Turn::note_holder() {
  taken_ = true;
  holder_ = std::this_thread::get_id();
  process_ = fork_generation();
}

void Turn::take() {
  std::unique_lock lock(mutex_);
  if (!is_free() && holder_ == std::this_thread::get_id())
    fail(Kind::kState, "DataLoader",
         "its own data set, sampler or collate_fn asks it for a batch");
  ptutils::wait(given_, lock, [this] { return is_free(); });
  note_holder();
}

bool Turn::try_take() {
  std::lock_guard lock(mutex_);
  if (!is_free()) return false;
  note_holder();
  return true;
}

void Turn::give() {
  {
    std::lock_guard lock(mutex_);
    taken_ = false;
  }
  given_.notify_one();
}

}  // namespace ptutils::data::detail
