#include <sys/mman.h>

#include <bit>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "ptutils/common/fork.h"
#include "ptutils/tensor/tensor.h"

namespace ptutils {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kRecycle = false;  // a recycled block hides use after free
#else
constexpr bool kRecycle = true;
#endif

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kHuge = 2 * kHugePage;
constexpr std::size_t kLargest = std::size_t{128} << 20;  // kept block
constexpr std::size_t kBound = std::size_t{256} << 20;    // kept in all
constexpr int kClasses = 4 * 64;

/// Four size classes to a power of two; the waste is below a fifth on average.
struct SizeClass {
  int index;
  std::size_t bytes;
};

SizeClass size_class(std::size_t bytes) {
  if (bytes <= 256) bytes = bytes <= 64 ? 64 : (bytes + 63) / 64 * 64;
  int power = std::bit_width(bytes - 1);  // 2^(power-1) < bytes <= 2^power
  std::size_t quarter = std::size_t{1} << (power >= 9 ? power - 3 : 6);
  std::size_t rounded = (bytes + quarter - 1) / quarter * quarter;
  int part = static_cast<int>((rounded - 1) / quarter) & 3;
  return {4 * power + part, rounded};
}

std::byte* fresh(std::size_t bytes) {
  std::size_t unit = bytes >= kHuge ? kHugePage : kAlignment;
  std::size_t rounded = (bytes + unit - 1) / unit * unit;
  if (rounded == 0) rounded = unit;
  void* data = rounded < bytes ? nullptr : std::aligned_alloc(unit, rounded);
  if (!data)
    fail(Kind::kMemory, "Storage.allocate", "no memory for ", bytes,
         " bytes; use smaller batches or free tensors");
  // One page fault for 2 MB instead of 512. A refusal changes nothing.
  if (bytes >= kHuge) madvise(data, rounded, MADV_HUGEPAGE);
  return static_cast<std::byte*>(data);
}

/// Freed blocks, kept by size: the kernel hands out fresh pages at 2-3 GB/s,
/// a quarter of what a warm block takes. A block's first word links the list.
class Cache {
 public:
  std::byte* take(std::size_t bytes) {
    SizeClass c = size_class(bytes);
    {
      std::lock_guard lock(mutex_);
      if (Block* block = lists_[c.index]) {
        lists_[c.index] = block->next;
        kept_ -= c.bytes;
        return reinterpret_cast<std::byte*>(block);
      }
    }
    return fresh(c.bytes);
  }

  void give(std::byte* data, std::size_t bytes) {
    SizeClass c = size_class(bytes);
    auto* block = reinterpret_cast<Block*>(data);
    block->bytes = c.bytes;
    Block* evicted = nullptr;
    {
      std::lock_guard lock(mutex_);
      if (kept_ + c.bytes > kBound) evicted = evict(c);
      block->next = lists_[c.index];
      lists_[c.index] = block;
      kept_ += c.bytes;
    }
    while (evicted) std::free(std::exchange(evicted, evicted->next));
  }

  static Cache& instance() {
    // Never destroyed: tensors of static lifetime end after any order of ours.
    static Cache* cache = [] {
      auto* made = new Cache;
      hold_over_fork(made->mutex_);
      return made;
    }();
    return *cache;
  }

 private:
  struct Block {
    Block* next;
    std::size_t bytes;
  };

  // Unlinks blocks, other sizes first, until one of class `c` fits.
  Block* evict(SizeClass c) {
    Block* out = nullptr;
    for (int i = 1; i <= kClasses && kept_ + c.bytes > kBound; ++i) {
      Block*& list = lists_[(c.index + i) % kClasses];
      while (list && kept_ + c.bytes > kBound) {
        Block* block = std::exchange(list, list->next);
        kept_ -= block->bytes;
        block->next = std::exchange(out, block);
      }
    }
    return out;
  }

  std::mutex mutex_;
  std::size_t kept_ = 0;
  Block* lists_[kClasses] = {};
};

}  // namespace

Storage::Storage(std::byte* data, std::size_t bytes,
                 std::shared_ptr<void> owner, bool read_only)
    : data_(data),
      bytes_(bytes),
      owner_(std::move(owner)),
      read_only_(read_only) {}

Storage::~Storage() {
  if (owner_) return;
  if (kRecycle && bytes_ <= kLargest)
    Cache::instance().give(data_, bytes_);
  else
    std::free(data_);
}

std::shared_ptr<Storage> Storage::allocate(std::size_t bytes) {
  bool recycled = kRecycle && bytes <= kLargest;
  std::byte* data = recycled ? Cache::instance().take(bytes) : fresh(bytes);
  return std::shared_ptr<Storage>(new Storage(data, bytes, nullptr, false));
}

std::shared_ptr<Storage> Storage::wrap(void* data, std::size_t bytes,
                                       std::shared_ptr<void> owner,
                                       bool read_only) {
  // `owner_` also tells whose memory it is, so it must not be null here: an
  // owner may hold a null pointer, and static memory has none.
  if (!owner) owner = std::make_shared<std::shared_ptr<void>>(owner);
  return std::shared_ptr<Storage>(new Storage(
      static_cast<std::byte*>(data), bytes, std::move(owner), read_only));
}

}  // namespace ptutils
