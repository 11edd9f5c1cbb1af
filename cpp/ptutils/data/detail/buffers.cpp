#include "ptutils/data/detail/buffers.h"

#include <algorithm>
#include <cstring>

namespace ptutils::data::detail {
namespace {

/// Rows of a size that the compiler knows: a move each, no call.
template <std::size_t kBytes>
void gather_fixed(const std::byte* source, std::int64_t stride,
                  std::span<const std::int64_t> indices, std::byte* out) {
  for (std::int64_t index : indices) {
    std::memcpy(out, source + index * stride, kBytes);
    out += kBytes;
  }
}

/// f holds for every tensor of the value; counts them.
template <class F>
bool every_tensor(const Value& value, int& tensors, F&& f) {
  if (value.is_tensor()) {
    ++tensors;
    return f(value.as_tensor().storage());
  }
  if (value.is_list()) {
    for (const Value& item : value.as_list().items)
      if (!every_tensor(item, tensors, f)) return false;
  } else if (value.is_dict()) {
    for (const auto& [key, item] : value.as_dict())
      if (!every_tensor(item, tensors, f)) return false;
  }
  return true;
}

thread_local BufferLog* current_log = nullptr;

Tensor noted(Tensor tensor) {
  if (current_log) current_log->note(*tensor.storage());
  return tensor;
}

}  // namespace

bool sole_owner(const std::shared_ptr<Storage>& storage) {
  if (storage.use_count() != 1) return false;
  // use_count() is a relaxed load. Dropping one more handle is an acquire on
  // the count that the last holder released.
  std::shared_ptr<Storage>(storage).reset();
  return true;
}

bool reusable(const Value& batch) {
  int tensors = 0;
  return every_tensor(batch, tensors, sole_owner) && tensors > 0;
}

BufferLog::BufferLog() : outer_(current_log) { current_log = this; }
BufferLog::~BufferLog() { current_log = outer_; }

bool BufferLog::covers(const Value& batch) const {
  int tensors = 0;
  auto known = [this](const std::shared_ptr<Storage>& storage) {
    return std::find(noted_.begin(), noted_.end(), storage.get()) !=
           noted_.end();
  };
  return every_tensor(batch, tensors, known) && tensors > 0;
}

Tensor buffer(const Value* reuse, const Dims& shape, DType dtype) {
  if (reuse && reuse->is_tensor()) {
    const auto& storage = reuse->as_tensor().storage();
    auto bytes =
        static_cast<std::size_t>(count_elements(shape)) * item_size(dtype);
    if (bytes <= storage->bytes() && !storage->read_only() &&
        sole_owner(storage))
      return noted(Tensor::view_bytes(storage, dtype, shape));
  }
  return noted(Tensor::empty(shape, dtype));
}

const Value* item_of(const Value* reuse, std::size_t i) {
  if (!reuse || !reuse->is_list()) return nullptr;
  const auto& items = reuse->as_list().items;
  return i < items.size() ? &items[i] : nullptr;
}

const Value* entry_of(const Value* reuse, const Key& key) {
  return reuse && reuse->is_dict() ? reuse->as_dict().find(key) : nullptr;
}

void gather_rows(const std::byte* source, std::int64_t stride,
                 std::size_t bytes_a_row, std::span<const std::int64_t> indices,
                 std::byte* out) {
  switch (bytes_a_row) {
    case 1:
      return gather_fixed<1>(source, stride, indices, out);
    case 2:
      return gather_fixed<2>(source, stride, indices, out);
    case 4:
      return gather_fixed<4>(source, stride, indices, out);
    case 8:
      return gather_fixed<8>(source, stride, indices, out);
    case 16:
      return gather_fixed<16>(source, stride, indices, out);
    default:
      for (std::int64_t index : indices) {
        std::memcpy(out, source + index * stride, bytes_a_row);
        out += bytes_a_row;
      }
  }
}

void stamp(Value& value, Origin origin, bool native_only) {
  if (value.is_tensor()) {
    Tensor& t = value.as_tensor();
    if (!native_only || t.origin == Origin::kNative) t.origin = origin;
  } else if (value.is_list()) {
    for (Value& item : value.as_list().items) stamp(item, origin, native_only);
  } else if (value.is_dict()) {
    for (auto& [key, item] : value.as_dict()) stamp(item, origin, native_only);
  }
}

bool check_indices(std::span<const std::int64_t> indices, std::int64_t n,
                   std::string_view where) {
  bool run = true;
  std::int64_t low = 0, high = -1, next = indices.empty() ? 0 : indices[0];
  for (std::int64_t index : indices) {
    low = std::min(low, index);
    high = std::max(high, index);
    run = run && index == next++;
  }
  if (low < -n || high >= n)
    fail(Kind::kIndex, where, "no sample ", high >= n ? high : low,
         "; the data set has ", n);
  return run && low >= 0;
}

}  // namespace ptutils::data::detail
