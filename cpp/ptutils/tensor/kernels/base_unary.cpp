#include <cmath>
#include <complex>
#include <type_traits>

#include "ptutils/tensor/kernels/base.h"
#include "ptutils/tensor/kernels/elementwise.inc.cpp"

// f32 and f64 are the levels' own; these are integers and complex numbers.
namespace ptutils::kernels {
namespace {

template <class T>
struct AbsInteger {
  T operator()(T a) const { return a < T{0} ? Neg<T>()(a) : a; }
};
template <class T>
struct AbsComplex {
  auto operator()(T a) const { return std::abs(a); }
};
template <class T>
struct ExpComplex {
  T operator()(T a) const { return std::exp(a); }
};
template <class T>
struct LogComplex {
  T operator()(T a) const { return std::log(a); }
};
template <class T>
struct SqrtComplex {
  T operator()(T a) const { return std::sqrt(a); }
};
template <class T>
struct TanhComplex {
  T operator()(T a) const { return std::tanh(a); }
};
template <class T>
struct SigmoidComplex {
  T operator()(T a) const { return T{1} / (T{1} + std::exp(-a)); }
};
template <class T>
struct NegComplex {
  T operator()(T a) const { return -a; }
};

template <class T>
void integer_unary(KernelTable& t) {
  constexpr int k = type_of<T>;
  set(t.unary[kNeg][k], unary_row<T, T, Neg<T>>);
  set(t.unary[kAbs][k], unary_row<T, T, AbsInteger<T>>);
  set(t.unary[kSquare][k], unary_row<T, T, Square<T>>);
  set(t.unary[kRelu][k], unary_row<T, T, Relu<T>>);
}

template <class T>
void complex_unary(KernelTable& t) {
  constexpr int k = type_of<T>;
  using Real = typename T::value_type;
  set(t.unary[kNeg][k], unary_row<T, T, NegComplex<T>>);
  set(t.unary[kAbs][k], unary_row<T, Real, AbsComplex<T>>);
  set(t.unary[kSquare][k], unary_row<T, T, Square<T>>);
  set(t.unary[kExp][k], unary_row<T, T, ExpComplex<T>>);
  set(t.unary[kLog][k], unary_row<T, T, LogComplex<T>>);
  set(t.unary[kSqrt][k], unary_row<T, T, SqrtComplex<T>>);
  set(t.unary[kTanh][k], unary_row<T, T, TanhComplex<T>>);
  set(t.unary[kSigmoid][k], unary_row<T, T, SigmoidComplex<T>>);
}

}  // namespace

void complete_unary(KernelTable& t) {
  integer_unary<std::uint8_t>(t);
  integer_unary<std::uint16_t>(t);
  integer_unary<std::uint32_t>(t);
  integer_unary<std::uint64_t>(t);
  integer_unary<std::int8_t>(t);
  integer_unary<std::int16_t>(t);
  integer_unary<std::int32_t>(t);
  integer_unary<std::int64_t>(t);
  complex_unary<std::complex<float>>(t);
  complex_unary<std::complex<double>>(t);
}

}  // namespace ptutils::kernels
