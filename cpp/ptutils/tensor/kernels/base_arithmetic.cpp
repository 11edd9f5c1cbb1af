#include <cmath>
#include <complex>
#include <type_traits>

#include "ptutils/tensor/kernels/base.h"
#include "ptutils/tensor/kernels/elementwise.inc.cpp"

namespace ptutils::kernels {
namespace {

// Python's sign: the quotient is rounded down. A divisor of 0 never comes
// here; the smallest integer by -1 would trap.
template <class T>
struct FloorDiv {
  T operator()(T a, T b) const {
    if constexpr (std::is_signed_v<T>) {
      if (b == T(-1)) return Neg<T>()(a);
      T q = static_cast<T>(a / b);
      return static_cast<T>(q - ((a % b != 0) && ((a < 0) != (b < 0))));
    } else {
      return static_cast<T>(a / b);
    }
  }
};
template <class T>
struct Remainder {
  T operator()(T a, T b) const {
    if constexpr (std::is_signed_v<T>) {
      if (b == T(-1)) return 0;
      T r = static_cast<T>(a % b);
      return static_cast<T>(r != 0 && (r < 0) != (b < 0) ? r + b : r);
    } else {
      return static_cast<T>(a % b);
    }
  }
};
// As CPython's float_divmod, which torch follows.
template <class T>
struct FloorDivFloat {
  T operator()(T a, T b) const {
    if (b == 0) return a / b;
    T mod = std::fmod(a, b);
    T q = (a - mod) / b;
    if (mod != 0 && (b < 0) != (mod < 0)) q -= 1;
    if (q == 0) return std::copysign(T{0}, a / b);
    T floor = std::floor(q);
    return q - floor > T(0.5) ? floor + 1 : floor;
  }
};
template <class T>
struct RemainderFloat {
  T operator()(T a, T b) const {
    T mod = std::fmod(a, b);
    return mod != 0 && (b < 0) != (mod < 0) ? mod + b : mod;
  }
};
template <class T>
struct PowInteger {
  T operator()(T base, T exponent) const {
    if constexpr (std::is_signed_v<T>)
      if (exponent < 0) {  // as torch: only 1 and -1 have an integer inverse
        if (base == 1) return 1;
        if (base == -1) return exponent % 2 ? T(-1) : T(1);
        return 0;
      }
    T out = 1;
    while (exponent) {
      if (exponent & 1) out = Mul<T>()(out, base);
      base = Mul<T>()(base, base);
      exponent = static_cast<T>(exponent >> 1);
    }
    return out;
  }
};
template <class T>
struct PowFloat {
  T operator()(T a, T b) const { return b == T{2} ? a * a : std::pow(a, b); }
};
struct Or {
  bool operator()(bool a, bool b) const { return a || b; }
};
struct And {
  bool operator()(bool a, bool b) const { return a && b; }
};

template <class T>
void equality(KernelTable& t) {
  constexpr int k = type_of<T>;
  set(t.comparison[kEq][k], binary_row<T, uint8_t, Eq<T>>);
  set(t.comparison[kNe][k], binary_row<T, uint8_t, Ne<T>>);
}

template <class T>
void ordered(KernelTable& t) {
  constexpr int k = type_of<T>;
  equality<T>(t);
  set(t.comparison[kLt][k], binary_row<T, uint8_t, Lt<T>>);
  set(t.comparison[kLe][k], binary_row<T, uint8_t, Le<T>>);
}

template <class T>
void sums(KernelTable& t) {
  constexpr int k = type_of<T>;
  set(t.arithmetic[kAdd][k], binary_row<T, T, Add<T>>);
  set(t.arithmetic[kSub][k], binary_row<T, T, Sub<T>>);
  set(t.arithmetic[kMul][k], binary_row<T, T, Mul<T>>);
}

template <class T>
void integer(KernelTable& t) {
  constexpr int k = type_of<T>;
  sums<T>(t);
  ordered<T>(t);
  set(t.arithmetic[kMaximum][k], binary_row<T, T, Maximum<T>>);
  set(t.arithmetic[kMinimum][k], binary_row<T, T, Minimum<T>>);
  set(t.arithmetic[kFloorDiv][k], binary_row<T, T, FloorDiv<T>>);
  set(t.arithmetic[kRemainder][k], binary_row<T, T, Remainder<T>>);
  set(t.arithmetic[kPow][k], binary_row<T, T, PowInteger<T>>);
}

template <class T>
void floating(KernelTable& t) {
  constexpr int k = type_of<T>;
  sums<T>(t);
  ordered<T>(t);
  set(t.arithmetic[kMaximum][k], binary_row<T, T, Maximum<T>>);
  set(t.arithmetic[kMinimum][k], binary_row<T, T, Minimum<T>>);
  set(t.arithmetic[kDiv][k], binary_row<T, T, Div<T>>);
  set(t.arithmetic[kFloorDiv][k], binary_row<T, T, FloorDivFloat<T>>);
  set(t.arithmetic[kRemainder][k], binary_row<T, T, RemainderFloat<T>>);
  set(t.arithmetic[kPow][k], binary_row<T, T, PowFloat<T>>);
}

template <class T>
void complex_numbers(KernelTable& t) {
  constexpr int k = type_of<T>;
  sums<T>(t);
  equality<T>(t);
  set(t.arithmetic[kDiv][k], binary_row<T, T, Div<T>>);
  set(t.arithmetic[kPow][k], binary_row<T, T, PowFloat<T>>);
}

}  // namespace

void complete_arithmetic(KernelTable& t) {
  ordered<bool>(t);
  for (int k : {int{kAdd}, int{kMaximum}})
    set(t.arithmetic[k][kBool], binary_row<bool, bool, Or>);
  for (int k : {int{kMul}, int{kMinimum}})
    set(t.arithmetic[k][kBool], binary_row<bool, bool, And>);
  integer<std::uint8_t>(t);
  integer<std::uint16_t>(t);
  integer<std::uint32_t>(t);
  integer<std::uint64_t>(t);
  integer<std::int8_t>(t);
  integer<std::int16_t>(t);
  integer<std::int32_t>(t);
  integer<std::int64_t>(t);
  floating<float>(t);
  floating<double>(t);
  complex_numbers<std::complex<float>>(t);
  complex_numbers<std::complex<double>>(t);
}

void complete(KernelTable& t) {
  complete_arithmetic(t);
  complete_unary(t);
  complete_casts(t);
  complete_reductions(t);
}

}  // namespace ptutils::kernels
