#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "ptutils/tensor/tensor.h"

namespace ptutils {

/// Blocks of decoded rows, the least recently used ones dropped first. A block
/// that several threads want is decoded by one of them; the others wait for it.
class PTUTILS_API BlockCache {
 public:
  explicit BlockCache(std::size_t bytes) : limit_(bytes) {}

  /// Block `i` of the array `owner`, made where it is not there. A failure goes
  /// to the thread that tried; the next one tries again.
  Tensor get(const void* owner, std::int64_t i,
             const std::function<Tensor()>& make);
  std::size_t limit() const { return limit_; }

 private:
  using Key = std::pair<const void*, std::int64_t>;
  struct Entry {
    std::mutex making;
    Tensor block;  // under `making` until `made`, then it never changes
    bool made = false;
    std::size_t bytes = 0;         // that are counted
    std::list<Key>::iterator use;  // under the cache's mutex, as what follows
    bool listed = false;
  };
  void keep(const Key& key, const std::shared_ptr<Entry>& entry);

  const std::size_t limit_;
  std::mutex mutex_;
  std::map<Key, std::shared_ptr<Entry>> entries_;
  std::list<Key> uses_;  // the last one first
  std::size_t bytes_ = 0;
};

}  // namespace ptutils
