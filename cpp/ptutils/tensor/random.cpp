#include "ptutils/tensor/random.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ptutils/common/thread_pool.h"
#include "ptutils/tensor/kernels/math.h"
#include "ptutils/tensor/ops.h"

// Compiled for the baseline processor and with its own logarithm and sine:
// the C library's differ in the last bit from one processor to the next.
namespace ptutils {
namespace {

using Words = std::array<std::uint32_t, 4>;

constexpr std::int64_t kGrain = 16384;  // blocks a task computes

Words block(std::uint64_t key, std::uint64_t counter) {
  return philox(
      {static_cast<std::uint32_t>(counter),
       static_cast<std::uint32_t>(counter >> 32), 0, 0},
      {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)});
}

std::uint64_t join(std::uint32_t low, std::uint32_t high) {
  return std::uint64_t{high} << 32 | low;
}

double unit53(std::uint64_t word) {
  return static_cast<double>(word >> 11) * 0x1p-53;
}

float unit24(std::uint32_t word) {
  return static_cast<float>(word >> 8) * 0x1p-24f;
}

/// Calls f(index of block, its words) for all of them, from many threads.
template <class F>
void for_blocks(std::uint64_t key, std::uint64_t& counter, std::int64_t count,
                F f) {
  const std::uint64_t start = counter;
  parallel_for(count, kGrain, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t i = b; i < e; ++i)
      f(i, block(key, start + static_cast<std::uint64_t>(i)));
  });
  counter = start + static_cast<std::uint64_t>(count);
}

/// Fills `out` with `kPerBlock` elements a block; f(words, elements).
template <int kPerBlock, class T, class F>
void fill(Tensor& out, std::uint64_t key, std::uint64_t& counter, F f) {
  T* at = out.data<T>();
  std::int64_t n = out.numel();
  for_blocks(key, counter, (n + kPerBlock - 1) / kPerBlock,
             [=](std::int64_t i, const Words& words) {
               T elements[kPerBlock];
               f(words, elements);
               std::int64_t first = i * kPerBlock;
               if (first + kPerBlock <= n)
                 std::copy_n(elements, kPerBlock, at + first);
               else
                 std::copy_n(elements, n - first, at + first);
             });
}

// sin and cos of 2 pi v, 0 <= v < 1: the nearest quarter turn, then fdlibm's
// polynomials on at most an eighth.
void sincos_turn(double v, double& sine, double& cosine) {
  int quarter = static_cast<int>(4 * v + 0.5);
  double x = (v - 0.25 * quarter) * 6.283185307179586477;
  double z = x * x;
  double s = 1.58969099521155010221e-10;
  s = s * z - 2.50507602534068634195e-8;
  s = s * z + 2.75573137070700676789e-6;
  s = s * z - 1.98412698298579493134e-4;
  s = s * z + 8.33333333332248946124e-3;
  s = s * z - 1.66666666666666324348e-1;
  s = x + x * z * s;
  double c = -1.13596475577881948265e-11;
  c = c * z + 2.08757232129817482790e-9;
  c = c * z - 2.75573143513906633035e-7;
  c = c * z + 2.48015872894767294178e-5;
  c = c * z - 1.38888888888741095749e-3;
  c = c * z + 4.16666666666666019037e-2;
  c = 1 - 0.5 * z + z * z * c;
  sine = quarter & 1 ? c : s;
  cosine = quarter & 1 ? s : c;
  if (quarter & 2) sine = -sine;
  if ((quarter + 1) & 2) cosine = -cosine;
}

// Box-Muller: two uniform numbers, the first in (0, 1], to two normal ones.
void normal_pair(double u, double v, double& a, double& b) {
  double radius = std::sqrt(-2 * fast_log(u));
  double sine, cosine;
  sincos_turn(v, sine, cosine);
  a = radius * cosine;
  b = radius * sine;
}

