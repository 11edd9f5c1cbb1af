#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "ptutils/module/value.h"
#include "ptutils/tensor/tensor.h"

/// Memory of batches that were given out, used again once nobody holds it.
namespace ptutils::data::detail {

/// True when `storage` is the only handle; what its last other holder read is
/// then over (acquire), so that it may be written.
bool sole_owner(const std::shared_ptr<Storage>& storage);

/// True when every tensor of the value may be written over; false without one.
bool reusable(const Value& batch);

/// Notes the memory that buffer() gives on this thread while it lives: only
/// that may be used again. A batch may also hold memory of a data set's own (a
/// map, another language's array), which nobody may write over.
class BufferLog {
 public:
  BufferLog();
  ~BufferLog();
  BufferLog(const BufferLog&) = delete;
  BufferLog& operator=(const BufferLog&) = delete;
  /// Every tensor of the batch, and at least one, has noted memory.
  bool covers(const Value& batch) const;
  /// Of all noted memory.
  std::size_t bytes() const { return bytes_; }
  void note(const Storage& storage) {
    noted_.push_back(&storage);
    bytes_ += storage.bytes();
  }

 private:
  std::vector<const Storage*> noted_;
  std::size_t bytes_ = 0;
  BufferLog* outer_;
};

/// A contiguous tensor in the memory of `reuse` where that is a tensor which
/// nobody else holds and which is large enough; else fresh.
Tensor buffer(const Value* reuse, const Dims& shape, DType dtype);

// The part of a `reuse` that goes with a part of the batch, or nullptr.
const Value* item_of(const Value* reuse, std::size_t i);
const Value* entry_of(const Value* reuse, const Key& key);

/// As which library's arrays the tensors go out; native_only: those that are
/// native so far.
void stamp(Value& value, Origin origin, bool native_only);

/// `bytes_a_row` bytes from `source + indices[i] * stride` to row i of `out`.
void gather_rows(const std::byte* source, std::int64_t stride,
                 std::size_t bytes_a_row, std::span<const std::int64_t> indices,
                 std::byte* out);

/// Indices as they are, checked against [-n, n); Kind::kIndex names the bad
/// one. True when they are start, start + 1, … with start >= 0.
bool check_indices(std::span<const std::int64_t> indices, std::int64_t n,
                   std::string_view where);

}  // namespace ptutils::data::detail
