#pragma once

#include <stdint.h>

#include "ptutils/common/export.h"

/// The kernels: pointers and sizes only, one table for each instruction set.
/// Rows are contiguous and aligned to their elements.
namespace ptutils::kernels {

using Index = int64_t;

enum Arithmetic {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kFloorDiv,
  kRemainder,
  kPow,
  kMaximum,
  kMinimum,
  kArithmeticCount,
};
enum Comparison { kEq, kNe, kLt, kLe, kComparisonCount };
enum Unary {
  kNeg,
  kAbs,
  kSquare,
  kExp,
  kLog,
  kSqrt,
  kTanh,
  kSigmoid,
  kRelu,
  kUnaryCount,
};
enum Reduction { kSum, kProd, kMax, kMin, kReductionCount };

/// Index of DType's values (checked in dispatch.cpp).
enum Type {
  kBool,
  kU8,
  kU16,
  kU32,
  kU64,
  kI8,
  kI16,
  kI32,
  kI64,
  kF16,
  kBF16,
  kF32,
  kF64,
  kC64,
  kC128,
  kTypeCount,
};

/// out[i] = a[i * a_step] op b[i * b_step]; steps are 0 or 1. `out` may be `a`
/// or `b`. Comparisons write bytes 0 and 1.
using BinaryRow = void (*)(const void* a, Index a_step, const void* b,
                           Index b_step, void* out, Index n);
/// out[i] = op a[i]; conversions too. `out` may be `a` for one size.
using UnaryRow = void (*)(const void* a, void* out, Index n);
/// out[r] = a[r, 0] op a[r, 1] op … over a row-major (rows, n); n >= 1 for
/// kMax and kMin.
using ReduceInner = void (*)(const void* a, Index rows, Index n, void* out);
/// out[j] = a[0, j] op a[1, j] op … for j < n, rows of `a` being `stride`
/// elements apart.
using ReduceOuter = void (*)(const void* a, Index rows, Index stride, Index n,
                             void* out);

struct Sgd {
  double lr, momentum, dampening, weight_decay;
  bool nesterov, first;  ///< first: the buffer is set to the gradient
};

struct Adam {
  double lr, beta1, beta2, eps, weight_decay;
  bool decoupled;      ///< AdamW: the decay acts on the weights
  double correction1;  ///< 1 - beta1^step
  double correction2;  ///< 1 - beta2^step
};

/// Bytes of scratch memory that gemm wants, 64-byte aligned.
inline constexpr Index kGemmWorkspace = (192 + 336) * 2048;

/// For float and double.
template <class T>
struct Floats {
  /// c (m, n; row-major, rows c_stride apart) = alpha op(a) op(b) + beta c.
  /// a is stored (m, k), or (k, m) when transposed; b (k, n) or (n, k).
  void (*gemm)(Index m, Index n, Index k, T alpha, const T* a, Index a_stride,
               bool a_transposed, const T* b, Index b_stride, bool b_transposed,
               T beta, T* c, Index c_stride, void* workspace);
  void (*softmax)(const T* a, T* out, Index rows, Index n, bool log);
  void (*bias_add)(T* a, const T* bias, Index rows, Index n);
  void (*relu_backward)(T* grad, const T* output, Index n);
  /// Loss of each row into `losses`, (softmax - one-hot) * scale into `grad`
  /// (may be null). Targets are in [0, n).
  void (*cross_entropy)(const T* logits, const int64_t* targets, Index rows,
                        Index n, T scale, T* losses, T* grad);
  void (*sgd)(T* weight, const T* grad, T* buffer, Index n, const Sgd& how);
  void (*adam)(T* weight, const T* grad, T* mean, T* variance, Index n,
               const Adam& how);
  /// out[i] = keep[i] ? a[i] * scale : 0.
  void (*mask_scale)(const T* a, const uint8_t* keep, T scale, T* out, Index n);
  /// a[i] += alpha * b[i * b_step].
  void (*axpy)(T* a, const T* b, Index b_step, T alpha, Index n);
};

/// Element (c, y, x) of an image is data[c * c_step + y * y_step + x * x_step].
struct ImageView {
  const void* data;
  Index channels, height, width;
  Index c_step, y_step, x_step;
};

/// Output i is the sum of `taps` inputs from first[i] on, each times its weight
/// of weights[i * taps …]. `first` never falls.
struct Taps {
  const int32_t* first;
  const float* weights;
  Index taps;
};

/// A separable resampling. Of bytes the result is rounded to whole levels; f32
/// results are then factor * level + offset of the channel.
struct Resample {
  ImageView in;  ///< x_step 1, or 3 with c_step 1 and 3 channels
  Taps rows, columns;
  Index out_height, out_width;
  bool mirrored;
  const float* factors;  ///< one a channel
  const float* offsets;
  float* scratch;  ///< 3 (in.width + out_width) + 2 elements
  void* out;
  Index out_c, out_y, out_x;  ///< steps
};

/// out (channels, height, width; contiguous) = factor * in + offset, of u8.
struct Affine {
  ImageView in;
  const float* factors;  ///< one a channel
  const float* offsets;
  bool mirrored;
  /// Past the caches, since it is not read soon; before another thread reads
  /// it, streamed_stores_done().
  bool streams;
  Index next;  ///< bytes from `in` to the image that follows; 0: not known
  float* out;
};

struct Images {
  void (*affine)(const Affine& job);
  void (*resample_u8)(const Resample& job);      ///< u8 to u8
  void (*resample_u8_f32)(const Resample& job);  ///< u8 to f32
  void (*resample_f32)(const Resample& job);     ///< f32 to f32
};

/// What a level has no entry for is null there, and comes from the base.
struct KernelTable {
  const char* level;
  BinaryRow arithmetic[kArithmeticCount][kTypeCount];
  BinaryRow comparison[kComparisonCount][kTypeCount];
  UnaryRow unary[kUnaryCount][kTypeCount];
  UnaryRow cast[kTypeCount][kTypeCount];  ///< [from][to]
  /// Sums and products of bool and integers are i64.
  ReduceInner reduce_inner[kReductionCount][kTypeCount];
  ReduceOuter reduce_outer[kReductionCount][kTypeCount];
  Floats<float> f32;
  Floats<double> f64;
  Images images;
};

/// The table in use: the level's, completed by the base's.
PTUTILS_API const KernelTable& table();

/// That of a level ("generic", "v2", "v3", "v4"), completed likewise; null
/// when this processor or this build lacks it.
PTUTILS_API const KernelTable* table_of(const char* level);

/// Fills entries that are null with portable ones (base.cpp).
void complete(KernelTable& table);

}  // namespace ptutils::kernels
