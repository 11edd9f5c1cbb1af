// Rows of exp, log, tanh …, and of floating negation. Included by level.cpp.
#pragma once

#include "ptutils/tensor/kernels/math.h"

namespace {

template <class T>
struct NegFloat {
  T operator()(T a) const { return -a; }  // 0 - a has the wrong zero
};
template <class T>
struct AbsFloat {
  T operator()(T a) const {
    return from_bits<T>(to_bits(a) & ~to_bits(static_cast<T>(-0.0)));
  }
};
template <class T>
struct Exp {
  T operator()(T a) const { return fast_exp(a); }
};
template <class T>
struct Log {
  T operator()(T a) const { return fast_log(a); }
};
template <class T>
struct Tanh {
  T operator()(T a) const { return fast_tanh(a); }
};
template <class T>
struct Sigmoid {
  T operator()(T a) const { return fast_sigmoid(a); }
};
template <class T>
struct Sqrt {
  T operator()(T a) const {
    if constexpr (sizeof(T) == 4)
      return __builtin_sqrtf(a);
    else
      return __builtin_sqrt(a);
  }
};

}  // namespace
