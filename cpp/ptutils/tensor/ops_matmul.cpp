#include <algorithm>
#include <complex>
#include <type_traits>
#include <utility>

#include "ptutils/common/thread_pool.h"
#include "ptutils/tensor/detail/promote.h"
#include "ptutils/tensor/detail/rows.h"
#include "ptutils/tensor/ops.h"

namespace ptutils {
namespace {

using namespace detail;

/// A 2-d operand as the kernel takes it: rows `stride` elements apart, stored
/// as they are or transposed. Holds a copy where the strides allow neither.
struct Operand2d {
  Tensor held;
  std::int64_t stride;
  bool transposed;

  Operand2d(const Tensor& t, bool transpose) {
    std::int64_t rows = t.shape()[0], columns = t.shape()[1];
    std::int64_t down =
        rows == 1 ? std::max(t.strides()[1], columns) : t.strides()[0];
    std::int64_t across =
        columns == 1 ? std::max(t.strides()[0], rows) : t.strides()[1];
    bool by_row = (columns == 1 || t.strides()[1] == 1) && down >= columns;
    bool by_column = (rows == 1 || t.strides()[0] == 1) && across >= rows;
    bool usable = t.aligned() && (by_row || by_column);
    held = usable ? t : t.clone();
    stride = usable ? (by_row ? down : across) : columns;
    transposed = transpose != (usable && !by_row);
    stride = std::max<std::int64_t>(stride, 1);
  }
};

struct Product {
  std::int64_t m, n, k;
};

// Pieces of the result that threads compute: cut along the longer side, so
// that the operand which every piece packs again is the smaller one. The cut
// depends on the sizes alone, and with it the result.
constexpr double kPieceFlops = 2.5e7;
constexpr std::int64_t kPieceSide = 256;

std::int64_t piece_length(Product p, std::int64_t side) {
  double flops = 2.0 * static_cast<double>(p.m) * static_cast<double>(p.n) *
                 static_cast<double>(p.k);
  auto by_work = static_cast<std::int64_t>(flops / kPieceFlops);
  std::int64_t pieces =
      std::clamp<std::int64_t>(std::min(by_work, side / kPieceSide), 1, 16);
  std::int64_t length = (side + pieces - 1) / pieces;
  return (length + 47) / 48 * 48;  // whole panels of the kernel
}

template <class T>
void multiply(const kernels::Floats<T>& kernels, Product p, T alpha,
              const Operand2d& a, const Operand2d& b, T beta, T* c,
              std::int64_t c_stride) {
  const T* left = a.held.template data<T>();
  const T* right = b.held.template data<T>();
  bool by_rows = p.m >= p.n;
  std::int64_t side = by_rows ? p.m : p.n;
  std::int64_t length = piece_length(p, side);
  std::int64_t pieces = (side + length - 1) / length;
  parallel_for(pieces, 1, [&](std::int64_t from, std::int64_t to) {
    auto scratch = Storage::allocate(kernels::kGemmWorkspace);
    for (std::int64_t i = from; i < to; ++i) {
      std::int64_t at = i * length;
      std::int64_t count = std::min(length, side - at);
      if (by_rows)
        kernels.gemm(count, p.n, p.k, alpha,
                     left + at * (a.transposed ? 1 : a.stride), a.stride,
                     a.transposed, right, b.stride, b.transposed, beta,
                     c + at * c_stride, c_stride, scratch->data());
      else
        kernels.gemm(p.m, count, p.k, alpha, left, a.stride, a.transposed,
                     right + at * (b.transposed ? b.stride : 1), b.stride,
                     b.transposed, beta, c + at, c_stride, scratch->data());
    }
  });
}

// Other types: row by row, so that the inner loop is contiguous.
template <class T>
void multiply_plain(Product p, const T* a, const T* b, T* c) {
  using W = std::conditional_t<std::is_integral_v<T>, std::uint64_t, T>;
  std::int64_t grain =
      std::max<std::int64_t>(1, kTask / std::max<std::int64_t>(1, p.n * p.k));
  parallel_for(p.m, grain, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t i = from; i < to; ++i) {
      T* row = c + i * p.n;
      std::fill_n(row, p.n, T{});
      for (std::int64_t k = 0; k < p.k; ++k) {
        const T factor = a[i * p.k + k];
        for (std::int64_t j = 0; j < p.n; ++j)
          row[j] = static_cast<T>(static_cast<W>(row[j]) +
                                  static_cast<W>(factor) *
                                      static_cast<W>(b[k * p.n + j]));
      }
    }
  });
}

// out (m, n) = a (m, k) b (k, n); out is contiguous.
void product_2d(const Tensor& a, const Tensor& b, const Tensor& out) {
  if (a.dtype() == DType::kF32 || a.dtype() == DType::kF64)
    return gemm(a, false, b, false, 1, 0, out);
  Product p{a.size(0), b.size(1), a.size(1)};
  Tensor x = a.to_contiguous(), y = b.to_contiguous();
  dispatch(a.dtype(), [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool> && !std::is_same_v<T, f16> &&
                  !std::is_same_v<T, bf16>)
      multiply_plain(p, x.data<T>(), y.data<T>(), out.data<T>());
  });
}

