#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "ptutils/tensor/dims.h"

namespace ptutils {
namespace {

using Vector = std::vector<std::int64_t>;

bool same(const Dims& dims, const Vector& vector) {
  return std::equal(dims.begin(), dims.end(), vector.begin(), vector.end());
}

TEST_CASE("Dims do what a vector does, in place and beyond") {
  std::mt19937 random(0);
  for (int run = 0; run < 200; ++run) {
    Dims dims;
    Vector vector;
    for (std::int64_t step = 0; step < 60; ++step) {
      const std::size_t at = random() % (vector.size() + 1);
      const auto gap = static_cast<std::ptrdiff_t>(at);
      switch (random() % 8) {
        case 0:
          dims.push_back(step);
          vector.push_back(step);
          break;
        case 1:
          dims.insert(dims.begin() + gap, {step, -step});
          vector.insert(vector.begin() + gap, {step, -step});
          break;
        case 2:
          dims.insert(dims.begin() + gap, step);
          vector.insert(vector.begin() + gap, step);
          break;
        case 3:
          if (vector.empty()) break;
          dims.erase(dims.begin() + gap / 2);
          vector.erase(vector.begin() + gap / 2);
          break;
        case 4:
          if (vector.empty()) break;
          dims.pop_back();
          vector.pop_back();
          break;
        case 5:
          dims.resize(at + 2, step);
          vector.resize(at + 2, step);
          break;
        case 6:
          dims.assign(vector.rbegin(), vector.rend());
          std::reverse(vector.begin(), vector.end());
          break;
        default:
          if (random() % 8) break;
          dims.clear();
          vector.clear();
      }
      REQUIRE(same(dims, vector));
    }
  }
}

TEST_CASE("Dims are copied, moved and compared whatever their number") {
  for (std::size_t a : {0, 1, 4, 5, 64})
    for (std::size_t b : {0, 1, 4, 5, 64}) {
      const Dims from(a, 7);
      Dims copied(b, 1);
      copied = from;
      CHECK(copied == from);
      Dims moved(b, 1);
      moved = std::move(copied);
      CHECK(moved == from);
      CHECK(copied.empty());  // NOLINT: what was moved from may be used again
      copied.push_back(3);
      CHECK(copied == Dims{3});
      const Dims made(std::move(moved));
      CHECK(made == from);
    }
  Dims self{1, 2, 3, 4, 5};
  const Dims& alias = self;
  self = alias;
  CHECK(self == Dims{1, 2, 3, 4, 5});
  CHECK(Dims{1, 2} < Dims{1, 2, 0});
  CHECK(Dims{1, 3} > Dims{1, 2, 0});
}

}  // namespace
}  // namespace ptutils
