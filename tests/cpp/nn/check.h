#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "ptutils/nn/optim.h"
#include "ptutils/tensor/random.h"

/// The expression throws ptutils::Error of that kind whose text has `part`.
#define CHECK_ERROR(expression, wanted, part)                                  \
  do {                                                                         \
    bool thrown = false;                                                       \
    try {                                                                      \
      (void)(expression);                                                      \
    } catch (const ptutils::Error& error) {                                    \
      thrown = true;                                                           \
      CHECK_MESSAGE(error.kind() == (wanted), std::string(error.what()));      \
      CHECK_MESSAGE(std::string(error.what()).find(part) != std::string::npos, \
                    std::string(error.what()));                                \
    }                                                                          \
    CHECK_MESSAGE(thrown, "no error from " #expression);                       \
  } while (false)

namespace nn_test {

using ptutils::Dims;
using ptutils::DType;
using ptutils::Tensor;
using ptutils::nn::Variable;

using Function = std::function<Variable(const std::vector<Variable>&)>;

inline Tensor random_f64(Dims shape, std::uint64_t key = 1) {
  return ptutils::Random(key).uniform(std::move(shape), -1, 1, DType::kF64);
}

inline Tensor f64(std::initializer_list<double> values) {
  return Tensor::of<double>(values, {static_cast<std::int64_t>(values.size())});
}

inline bool near(double a, double b, double tolerance) {
  return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b));
}

/// Elements in row-major order, to a relative tolerance.
inline bool near(const Tensor& t, const std::vector<double>& wanted,
                 double tolerance) {
  if (t.numel() != static_cast<std::int64_t>(wanted.size())) return false;
  Tensor flat = t.reshape({t.numel()});
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (!near(flat.select(0, static_cast<std::int64_t>(i)).item_f64(),
              wanted[i], tolerance))
      return false;
  return true;
}

/// Every entry of the Jacobian of f beside central differences, in f64.
inline void check_jacobian(const Function& f, std::vector<Tensor> inputs) {
  constexpr double kStep = 1e-6;
  auto value = [&] {
    ptutils::nn::NoGrad no_grad;
    std::vector<Variable> leaves;
    for (const Tensor& t : inputs) leaves.emplace_back(t.clone());
    return f(leaves).data().clone();
  };
  const std::int64_t outputs = value().numel();
  for (std::int64_t row = 0; row < outputs; ++row) {
    std::vector<Variable> leaves;
    for (const Tensor& t : inputs) leaves.emplace_back(t.clone(), true);
    Variable y = f(leaves);
    Tensor pick = Tensor::zeros(y.data().shape(), DType::kF64);
    pick.data<double>()[row] = 1;
    sum(mul(y, Variable(pick))).backward();
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      REQUIRE(leaves[k].has_grad());
      Tensor g = leaves[k].grad().clone();
      for (std::int64_t i = 0; i < inputs[k].numel(); ++i) {
        double& x = inputs[k].data<double>()[i];
        const double before = x;
        x = before + kStep;
        double above = value().data<double>()[row];
        x = before - kStep;
        double below = value().data<double>()[row];
        x = before;
        double numeric = (above - below) / (2 * kStep);
        INFO("output ", row, " input ", k, " element ", i);
        CHECK(g.data<double>()[i] == doctest::Approx(numeric).epsilon(1e-6));
      }
    }
  }
}

}  // namespace nn_test
