#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ptutils/common/thread_pool.h"
#include "ptutils/tensor/detail/loop.h"
#include "ptutils/tensor/kernels/table.h"
#include "ptutils/tensor/tensor.h"

/// Elementwise engine; private to this folder.
namespace ptutils::detail {

using kernels::Index;

inline int type_index(DType dtype) { return static_cast<int>(dtype); }

/// Elements a task takes at least: some 20 us of memory traffic.
inline constexpr std::int64_t kTask = 32768;
/// Elements that are converted or gathered at a time; fits in the L1 cache.
inline constexpr std::int64_t kBlock = 1024;

/// A row of one operand, seen by a kernel: contiguous or one element, aligned,
/// of the dtype that the kernel computes in.
struct Row {
  std::byte* data;
  Index step;  // elements: 0 or 1
};

/// How one operand gets from memory to the kernel, or back.
struct Operand {
  DType stored;
  DType computed;
  bool direct;  // the kernel takes the memory as it is

  Operand(const Tensor& t, DType as, std::int64_t byte_step);
};

/// `n` elements from memory into `block`, converted; `raw` is scratch.
void load_block(const Operand& operand, const std::byte* from,
                std::int64_t byte_step, std::int64_t n, std::byte* raw,
                std::byte* block);
/// The reverse.
void store_block(const Operand& operand, std::byte* to, std::int64_t byte_step,
                 std::int64_t n, std::byte* raw, const std::byte* block);

/// Runs a kernel over operands of one shape (broadcast views included); the
/// last is the result. `as` are the dtypes that the kernel works in.
/// kernel(const std::array<Row, N>&, n) is called from many threads.
template <int N, class Kernel>
class RowMap {
 public:
  RowMap(const std::array<const Tensor*, N>& tensors,
         const std::array<DType, N>& as, Kernel kernel)
      : loop_(tensors[N - 1]->shape(), tensors),
        operands_(make(tensors, as, loop_, std::make_index_sequence<N>())),
        kernel_(kernel) {
    for (const Operand& o : operands_) direct_ = direct_ && o.direct;
  }

  void run() {
    if (loop_.rows == 1) {
      parallel_for(loop_.length, kTask, [&](std::int64_t b, std::int64_t e) {
        auto at = loop_.base;
        for (int k = 0; k < N; ++k) at[k] += b * loop_.step[k];
        row(at, e - b);
      });
      return;
    }
    std::int64_t grain = std::max<std::int64_t>(1, kTask / loop_.length);
    parallel_for(loop_.rows, grain, [&](std::int64_t b, std::int64_t e) {
      loop_.run(b, e, [&](auto& at, std::int64_t n) { row(at, n); });
    });
  }

 private:
  template <std::size_t... I>
  static std::array<Operand, N> make(
      const std::array<const Tensor*, N>& tensors,
      const std::array<DType, N>& as, const Loop<N>& loop,
      std::index_sequence<I...>) {
    return {Operand(*tensors[I], as[I], loop.step[I])...};
  }

  void row(const std::array<std::byte*, N>& at, std::int64_t n) const {
    if (!direct_) return blocks(at, n);
    std::array<Row, N> rows;
    for (int k = 0; k < N; ++k) rows[k] = {at[k], loop_.step[k] != 0};
    kernel_(rows, n);
  }

  void blocks(const std::array<std::byte*, N>& at, std::int64_t n) const {
    alignas(64) std::byte raw[16 * kBlock];
    alignas(64) std::byte block[N][16 * kBlock];
    std::array<Row, N> rows;
    for (std::int64_t i = 0; i < n; i += kBlock) {
      std::int64_t count = std::min(kBlock, n - i);
      for (int k = 0; k < N; ++k) {
        std::byte* here = at[k] + i * loop_.step[k];
        bool many = loop_.step[k] != 0 || k == N - 1;
        rows[k] = {operands_[k].direct ? here : block[k], many};
        if (operands_[k].direct || k == N - 1) continue;
        load_block(operands_[k], here, loop_.step[k], many ? count : 1, raw,
                   block[k]);
      }
      kernel_(rows, count);
      if (!operands_[N - 1].direct)
        store_block(operands_[N - 1], at[N - 1] + i * loop_.step[N - 1],
                    loop_.step[N - 1], count, raw, block[N - 1]);
    }
  }

  Loop<N> loop_;
  std::array<Operand, N> operands_;
  Kernel kernel_;
  bool direct_ = true;
};

template <int N, class Kernel>
void map_rows(const std::array<const Tensor*, N>& tensors,
              const std::array<DType, N>& as, Kernel kernel) {
  if (tensors[N - 1]->numel() == 0) return;
  RowMap<N, Kernel>(tensors, as, kernel).run();
}

/// The dtype that f16 and bf16 are computed in is f32; others their own.
inline DType working_dtype(DType dtype) {
  return dtype == DType::kF16 || dtype == DType::kBF16 ? DType::kF32 : dtype;
}

/// f32 for integers and bool, else itself: for functions with real results.
inline DType floating_dtype(DType dtype) {
  return is_floating(dtype) || is_complex(dtype) ? dtype : DType::kF32;
}

}  // namespace ptutils::detail
