// Rows of elementwise operations. Included by level.cpp and base.cpp.
#pragma once

#include "ptutils/tensor/kernels/table.h"

namespace {

using ptutils::kernels::BinaryRow;
using ptutils::kernels::Index;
using ptutils::kernels::UnaryRow;

// One loop for each kind of step: the compiler makes vector code of those.
template <class T, class Out, class F>
void binary_row(const void* a_, Index a_step, const void* b_, Index b_step,
                void* out_, Index n) {
  auto* a = static_cast<const T*>(a_);
  auto* b = static_cast<const T*>(b_);
  auto* out = static_cast<Out*>(out_);
  F f;
  if (a_step && b_step) {
    for (Index i = 0; i < n; ++i) out[i] = f(a[i], b[i]);
  } else if (a_step) {
    const T y = *b;
    for (Index i = 0; i < n; ++i) out[i] = f(a[i], y);
  } else {
    const T x = *a;
    if (!b_step) {
      const T y = *b;
      for (Index i = 0; i < n; ++i) out[i] = f(x, y);
    } else {
      for (Index i = 0; i < n; ++i) out[i] = f(x, b[i]);
    }
  }
}

template <class T, class Out, class F>
void unary_row(const void* a_, void* out_, Index n) {
  auto* a = static_cast<const T*>(a_);
  auto* out = static_cast<Out*>(out_);
  F f;
  for (Index i = 0; i < n; ++i) out[i] = f(a[i]);
}

// Integers wrap: arithmetic is done unsigned, at least 32 bits wide (a product
// of two u16 would otherwise overflow int).
template <class T>
struct Wrapping {
  using type = T;
};
template <>
struct Wrapping<int8_t> {
  using type = uint32_t;
};
template <>
struct Wrapping<uint8_t> {
  using type = uint32_t;
};
template <>
struct Wrapping<int16_t> {
  using type = uint32_t;
};
template <>
struct Wrapping<uint16_t> {
  using type = uint32_t;
};
template <>
struct Wrapping<int32_t> {
  using type = uint32_t;
};
template <>
struct Wrapping<int64_t> {
  using type = uint64_t;
};

template <class T>
using Wrap = typename Wrapping<T>::type;

template <class T>
struct Add {
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Wrap<T>>(a) + static_cast<Wrap<T>>(b));
  }
};
template <class T>
struct Sub {
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Wrap<T>>(a) - static_cast<Wrap<T>>(b));
  }
};
template <class T>
struct Mul {
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Wrap<T>>(a) * static_cast<Wrap<T>>(b));
  }
};
template <class T>
struct Div {
  T operator()(T a, T b) const { return a / b; }
};
// The sum of both is NaN when one is; for integers x != x is never.
template <class T>
struct Maximum {
  T operator()(T a, T b) const {
    T m = a > b ? a : b;
    return a != a ? a : m;  // b's NaN loses no comparison: m is b then
  }
};
template <class T>
struct Minimum {
  T operator()(T a, T b) const {
    T m = a < b ? a : b;
    return a != a ? a : m;
  }
};

template <class T>
struct Eq {
  uint8_t operator()(T a, T b) const { return a == b; }
};
template <class T>
struct Ne {
  uint8_t operator()(T a, T b) const { return a != b; }
};
template <class T>
struct Lt {
  uint8_t operator()(T a, T b) const { return a < b; }
};
template <class T>
struct Le {
  uint8_t operator()(T a, T b) const { return a <= b; }
};

template <class T>
struct Neg {
  T operator()(T a) const {
    return static_cast<T>(Wrap<T>{} - static_cast<Wrap<T>>(a));
  }
};
template <class T>
struct Square {
  T operator()(T a) const { return Mul<T>()(a, a); }
};
template <class T>
struct Relu {
  T operator()(T a) const { return a < T{0} ? T{0} : a; }  // NaN stays
};

}  // namespace
