#include <complex>
#include <type_traits>

#include "ptutils/tensor/kernels/base.h"
#include "ptutils/tensor/kernels/elementwise.inc.cpp"

namespace ptutils::kernels {
namespace {

template <class T>
using Sum = std::conditional_t<std::is_integral_v<T>, std::int64_t, T>;

template <class T>
struct Plus {
  using Out = Sum<T>;
  static constexpr int kStart = 0;
  Out operator()(Out a, Out b) const { return Add<Out>()(a, b); }
};
template <class T>
struct Times {
  using Out = Sum<T>;
  static constexpr int kStart = 1;
  Out operator()(Out a, Out b) const { return Mul<Out>()(a, b); }
};
template <class T>
struct Largest : Maximum<T> {
  using Out = T;
  static constexpr int kStart = -1;  // none: the first element
};
template <class T>
struct Smallest : Minimum<T> {
  using Out = T;
  static constexpr int kStart = -1;
};

// Halves: errors grow with the logarithm of n.
template <class T, class F>
typename F::Out fold(const T* a, Index n, F f) {
  using Out = typename F::Out;
  if (n > 256 && !std::is_integral_v<T>)
    return f(fold(a, n / 2, f), fold(a + n / 2, n - n / 2, f));
  Index i = F::kStart < 0 ? 1 : 0;
  Out out = F::kStart < 0 ? static_cast<Out>(a[0])
                          : static_cast<Out>(F::kStart < 0 ? 0 : F::kStart);
  for (; i < n; ++i) out = f(out, static_cast<Out>(a[i]));
  return out;
}

template <class T, class F>
void inner(const void* a_, Index rows, Index n, void* out_) {
  auto* a = static_cast<const T*>(a_);
  auto* out = static_cast<typename F::Out*>(out_);
  for (Index r = 0; r < rows; ++r) out[r] = fold(a + r * n, n, F());
}

template <class T, class F>
void outer(const void* a_, Index rows, Index stride, Index n, void* out_) {
  using Out = typename F::Out;
  auto* a = static_cast<const T*>(a_);
  auto* out = static_cast<Out*>(out_);
  F f;
  for (Index j = 0; j < n; ++j)
    out[j] = F::kStart < 0 ? static_cast<Out>(a[j])
                           : static_cast<Out>(F::kStart < 0 ? 0 : F::kStart);
  for (Index r = F::kStart < 0 ? 1 : 0; r < rows; ++r)
    for (Index j = 0; j < n; ++j)
      out[j] = f(out[j], static_cast<Out>(a[r * stride + j]));
}

template <class T, template <class> class F>
void one(KernelTable& t, Reduction op) {
  set(t.reduce_inner[op][type_of<T>], inner<T, F<T>>);
  set(t.reduce_outer[op][type_of<T>], outer<T, F<T>>);
}

template <class T>
void sums_and_products(KernelTable& t) {
  one<T, Plus>(t, kSum);
  one<T, Times>(t, kProd);
}

template <class... T>
void real(KernelTable& t) {
  (sums_and_products<T>(t), ...);
  (one<T, Largest>(t, kMax), ...);
  (one<T, Smallest>(t, kMin), ...);
}

}  // namespace

void complete_reductions(KernelTable& t) {
  real<bool, std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t,
       std::int8_t, std::int16_t, std::int32_t, std::int64_t, float, double>(t);
  sums_and_products<std::complex<float>>(t);
  sums_and_products<std::complex<double>>(t);
}

}  // namespace ptutils::kernels
