#include "ptutils/formats/detail/block_cache.h"

#include <vector>

#include "ptutils/formats/rows.h"

namespace ptutils {

Rows::~Rows() = default;

Tensor BlockCache::get(const void* owner, std::int64_t i,
                       const std::function<Tensor()>& make) {
  const Key key{owner, i};
  std::shared_ptr<Entry> entry;
  {
    std::lock_guard lock(mutex_);
    auto& slot = entries_[key];
    if (!slot) slot = std::make_shared<Entry>();
    entry = slot;
    if (entry->listed) {
      uses_.splice(uses_.begin(), uses_, entry->use);
      return entry->block;
    }
  }
  std::lock_guard making(entry->making);
  if (!entry->made) {
    entry->block = make();
    entry->made = true;
    keep(key, entry);
  }
  return entry->block;
}

/// Counts it, and drops the oldest beyond the limit.
void BlockCache::keep(const Key& key, const std::shared_ptr<Entry>& entry) {
  std::vector<std::shared_ptr<Entry>> dropped;  // destroyed under no lock
  std::lock_guard lock(mutex_);
  entry->bytes = entry->block.nbytes();
  bytes_ += entry->bytes;
  entry->use = uses_.insert(uses_.begin(), key);
  entry->listed = true;
  while (bytes_ > limit_ && !uses_.empty()) {
    const auto found = entries_.find(uses_.back());
    bytes_ -= found->second->bytes;
    found->second->listed = false;
    dropped.push_back(std::move(found->second));
    entries_.erase(found);
    uses_.pop_back();
  }
}

}  // namespace ptutils