Tensor product_batched(const Tensor& a, const Tensor& b) {
  Dims batch = broadcast_shapes(Dims(a.shape().begin(), a.shape().end() - 2),
                                Dims(b.shape().begin(), b.shape().end() - 2));
  std::int64_t count = count_elements(batch);
  Dims left = batch, right = batch, shape = batch;
  left.insert(left.end(), {a.size(-2), a.size(-1)});
  right.insert(right.end(), {b.size(-2), b.size(-1)});
  shape.insert(shape.end(), {a.size(-2), b.size(-1)});
  Tensor out = Tensor::empty(shape, a.dtype());
  if (b.dim() == 2) {  // one matrix for all: rows of the batch are rows
    product_2d(a.reshape({-1, a.size(-1)}), b,
               out.reshape({count * a.size(-2), b.size(-1)}));
    return out;
  }
  Tensor x = a.broadcast_to(left).reshape({count, a.size(-2), a.size(-1)});
  Tensor y = b.broadcast_to(right).reshape({count, b.size(-2), b.size(-1)});
  Tensor z = out.reshape({count, a.size(-2), b.size(-1)});
  std::int64_t work = a.size(-2) * a.size(-1) * b.size(-1);
  std::int64_t grain =
      std::max<std::int64_t>(1, 500000 / std::max<std::int64_t>(1, work));
  auto run = [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t i = from; i < to; ++i)
      product_2d(x.select(0, i), y.select(0, i), z.select(0, i));
  };
  if (count == 1)
    run(0, 1);
  else
    parallel_for(count, grain, run);
  return out;
}

void check_matmul(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype())
    fail(Kind::kType, "matmul", "operands are ", name(a.dtype()), " and ",
         name(b.dtype()), "; cast() one of them");
  if (a.dtype() == DType::kBool)
    fail(Kind::kType, "matmul", "is not defined for bool; cast() first");
  if (a.dim() == 0 || b.dim() == 0)
    fail(Kind::kValue, "matmul", "wants operands with dimensions, not ",
         a.shape_str(), " and ", b.shape_str());
  std::int64_t inner = b.dim() == 1 ? b.size(0) : b.size(-2);
  if (a.size(-1) != inner)
    fail(Kind::kValue, "matmul", "shapes ", a.shape_str(), " and ",
         b.shape_str(), " do not fit: ", a.size(-1), " columns, ", inner,
         " rows");
}

}  // namespace

void gemm(const Tensor& a, bool trans_a, const Tensor& b, bool trans_b,
          double alpha, double beta, const Tensor& c) {
  if (a.dim() != 2 || b.dim() != 2 || c.dim() != 2)
    fail(Kind::kValue, "gemm", "wants matrices, not shapes ", a.shape_str(),
         ", ", b.shape_str(), ", ", c.shape_str());
  if (a.dtype() != b.dtype() || a.dtype() != c.dtype() ||
      (a.dtype() != DType::kF32 && a.dtype() != DType::kF64))
    fail(Kind::kType, "gemm", "wants f32 or f64 throughout, not ",
         name(a.dtype()), ", ", name(b.dtype()), ", ", name(c.dtype()));
  Product p{a.size(trans_a ? 1 : 0), b.size(trans_b ? 0 : 1),
            a.size(trans_a ? 0 : 1)};
  if (b.size(trans_b ? 1 : 0) != p.k || c.size(0) != p.m || c.size(1) != p.n)
    fail(Kind::kValue, "gemm", "shapes ", a.shape_str(),
         trans_a ? " transposed" : "", " and ", b.shape_str(),
         trans_b ? " transposed" : "", " do not give ", c.shape_str());
  begin_write(c, "gemm");
  if (!c.contiguous() || !c.aligned())
    fail(Kind::kValue, "gemm", "the result must be contiguous and aligned");
  if (c.numel() == 0) return;
  Operand2d left(a, trans_a), right(b, trans_b);
  if (c.dtype() == DType::kF32)
    multiply(kernels::table().f32, p, static_cast<float>(alpha), left, right,
             static_cast<float>(beta), c.data<float>(), p.n);
  else
    multiply(kernels::table().f64, p, alpha, left, right, beta,
             c.data<double>(), p.n);
}

Tensor matmul(const Tensor& a, const Tensor& b) {
  check_matmul(a, b);
  DType work = working_dtype(a.dtype());
  if (work != a.dtype())
    return cast(matmul(cast(a, work), cast(b, work)), a.dtype());
  Tensor x = a.dim() == 1 ? a.unsqueeze(0) : a;
  Tensor y = b.dim() == 1 ? b.unsqueeze(1) : b;
  Tensor out;
  if (x.dim() == 2 && y.dim() == 2) {
    out = Tensor::empty({x.size(0), y.size(1)}, a.dtype());
    product_2d(x, y, out);
  } else {
    out = product_batched(x, y);
  }
  if (b.dim() == 1) out = out.squeeze(-1);
  if (a.dim() == 1) out = out.squeeze(b.dim() == 1 ? -1 : -2);
  out.origin = Origin::kNative;
  return out;
}

}  // namespace ptutils
