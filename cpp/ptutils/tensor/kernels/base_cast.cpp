#include <complex>
#include <cstring>
#include <type_traits>

#include "ptutils/tensor/kernels/base.h"

namespace ptutils::kernels {
namespace {

template <class T>
struct IsComplex : std::false_type {};
template <class T>
struct IsComplex<std::complex<T>> : std::true_type {};

template <class T>
constexpr bool is_half = std::is_same_v<T, f16> || std::is_same_v<T, bf16>;

template <class From, class To>
To convert(From a) {
  if constexpr (IsComplex<From>::value && std::is_same_v<To, bool>) {
    return a != From{};
  } else if constexpr (IsComplex<From>::value && IsComplex<To>::value) {
    return To(static_cast<typename To::value_type>(a.real()),
              static_cast<typename To::value_type>(a.imag()));
  } else if constexpr (IsComplex<From>::value) {
    return convert<typename From::value_type, To>(a.real());
  } else if constexpr (is_half<From>) {
    return convert<float, To>(static_cast<float>(a));
  } else if constexpr (IsComplex<To>::value) {
    return To(convert<From, typename To::value_type>(a));
  } else if constexpr (is_half<To>) {
    return To(static_cast<float>(a));
  } else if constexpr (std::is_same_v<To, bool>) {
    return a != From{};
  } else if constexpr (std::is_floating_point_v<From> &&
                       std::is_same_v<To, std::uint64_t>) {
    return a < 0 ? static_cast<To>(static_cast<std::int64_t>(a))
                 : static_cast<To>(a);
  } else if constexpr (std::is_floating_point_v<From> &&
                       std::is_integral_v<To>) {
    // By way of int64, so that what is out of range wraps everywhere alike.
    return static_cast<To>(static_cast<std::int64_t>(a));
  } else {
    return static_cast<To>(a);
  }
}

template <class From, class To>
void cast_row(const void* a_, void* out_, Index n) {
  auto* a = static_cast<const From*>(a_);
  auto* out = static_cast<To*>(out_);
  for (Index i = 0; i < n; ++i) out[i] = convert<From, To>(a[i]);
}

template <class T>
void copy_row(const void* a, void* out, Index n) {
  std::memmove(out, a, static_cast<std::size_t>(n) * sizeof(T));
}

template <class From, class... To>
void casts_from(KernelTable& t) {
  (set(t.cast[type_of<From>][type_of<To>], cast_row<From, To>), ...);
}

template <class... T>
void all_casts(KernelTable& t) {
  (set(t.cast[type_of<T>][type_of<T>], copy_row<T>), ...);
  (casts_from<T, T...>(t), ...);
}

}  // namespace

void complete_casts(KernelTable& t) {
  all_casts<bool, std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t,
            std::int8_t, std::int16_t, std::int32_t, std::int64_t, f16, bf16,
            float, double, std::complex<float>, std::complex<double>>(t);
}

}  // namespace ptutils::kernels
