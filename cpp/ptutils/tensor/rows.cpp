#include "ptutils/tensor/detail/rows.h"

#include "ptutils/tensor/detail/copy.h"

namespace ptutils::detail {

Operand::Operand(const Tensor& t, DType as, std::int64_t byte_step)
    : stored(t.dtype()), computed(as) {
  auto item = static_cast<std::int64_t>(item_size(stored));
  direct = stored == computed && (byte_step == item || byte_step == 0) &&
           t.aligned();
}

void load_block(const Operand& operand, const std::byte* from,
                std::int64_t byte_step, std::int64_t n, std::byte* raw,
                std::byte* block) {
  std::size_t item = item_size(operand.stored);
  bool same = operand.stored == operand.computed;
  auto misplaced = reinterpret_cast<std::uintptr_t>(from) % item;
  if (misplaced || (n > 1 && byte_step != static_cast<std::int64_t>(item))) {
    gather(from, byte_step, n, item, same ? block : raw);
    from = raw;
  } else if (same) {
    std::memcpy(block, from, static_cast<std::size_t>(n) * item);
  }
  if (!same)
    kernels::table().cast[type_index(operand.stored)]
                         [type_index(operand.computed)](from, block, n);
}

void store_block(const Operand& operand, std::byte* to, std::int64_t byte_step,
                 std::int64_t n, std::byte* raw, const std::byte* block) {
  std::size_t item = item_size(operand.stored);
  bool same = operand.stored == operand.computed;
  auto misplaced = reinterpret_cast<std::uintptr_t>(to) % item;
  bool scattered =
      misplaced || (n > 1 && byte_step != static_cast<std::int64_t>(item));
  if (!same) {
    auto cast =
        kernels::table()
            .cast[type_index(operand.computed)][type_index(operand.stored)];
    cast(block, scattered ? raw : to, n);
    block = raw;
  }
  if (scattered)
    scatter(block, to, byte_step, n, item);
  else if (same)
    std::memcpy(to, block, static_cast<std::size_t>(n) * item);
}

}  // namespace ptutils::detail