// Two 64-bit hashes (FNV-1a) of a name: 128 bits, so that names never meet.
std::uint64_t fnv(std::string_view text, std::uint64_t hash) {
  for (char c : text)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

void check_floating(DType dtype, std::string_view where) {
  if (!is_floating(dtype))
    fail(Kind::kType, where, "gives floating numbers, not ", name(dtype),
         "; cast() the result");
}

/// Lemire (2019): a word in [0, 2^32) to [0, n) by multiplication; `word` is
/// refused, and the next one taken, where the ranges would be unequal.
template <class Next>
std::uint32_t below32(std::uint32_t n, Next next) {
  std::uint64_t product = std::uint64_t{next()} * n;
  if (static_cast<std::uint32_t>(product) < n) {
    std::uint32_t least = -n % n;
    while (static_cast<std::uint32_t>(product) < least)
      product = std::uint64_t{next()} * n;
  }
  return static_cast<std::uint32_t>(product >> 32);
}

}  // namespace

Words philox(Words c, std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    std::uint64_t a = std::uint64_t{0xd2511f53} * c[0];
    std::uint64_t b = std::uint64_t{0xcd9e8d57} * c[2];
    c = {static_cast<std::uint32_t>(b >> 32) ^ c[1] ^ k[0],
         static_cast<std::uint32_t>(b),
         static_cast<std::uint32_t>(a >> 32) ^ c[3] ^ k[1],
         static_cast<std::uint32_t>(a)};
    k[0] += 0x9e3779b9;
    k[1] += 0xbb67ae85;
  }
  return c;
}

Random Random::named(std::uint64_t seed, std::string_view name) {
  return Random(seed).at(fnv(name, 0xcbf29ce484222325),
                         fnv(name, 0x84222325cbf29ce4));
}

Random Random::at(std::uint64_t a, std::uint64_t b) const {
  // Another key than the draws': a stream never shows what its parent drew.
  std::uint64_t key = key_ ^ 0x5851f42d4c957f2d;
  Words words = philox(
      {static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(a >> 32),
       static_cast<std::uint32_t>(b), static_cast<std::uint32_t>(b >> 32)},
      {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)});
  return Random(join(words[0], words[1]));
}

std::uint64_t Random::next_u64() {
  Words words = block(key_, counter_++);
  return join(words[0], words[1]);
}

double Random::next_uniform() { return unit53(next_u64()); }

std::uint64_t Random::next_below(std::uint64_t n) {
  if (n == 0) fail(Kind::kValue, "Random.next_below", "n must be positive");
  std::uint64_t least = -n % n;  // 2^64 mod n: words below it are refused
  std::uint64_t word = next_u64();
  while (word < least) word = next_u64();
  return word % n;
}

Tensor Random::uniform(Dims shape, double low, double high, DType dtype) {
  check_floating(dtype, "Random.uniform");
  if (!(low <= high))
    fail(Kind::kValue, "Random.uniform", "low ", low, " is above high ", high);
  if (dtype == DType::kF64) {
    Tensor out = Tensor::empty(std::move(shape), dtype);
    fill<2, double>(out, key_, counter_, [=](const Words& w, double* at) {
      for (int i = 0; i < 2; ++i) {
        double u = unit53(join(w[2 * i], w[2 * i + 1]));
        double x = low + u * (high - low);
        at[i] = x < high || u == 0 ? x : low;
      }
    });
    return out;
  }
  Tensor out = Tensor::empty(std::move(shape), DType::kF32);
  auto base = static_cast<float>(low), top = static_cast<float>(high);
  auto span = static_cast<float>(high - low);
  fill<4, float>(out, key_, counter_, [=](const Words& w, float* at) {
    for (int i = 0; i < 4; ++i) {
      // Rounding may reach `high`, which is excluded.
      float x = base + unit24(w[i]) * span;
      at[i] = x < top ? x : base;
    }
  });
  return dtype == DType::kF32 ? out : cast(out, dtype);
}

