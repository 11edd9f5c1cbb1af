#include "ptutils/tensor/detail/copy.h"

#include <algorithm>
#include <complex>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "ptutils/common/thread_pool.h"
#include "ptutils/tensor/detail/loop.h"

namespace ptutils::detail {
namespace {

constexpr std::int64_t kGrain = std::int64_t{1} << 20;  // bytes
constexpr std::int64_t kTile = 32;

struct CopiedRow {
  const std::byte* from;
  std::byte* to;
  std::int64_t from_step;
  std::int64_t to_step;
};

template <std::size_t kItem>
void copy_row(CopiedRow row, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    std::memcpy(row.to + i * row.to_step, row.from + i * row.from_step, kItem);
}

void copy_row(CopiedRow row, std::int64_t n, std::size_t item) {
  auto size = static_cast<std::int64_t>(item);
  if (row.from_step == size && row.to_step == size) {
    std::memcpy(row.to, row.from, static_cast<std::size_t>(n) * item);
    return;
  }
  switch (item) {
    case 1:
      return copy_row<1>(row, n);
    case 2:
      return copy_row<2>(row, n);
    case 4:
      return copy_row<4>(row, n);
    case 8:
      return copy_row<8>(row, n);
    default:
      return copy_row<16>(row, n);
  }
}

template <std::size_t kItem>
void fill_row(std::byte* to, std::int64_t step, std::int64_t n,
              const Element& element) {
  const Element value = element;  // a copy, that nothing written can alias
  if (step == static_cast<std::int64_t>(kItem)) {
    for (std::int64_t i = 0; i < n; ++i)
      std::memcpy(to + i * static_cast<std::int64_t>(kItem), value.bytes,
                  kItem);
    return;
  }
  for (std::int64_t i = 0; i < n; ++i)
    std::memcpy(to + i * step, value.bytes, kItem);
}

// The last two dimensions as square tiles, so that a transposed source uses
// each cache line that it touches.
void copy_tiled(const Loop<2>& loop, std::size_t item) {
  int last = loop.outer_dims - 1;
  std::int64_t height = loop.outer[last];
  std::int64_t bands = (height + kTile - 1) / kTile;
  std::int64_t planes = loop.rows / height;
  std::int64_t grain = std::max<std::int64_t>(
      1, kGrain / (kTile * loop.length * static_cast<std::int64_t>(item)));
  parallel_for(planes * bands, grain, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t band = b; band < e; ++band) {
      std::int64_t first = band / bands * height + band % bands * kTile;
      std::int64_t count = std::min(kTile, height - band % bands * kTile);
      loop.run(first, first + 1, [&](auto at, std::int64_t n) {
        for (std::int64_t x = 0; x < n; x += kTile)
          for (std::int64_t y = 0; y < count; ++y)
            copy_row(
                {at[0] + x * loop.step[0] + y * loop.outer_strides[0][last],
                 at[1] + x * loop.step[1] + y * loop.outer_strides[1][last],
                 loop.step[0], loop.step[1]},
                std::min(kTile, n - x), item);
      });
    }
  });
}

}  // namespace

std::int64_t wrap_dim(std::int64_t dim, std::int64_t dims,
                      std::string_view where) {
  if (dim < -dims || dim >= dims) {
    if (dims == 0)
      fail(Kind::kIndex, where, "dimension ", dim,
           " of a tensor without dimensions");
    fail(Kind::kIndex, where, "dimension ", dim, " is out of range [", -dims,
         ", ", dims - 1, "]");
  }
  return dim < 0 ? dim + dims : dim;
}

bool share_memory(const Tensor& a, const Tensor& b) {
  const Storage& s = *a.storage();
  const Storage& t = *b.storage();
  return s.data() < t.data() + t.bytes() && t.data() < s.data() + s.bytes();
}

