// Compiled once for each instruction set, with -DPT_LEVEL=<level>,
// -DEigen=Eigen_<level> and its -march. Nothing here may leave a symbol that
// another level or the rest of the library also has: the linker would keep one
// of them, and run instructions that the processor lacks. Hence no std
// containers, and all but the table in anonymous namespaces.
#include "ptutils/tensor/kernels/convert.inc.cpp"
#include "ptutils/tensor/kernels/elementwise.inc.cpp"
#include "ptutils/tensor/kernels/gemm.inc.cpp"
#include "ptutils/tensor/kernels/image.inc.cpp"
#include "ptutils/tensor/kernels/nn.inc.cpp"
#include "ptutils/tensor/kernels/reduce.inc.cpp"
#include "ptutils/tensor/kernels/table.h"
#include "ptutils/tensor/kernels/transcendental.inc.cpp"

#define PT_JOIN2(a, b) a##b
#define PT_JOIN(a, b) PT_JOIN2(a, b)
#define PT_TEXT2(a) #a
#define PT_TEXT(a) PT_TEXT2(a)

namespace {

using namespace ptutils::kernels;

template <class T>
void fill_arithmetic(KernelTable& t, Type type) {
  t.arithmetic[kAdd][type] = binary_row<T, T, Add<T>>;
  t.arithmetic[kSub][type] = binary_row<T, T, Sub<T>>;
  t.arithmetic[kMul][type] = binary_row<T, T, Mul<T>>;
  t.arithmetic[kMaximum][type] = binary_row<T, T, Maximum<T>>;
  t.arithmetic[kMinimum][type] = binary_row<T, T, Minimum<T>>;
  t.comparison[kEq][type] = binary_row<T, uint8_t, Eq<T>>;
  t.comparison[kNe][type] = binary_row<T, uint8_t, Ne<T>>;
  t.comparison[kLt][type] = binary_row<T, uint8_t, Lt<T>>;
  t.comparison[kLe][type] = binary_row<T, uint8_t, Le<T>>;
}

template <class T>
void fill_floating(KernelTable& t, Type type) {
  fill_arithmetic<T>(t, type);
  t.arithmetic[kDiv][type] = binary_row<T, T, Div<T>>;
  t.unary[kNeg][type] = unary_row<T, T, NegFloat<T>>;
  t.unary[kAbs][type] = unary_row<T, T, AbsFloat<T>>;
  t.unary[kSquare][type] = unary_row<T, T, Square<T>>;
  t.unary[kExp][type] = unary_row<T, T, Exp<T>>;
  t.unary[kLog][type] = unary_row<T, T, Log<T>>;
  t.unary[kSqrt][type] = unary_row<T, T, Sqrt<T>>;
  t.unary[kTanh][type] = unary_row<T, T, Tanh<T>>;
  t.unary[kSigmoid][type] = unary_row<T, T, Sigmoid<T>>;
  t.unary[kRelu][type] = unary_row<T, T, Relu<T>>;
  t.reduce_inner[kSum][type] = sum_inner<T>;
  t.reduce_inner[kMax][type] = extreme_inner<T, true>;
  t.reduce_inner[kMin][type] = extreme_inner<T, false>;
  t.reduce_outer[kSum][type] = sum_outer<T>;
  t.reduce_outer[kMax][type] = extreme_outer<T, true>;
  t.reduce_outer[kMin][type] = extreme_outer<T, false>;
}

template <class T>
void fill_fused(Floats<T>& f) {
  f.gemm = gemm<T>;
  f.softmax = softmax<T>;
  f.bias_add = bias_add<T>;
  f.relu_backward = relu_backward<T>;
  f.cross_entropy = cross_entropy<T>;
  f.sgd = sgd<T>;
  f.adam = adam<T>;
  f.mask_scale = mask_scale<T>;
  f.axpy = axpy<T>;
}

template <class From, class To>
void fill_cast(KernelTable& t, Type from, Type to) {
  t.cast[from][to] = unary_row<From, To, Convert<From, To>>;
}

void fill_casts(KernelTable& t) {
  t.cast[kF16][kF32] = half_to_float_row;
  t.cast[kF32][kF16] = float_to_half_row;
  t.cast[kBF16][kF32] = unary_row<uint16_t, float, FromBfloat>;
  t.cast[kF32][kBF16] = unary_row<float, uint16_t, ToBfloat>;
  fill_cast<float, double>(t, kF32, kF64);
  fill_cast<double, float>(t, kF64, kF32);
  fill_cast<uint8_t, float>(t, kU8, kF32);
  fill_cast<int32_t, float>(t, kI32, kF32);
  fill_cast<int64_t, float>(t, kI64, kF32);
  fill_cast<uint8_t, float>(t, kBool, kF32);
}

}  // namespace

extern "C" const ptutils::kernels::KernelTable* PT_JOIN(ptutils_kernels_,
                                                        PT_LEVEL)() {
  // Called once, by dispatch.cpp, under its lock.
  static KernelTable table;
  if (table.level) return &table;
  fill_arithmetic<uint8_t>(table, kU8);
  fill_arithmetic<int32_t>(table, kI32);
  fill_arithmetic<int64_t>(table, kI64);
  fill_floating<float>(table, kF32);
  fill_floating<double>(table, kF64);
  fill_casts(table);
  fill_fused(table.f32);
  fill_fused(table.f64);
  table.images = {image_affine, resample<uint8_t, uint8_t>,
                  resample<uint8_t, float>, resample<float, float>};
  table.level = PT_TEXT(PT_LEVEL);
  return &table;
}