Tensor Random::normal(Dims shape, double mean, double std, DType dtype) {
  check_floating(dtype, "Random.normal");
  if (!(std >= 0))
    fail(Kind::kValue, "Random.normal", "std ", std, " is negative");
  if (dtype == DType::kF64) {
    Tensor out = Tensor::empty(std::move(shape), dtype);
    fill<2, double>(out, key_, counter_, [=](const Words& w, double* at) {
      double u = 1 - unit53(join(w[0], w[1]));
      normal_pair(u, unit53(join(w[2], w[3])), at[0], at[1]);
      at[0] = mean + std * at[0];
      at[1] = mean + std * at[1];
    });
    return out;
  }
  Tensor out = Tensor::empty(std::move(shape), DType::kF32);
  fill<4, float>(out, key_, counter_, [=](const Words& w, float* at) {
    for (int i = 0; i < 4; i += 2) {
      double a, b;
      normal_pair((w[i] + 0.5) * 0x1p-32, w[i + 1] * 0x1p-32, a, b);
      at[i] = static_cast<float>(mean + std * a);
      at[i + 1] = static_cast<float>(mean + std * b);
    }
  });
  return dtype == DType::kF32 ? out : cast(out, dtype);
}

Tensor Random::bernoulli(Dims shape, double p, DType dtype) {
  if (!(p >= 0 && p <= 1))
    fail(Kind::kValue, "Random.bernoulli", "the probability ", p,
         " is not between 0 and 1");
  Tensor out = Tensor::empty(std::move(shape), DType::kBool);
  auto limit = static_cast<std::uint64_t>(p * 0x1p32 + 0.5);
  fill<4, bool>(out, key_, counter_, [=](const Words& w, bool* at) {
    for (int i = 0; i < 4; ++i) at[i] = w[i] < limit;
  });
  return dtype == DType::kBool ? out : cast(out, dtype);
}

Tensor Random::randint(std::int64_t low, std::int64_t high, Dims shape,
                       DType dtype) {
  if (low >= high)
    fail(Kind::kValue, "Random.randint", "no integer from ", low, " below ",
         high);
  if (!is_integer(dtype))
    fail(Kind::kType, "Random.randint", "gives integers, not ", name(dtype),
         "; cast() the result");
  Tensor out = Tensor::empty(std::move(shape), DType::kI64);
  auto range =
      static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  // The upper half of a 96-bit product of the range and 64 random bits: a
  // fixed number of words an element, biased by less than range / 2^64.
  fill<2, std::int64_t>(
      out, key_, counter_, [=](const Words& w, std::int64_t* at) {
        for (int i = 0; i < 2; ++i) {
          auto product =
              static_cast<unsigned __int128>(join(w[2 * i], w[2 * i + 1])) *
              range;
          at[i] = static_cast<std::int64_t>(
              static_cast<std::uint64_t>(low) +
              static_cast<std::uint64_t>(product >> 64));
        }
      });
  return dtype == DType::kI64 ? out : cast(out, dtype);
}

Tensor Random::permutation(std::int64_t n) {
  Tensor out = arange(n);
  auto* at = out.data<std::int64_t>();
  constexpr std::int64_t kWide = std::int64_t{1} << 32;
  std::int64_t i = n - 1;
  for (; i + 1 >= kWide; --i)
    std::swap(at[i], at[next_below(static_cast<std::uint64_t>(i) + 1)]);
  Words words{};
  int left = 0;
  auto next = [&] {
    if (left == 0) {
      words = block(key_, counter_++);
      left = 4;
    }
    return words[static_cast<std::size_t>(4 - left--)];
  };
  for (; i > 0; --i)
    std::swap(at[i], at[below32(static_cast<std::uint32_t>(i + 1), next)]);
  return out;
}

Random& default_random() {
  static Random random(0);
  return random;
}

void seed(std::uint64_t value) { default_random() = Random(value); }

}  // namespace ptutils
