#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "ptutils/tensor/kernels/table.h"
#include "ptutils/tensor/random.h"
#include "tensor/check.h"

using namespace ptutils;
using kernels::KernelTable;

static double difference(const Tensor& a, const Tensor& b) {
  Tensor x = cast(a, DType::kF64), y = cast(b, DType::kF64);
  Tensor both = logical_or(eq(x, y), logical_and(isnan(x), isnan(y)));
  Tensor scale = add(abs(x), Tensor::scalar_of(1e-30));
  Tensor off = div(abs(sub(x, y)), scale);
  return max(where(both, Tensor::scalar_of(0.0), off)).item_f64();
}

static void compare_rows(const KernelTable& level, const KernelTable& base,
                         DType d, double tolerance) {
  const std::int64_t n = 1037;  // vectors and a rest
  const int k = static_cast<int>(d);
  Tensor a = cast(Random(1).uniform({n}, -60, 60), d);
  Tensor b = cast(Random(2).uniform({n}, 1, 50), d);
  auto binary = [&](kernels::BinaryRow f, kernels::BinaryRow g, DType out) {
    if (!f || !g) return;
    for (auto [s, t] : {std::pair{1, 1}, {1, 0}, {0, 1}, {0, 0}}) {
      Tensor x = Tensor::empty({n}, out), y = Tensor::empty({n}, out);
      f(a.bytes(), s, b.bytes(), t, x.bytes(), n);
      g(a.bytes(), s, b.bytes(), t, y.bytes(), n);
      CHECK(difference(x, y) <= tolerance);
    }
  };
  for (int op = 0; op < kernels::kArithmeticCount; ++op)
    binary(level.arithmetic[op][k], base.arithmetic[op][k], d);
  for (int op = 0; op < kernels::kComparisonCount; ++op)
    binary(level.comparison[op][k], base.comparison[op][k], DType::kBool);
  for (int op = 0; op < kernels::kUnaryCount; ++op) {
    if (!level.unary[op][k]) continue;
    Tensor x = Tensor::empty({n}, d), y = Tensor::empty({n}, d);
    level.unary[op][k](a.bytes(), x.bytes(), n);
    base.unary[op][k](a.bytes(), y.bytes(), n);
    CHECK(difference(x, y) <= tolerance);
  }
  for (int to = 0; to < kernels::kTypeCount; ++to) {
    DType out = static_cast<DType>(to);
    Tensor x = Tensor::empty({n}, out), y = Tensor::empty({n}, out);
    level.cast[k][to](a.bytes(), x.bytes(), n);
    base.cast[k][to](a.bytes(), y.bytes(), n);
    CHECK(x.identical(y));  // NaN does not occur here
  }
  for (int op : {0, 2, 3}) {  // a product would overflow
    auto f = level.reduce_inner[op][k], g = base.reduce_inner[op][k];
    if (!f) continue;
    Tensor x = Tensor::zeros({1}, op == 0 && is_integer(d) ? DType::kI64 : d);
    Tensor y = x.clone();
    f(a.bytes(), 1, n, x.bytes());
    g(a.bytes(), 1, n, y.bytes());
    CHECK(x.identical(y));
  }
}

TEST_CASE("every level that the processor has agrees with generic") {
  const KernelTable* generic = kernels::table_of("generic");
  REQUIRE(generic);
  for (const char* name : {"generic", "v2", "v3", "v4"}) {
    const KernelTable* level = kernels::table_of(name);
    if (!level) continue;
    CAPTURE(name);
    CHECK(std::string(level->level) == name);
    for (DType d : every_dtype()) {
      if (is_complex(d) || d == DType::kBool) continue;
      compare_rows(*level, *generic, d, d == DType::kF64 ? 1e-14 : 2e-6);
    }
    Tensor a = Random(1).normal({70, 90}), b = Random(2).normal({90, 50});
    Tensor x = Tensor::empty({70, 50}), y = Tensor::empty({70, 50});
    auto scratch = Storage::allocate(kernels::kGemmWorkspace);
    for (auto [t, c] : {std::pair{level, &x}, {generic, &y}})
      t->f32.gemm(70, 50, 90, 1, a.data<float>(), 90, false, b.data<float>(),
                  50, false, 0, c->data<float>(), 50, scratch->data());
    CHECK(max(abs(sub(x, y))).item_f64() < 1e-4);
  }
}

TEST_CASE("every f16 is converted alike by all levels") {
  Tensor halves = Tensor::empty({65536}, DType::kF16);
  for (int i = 0; i < 65536; ++i)
    halves.data<f16>()[i].bits = static_cast<std::uint16_t>(i);
  for (const char* name : {"generic", "v2", "v3", "v4"}) {
    const KernelTable* level = kernels::table_of(name);
    if (!level) continue;
    Tensor wide = Tensor::empty({65536});
    level->cast[kernels::kF16][kernels::kF32](halves.bytes(), wide.bytes(),
                                              65536);
    for (int i = 0; i < 65536; ++i) {
      auto wanted = static_cast<float>(halves.data<f16>()[i]);
      if (std::memcmp(&wanted, wide.data<float>() + i, 4) != 0)
        FAIL(name, " reads f16 ", i, " wrong");
    }
    Tensor back = Tensor::empty({65536}, DType::kF16);
    level->cast[kernels::kF32][kernels::kF16](wide.bytes(), back.bytes(),
                                              65536);
    Tensor again = Tensor::empty({65536});
    level->cast[kernels::kF16][kernels::kF32](back.bytes(), again.bytes(),
                                              65536);
    CHECK(again.identical(wide));
  }
}

TEST_CASE("an unknown level is no level") {
  CHECK(kernels::table_of("v9") == nullptr);
  CHECK(kernels::table_of(std::string(isa_level()).c_str()) ==
        &kernels::table());
}

// The choice is made once a process, so each case is a process of its own.
static int with_isa(const char* level, const char* test) {
  pid_t pid = fork();
  if (pid == 0) {
    setenv("PTUTILS_ISA", level, 1);
    const std::string only = std::string("-tc=") + test;
    execl("/proc/self/exe", "self", only.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_CASE("PTUTILS_ISA chooses the level") {
  if (std::getenv("PTUTILS_ISA")) return;
  CHECK(with_isa("generic", "reports the level of PTUTILS_ISA") == 0);
  CHECK(with_isa("v9", "reports an error of PTUTILS_ISA") == 0);
}

TEST_CASE("reports the level of PTUTILS_ISA") {
  const char* wanted = std::getenv("PTUTILS_ISA");
  if (wanted && kernels::table_of(wanted)) CHECK(isa_level() == wanted);
}

TEST_CASE("reports an error of PTUTILS_ISA") {
  const char* wanted = std::getenv("PTUTILS_ISA");
  if (wanted && !kernels::table_of(wanted))
    for (int round = 0; round < 2; ++round)
      CHECK_KIND(isa_level(), Kind::kValue);
}
