#pragma once

#include "ptutils/tensor/detail/copy.h"
#include "ptutils/tensor/detail/rows.h"

/// Private to this folder.
namespace ptutils::detail {

/// out[i] = kernel(a[i]) over any layout; the kernel reads dtype `in` and
/// writes dtype `result`, which are converted from and to what is stored.
inline void run_unary(kernels::UnaryRow kernel, const Tensor& a,
                      const Tensor& out, DType in, DType result) {
  auto item = static_cast<Index>(item_size(result));
  map_rows<2>({&a, &out}, {in, result},
              [kernel, item](const std::array<Row, 2>& r, Index n) {
                if (r[0].step) return kernel(r[0].data, r[1].data, n);
                kernel(r[0].data, r[1].data, 1);
                gather(r[1].data, 0, n, static_cast<std::size_t>(item),
                       r[1].data);
              });
}

}  // namespace ptutils::detail