void copy_elements(const Tensor& source, const Tensor& target) {
  std::size_t item = item_size(source.dtype());
  auto bytes = static_cast<std::int64_t>(source.nbytes());
  if (bytes == 0) return;
  if (source.contiguous() && target.contiguous()) {
    if (bytes <= 2 * kGrain || share_memory(source, target)) {
      std::memmove(target.bytes(), source.bytes(), source.nbytes());
      return;
    }
    parallel_for(bytes, kGrain, [&](std::int64_t b, std::int64_t e) {
      std::memcpy(target.bytes() + b, source.bytes() + b,
                  static_cast<std::size_t>(e - b));
    });
    return;
  }
  Loop<2> loop(source.shape(), {&source, &target});
  bool across = loop.outer_dims > 0 &&
                std::abs(loop.step[0]) >
                    std::abs(loop.outer_strides[0][loop.outer_dims - 1]);
  if (across && loop.length >= kTile) return copy_tiled(loop, item);
  std::int64_t row_bytes = loop.length * static_cast<std::int64_t>(item);
  parallel_for(
      loop.rows, std::max<std::int64_t>(1, kGrain / row_bytes),
      [&](std::int64_t b, std::int64_t e) {
        loop.run(b, e, [&](auto at, std::int64_t n) {
          copy_row({at[0], at[1], loop.step[0], loop.step[1]}, n, item);
        });
      });
}

void gather(const std::byte* from, std::int64_t step, std::int64_t n,
            std::size_t item, std::byte* block) {
  copy_row({from, block, step, static_cast<std::int64_t>(item)}, n, item);
}

void scatter(const std::byte* block, std::byte* to, std::int64_t step,
             std::int64_t n, std::size_t item) {
  copy_row({block, to, static_cast<std::int64_t>(item), step}, n, item);
}

Element element_of(double value, DType dtype) {
  Element out{};
  dispatch(dtype, [&]<class T>() {
    T element;
    if constexpr (std::is_same_v<T, bool>)
      element = value != 0;
    else if constexpr (std::is_same_v<T, std::uint64_t>)
      // Above int64 only the direct conversion is right, below 0 only this.
      element = value < 0 ? static_cast<T>(static_cast<std::int64_t>(value))
                          : static_cast<T>(value);
    else if constexpr (std::is_integral_v<T>)
      element = static_cast<T>(static_cast<std::int64_t>(value));
    else if constexpr (std::is_same_v<T, double>)
      element = value;
    else if constexpr (std::is_same_v<T, std::complex<double>>)
      element = value;
    else
      element = T(static_cast<float>(value));
    std::memcpy(out.bytes, &element, sizeof element);
  });
  return out;
}

void fill_elements(const Tensor& target, const Element& element) {
  if (target.numel() == 0) return;
  std::size_t item = item_size(target.dtype());
  Loop<1> loop(target.shape(), {&target});
  auto size = static_cast<std::int64_t>(item);
  auto fill = [&](std::byte* at, std::int64_t n) {
    switch (item) {
      case 1:
        return fill_row<1>(at, loop.step[0], n, element);
      case 2:
        return fill_row<2>(at, loop.step[0], n, element);
      case 4:
        return fill_row<4>(at, loop.step[0], n, element);
      case 8:
        return fill_row<8>(at, loop.step[0], n, element);
      default:
        return fill_row<16>(at, loop.step[0], n, element);
    }
  };
  if (loop.rows == 1) {
    parallel_for(loop.length, kGrain / size,
                 [&](std::int64_t b, std::int64_t e) {
                   fill(loop.base[0] + b * loop.step[0], e - b);
                 });
    return;
  }
  loop.run(0, loop.rows, [&](auto at, std::int64_t n) { fill(at[0], n); });
}

void fill_zero(std::byte* data, std::size_t bytes) {
  parallel_for(static_cast<std::int64_t>(bytes), 2 * kGrain,
               [&](std::int64_t b, std::int64_t e) {
                 std::memset(data + b, 0, static_cast<std::size_t>(e - b));
               });
}

}  // namespace ptutils::detail
