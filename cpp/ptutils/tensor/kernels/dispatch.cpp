#include <cstdlib>
#include <cstring>
#include <string_view>

#include "ptutils/common/error.h"
#include "ptutils/tensor/dtype.h"
#include "ptutils/tensor/kernels/table.h"
#include "ptutils/tensor/ops.h"

extern "C" {
const ptutils::kernels::KernelTable* ptutils_kernels_generic();
#if defined(__x86_64__)
// Null where the build leaves the level out (PTUTILS_ISA_LEVELS).
[[gnu::weak]] const ptutils::kernels::KernelTable* ptutils_kernels_v2();
[[gnu::weak]] const ptutils::kernels::KernelTable* ptutils_kernels_v3();
[[gnu::weak]] const ptutils::kernels::KernelTable* ptutils_kernels_v4();
#endif
}

namespace ptutils::kernels {
namespace {

static_assert(kTypeCount == kDTypeCount);
static_assert(static_cast<int>(DType::kU8) == kU8);
static_assert(static_cast<int>(DType::kI64) == kI64);
static_assert(static_cast<int>(DType::kF16) == kF16);
static_assert(static_cast<int>(DType::kC128) == kC128);

#if defined(__x86_64__)
#if defined(__clang__) && __clang_major__ < 18
// It does not know the levels by name: the features that tell them apart.
bool has_v2() {
  return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
}
bool has_v3() {
  return has_v2() && __builtin_cpu_supports("avx2") &&
         __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");
}
bool has_v4() {
  return has_v3() && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") &&
         __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
#else
bool has_v2() { return __builtin_cpu_supports("x86-64-v2") != 0; }
bool has_v3() { return __builtin_cpu_supports("x86-64-v3") != 0; }
bool has_v4() { return __builtin_cpu_supports("x86-64-v4") != 0; }
#endif
#endif

struct Level {
  const char* name;
  bool (*processor_has)();
  const KernelTable* (*make)();

  bool supported() const { return make && processor_has(); }
};

const Level kLevels[] = {
// the best first
#if defined(__x86_64__)
    {"v4", has_v4, ptutils_kernels_v4},
    {"v3", has_v3, ptutils_kernels_v3},
    {"v2", has_v2, ptutils_kernels_v2},
#endif
    {"generic", [] { return true; }, ptutils_kernels_generic},
};

constexpr int kLevelCount = sizeof kLevels / sizeof kLevels[0];

struct Tables {
  KernelTable table[kLevelCount];

  Tables() {
    for (int i = 0; i < kLevelCount; ++i) {
      if (!kLevels[i].supported()) continue;
      table[i] = *kLevels[i].make();
      complete(table[i]);
    }
  }
};

const KernelTable* find(std::string_view level) {
  static const Tables tables;
  for (int i = 0; i < kLevelCount; ++i)
    if (level.empty() ? kLevels[i].supported() : level == kLevels[i].name)
      return tables.table[i].level ? &tables.table[i] : nullptr;
  return nullptr;
}

const KernelTable& chosen() {
  const char* wanted = std::getenv("PTUTILS_ISA");
  if (const KernelTable* found = find(wanted ? wanted : "")) return *found;
  std::string known;
  for (const Level& level : kLevels)
    if (level.supported()) known = str(level.name, " ", known);
  fail(Kind::kValue, "kernels", "PTUTILS_ISA=", wanted,
       " is unknown or not supported by this processor; it has: ", known);
}

}  // namespace

const KernelTable& table() {
  // Not kept when it throws: the next use reports the same error.
  static const KernelTable& table = chosen();
  return table;
}

const KernelTable* table_of(const char* level) { return find(level); }

}  // namespace ptutils::kernels

namespace ptutils {

std::string_view isa_level() { return kernels::table().level; }

}  // namespace ptutils
