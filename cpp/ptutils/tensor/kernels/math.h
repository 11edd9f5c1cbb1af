#pragma once

#include <stdint.h>
#include <string.h>

/// exp, log and tanh without branches, so that loops over them become vector
/// code. Relative errors stay below 3e-7 (float) and 5e-16 (double).
/// Reductions and coefficients: S. Moshier, Cephes; Sun, fdlibm.
/// Internal linkage: each instruction set has its own copy.
namespace {

template <class T>
struct Real;

template <>
struct Real<float> {
  using Bits = uint32_t;
  static constexpr int kMantissa = 23;
  static constexpr Bits kBias = 127;
  static constexpr float kMagic = 0x1.8p23f;  // adding it rounds to integer
  static constexpr float kExpLow = -104, kExpHigh = 89.5f, kTanhHigh = 20;
  static constexpr float kLn2High = 0x1.63p-1f, kLn2Low = -2.12194440e-4f;
  static constexpr float kSmallest = 0x1p-126f, kScale = 0x1p23f;
  static constexpr float kInfinity = __builtin_inff();
  static constexpr Bits kSqrtHalf = 0x3f3504f3, kOne = 0x3f800000;

  // exp(r) - 1 for |r| <= ln(2) / 2.
  static inline float expm1_poly(float r) {
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return p * r * r + r;
  }

  // log(1 + f) + k ln 2 for 1 + f in [sqrt(1/2), sqrt(2)).
  static inline float log_poly(float f, float k) {
    float p = 7.0376836292e-2f;
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    float square = f * f;
    float y = p * f * square + k * kLn2Low;
    return (f + (y - 0.5f * square)) + k * kLn2High;
  }
};

template <>
struct Real<double> {
  using Bits = uint64_t;
  static constexpr int kMantissa = 52;
  static constexpr Bits kBias = 1023;
  static constexpr double kMagic = 0x1.8p52;
  static constexpr double kExpLow = -746, kExpHigh = 710, kTanhHigh = 40;
  static constexpr double kLn2High = 6.93145751953125e-1;
  static constexpr double kLn2Low = 1.42860682030941723212e-6;
  static constexpr double kSmallest = 0x1p-1022, kScale = 0x1p52;
  static constexpr double kInfinity = __builtin_inf();
  static constexpr Bits kSqrtHalf = 0x3fe6a09e667f3bcd;
  static constexpr Bits kOne = 0x3ff0000000000000;

  static inline double expm1_poly(double r) {
    double p = 1.0 / 6227020800;
    p = p * r + 1.0 / 479001600;
    p = p * r + 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 1.0 / 2;
    return p * r * r + r;
  }

  static inline double log_poly(double f, double k) {
    double s = f / (2 + f);
    double z = s * s;
    double p = 1.479819860511658591e-1;
    p = p * z + 1.531383769920937332e-1;
    p = p * z + 1.818357216161805012e-1;
    p = p * z + 2.222219843214978396e-1;
    p = p * z + 2.857142874366239149e-1;
    p = p * z + 3.999999999940941908e-1;
    p = p * z + 6.666666666666735130e-1;
    double half = 0.5 * f * f;
    return k * kLn2High - ((half - (s * (half + p * z) + k * kLn2Low)) - f);
  }
};

template <class T>
inline typename Real<T>::Bits to_bits(T value) {
  typename Real<T>::Bits bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

template <class T>
inline T from_bits(typename Real<T>::Bits bits) {
  T value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// x = n ln 2 + r; returns exp(r) - 1 and n.
template <class T>
inline T reduce_exp(T x, typename Real<T>::Bits& n) {
  using R = Real<T>;
  T t = x * static_cast<T>(1.44269504088896340736) + R::kMagic;
  T k = t - R::kMagic;
  n = to_bits(t) - to_bits(R::kMagic);
  return R::expm1_poly((x - k * R::kLn2High) - k * R::kLn2Low);
}

template <class T>
inline T fast_exp(T x) {
  using R = Real<T>;
  T y = x < R::kExpLow ? R::kExpLow : x;  // NaN stays
  y = y > R::kExpHigh ? R::kExpHigh : y;
  typename R::Bits n;
  T p = 1 + reduce_exp(y, n);
  // 2^n as two factors: it may lie beyond the range of normal numbers.
  typename R::Bits half = ((n + 4 * R::kBias) >> 1) - 2 * R::kBias;
  T first = from_bits<T>((half + R::kBias) << R::kMantissa);
  T second = from_bits<T>((n - half + R::kBias) << R::kMantissa);
  return p * first * second;
}

template <class T>
inline T fast_tanh(T x) {
  using R = Real<T>;
  typename R::Bits sign = to_bits(x) & to_bits(static_cast<T>(-0.0));
  T y = from_bits<T>(to_bits(x) ^ sign);
  y = y > R::kTanhHigh ? R::kTanhHigh : y;
  typename R::Bits n;
  T p = reduce_exp(2 * y, n);
  T power = from_bits<T>((n + R::kBias) << R::kMantissa);
  T e = p * power + (power - 1);  // exp(2|x|) - 1
  return from_bits<T>(to_bits(e / (e + 2)) | sign);
}

template <class T>
inline T fast_log(T x) {
  using R = Real<T>;
  bool tiny = x < R::kSmallest;
  T y = tiny ? x * R::kScale : x;
  typename R::Bits bits = to_bits(y) + (R::kOne - R::kSqrtHalf);
  typename R::Bits low = (typename R::Bits{1} << R::kMantissa) - 1;
  T f = from_bits<T>((bits & low) + R::kSqrtHalf) - 1;
  // The exponent as a number, without a conversion from 64-bit integers.
  T base = from_bits<T>((R::kBias + R::kMantissa) << R::kMantissa);
  T k = from_bits<T>(to_bits(base) | (bits >> R::kMantissa)) - base;
  k -= static_cast<T>(R::kBias);
  k -= tiny ? static_cast<T>(R::kMantissa) : T{0};
  T out = R::log_poly(f, k);
  out = x == R::kInfinity ? R::kInfinity : out;
  out = x == 0 ? -R::kInfinity : out;
  return x < 0 || x != x
             ? from_bits<T>(to_bits(R::kInfinity) | 1 | (low + 1) >> 1)
             : out;
}

template <class T>
inline T fast_sigmoid(T x) {
  return 1 / (1 + fast_exp(-x));
}

}  // namespace
