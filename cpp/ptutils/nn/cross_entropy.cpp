#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "ptutils/nn/autograd.h"
#include "ptutils/tensor/nn_kernels.h"

// The one loss of the core. The plain mean has a kernel; the other choices are
// computed row by row in double precision.

namespace ptutils::nn {

namespace {

using detail::accumulate;
using detail::Node;

constexpr std::string_view kWhere = "ptutils.nn.cross_entropy";

void check_shapes(const Tensor& logits, const Tensor& target) {
  if (logits.dim() != 2 || target.shape() != Dims{logits.size(0)})
    fail(Kind::kValue, kWhere,
         "logits are to be (n, classes) and target (n), "
         "not ",
         logits.shape_str(), " and ", target.shape_str());
  if (logits.dtype() != DType::kF32 && logits.dtype() != DType::kF64)
    fail(Kind::kType, kWhere, "x is ", name(logits.dtype()),
         ": cast it to f32 or f64");
  if (!is_integer(target.dtype()))
    fail(Kind::kType, kWhere, "target is ", name(target.dtype()),
         ": give class numbers of an integer dtype");
}

void check_options(const CrossEntropyOptions& options, std::int64_t classes) {
  double smoothing = options.label_smoothing;
  if (!(smoothing >= 0 && smoothing <= 1))
    fail(Kind::kValue, kWhere, "label_smoothing=", smoothing,
         " does not lie in 0 to 1");
  auto count = static_cast<std::int64_t>(options.weight.size());
  if (count != 0 && count != classes)
    fail(Kind::kValue, kWhere, "weight has ", count, " numbers for ", classes,
         " classes");
}

/// Losses of rows, their gradients, and the sum of the targets' weights.
struct Rows {
  Tensor losses, dlogits;  // f64
  double total = 0;
  bool any = false;  // a target that is not ignored
};

/// loss = -(1 - s) w[t] log p[t] - s / n sum_j w[j] log p[j], p = softmax(x).
double one_row(const double* x, std::int64_t n, std::int64_t target,
               const std::vector<double>& weight, double smoothing,
               double* grad) {
  double top = *std::max_element(x, x + n), sum = 0;
  for (std::int64_t j = 0; j < n; ++j) sum += std::exp(x[j] - top);
  double log_sum = top + std::log(sum);
  double share = smoothing / static_cast<double>(n), loss = 0, given = 0;
  for (std::int64_t j = 0; j < n; ++j) {
    double part = share + (j == target ? 1 - smoothing : 0);
    part *= weight[static_cast<std::size_t>(j)];
    // As torch, which sums over all classes only where it smooths.
    if (j == target || smoothing > 0) loss += part * (log_sum - x[j]);
    grad[j] = -part;
    given += part;
  }
  for (std::int64_t j = 0; j < n; ++j)
    grad[j] += given * std::exp(x[j] - log_sum);
  return loss;
}

Rows all_rows(const Tensor& logits, const Tensor& target,
              const CrossEntropyOptions& options) {
  Tensor x = cast(logits, DType::kF64).to_contiguous();
  std::int64_t rows = x.size(0), n = x.size(1);
  std::vector<double> weight = options.weight;
  if (weight.empty()) weight.assign(static_cast<std::size_t>(n), 1);
  Rows out{Tensor::zeros({rows}, DType::kF64),
           Tensor::zeros({rows, n}, DType::kF64)};
  const auto* at = target.data<std::int64_t>();
  for (std::int64_t r = 0; r < rows; ++r) {
    if (at[r] == options.ignore_index) continue;
    if (at[r] < 0 || at[r] >= n)
      fail(Kind::kIndex, kWhere, "target ", at[r], " of row ", r,
           " is not one of ", n, " classes");
    out.losses.data<double>()[r] =
        one_row(x.data<double>() + r * n, n, at[r], weight,
                options.label_smoothing, out.dlogits.data<double>() + r * n);
    out.any = true;
    out.total += weight[static_cast<std::size_t>(at[r])];
  }
  return out;
}

Variable by_rows(const Variable& logits, const Tensor& target,
                 const CrossEntropyOptions& options) {
  Tensor x = logits.data();
  Rows rows = all_rows(x, target, options);
  DType dtype = x.dtype();
  Tensor loss = rows.losses;
  if (options.reduction != Reduction::kNone) loss = ptutils::sum(rows.losses);
  if (options.reduction == Reduction::kMean) {
    // Without any weight, torch's target term is 0 / 0.
    double scale = rows.total == 0 ? std::nan("") : 1 / rows.total;
    mul_(loss, scale);
    // The mean of nothing is NaN, but depends on nothing: as torch's.
    if (rows.any) mul_(rows.dlogits, scale);
  }
  return Variable::make(
      cast(loss, dtype), {logits}, [dlogits = rows.dlogits](Node& node) {
        // One gradient for all rows, or one a row.
        Tensor g = node.take_grad();
        Tensor outer = cast(g, DType::kF64).reshape({-1, 1});
        accumulate(*node.inputs[0],
                   cast(ptutils::mul(dlogits, outer), g.dtype()));
      });
}

bool is_plain(const Tensor& target, const CrossEntropyOptions& options) {
  const auto* at = target.data<std::int64_t>();
  return options.reduction == Reduction::kMean && options.weight.empty() &&
         options.label_smoothing == 0 &&
         std::find(at, at + target.numel(), options.ignore_index) ==
             at + target.numel();
}

}  // namespace

Reduction reduction_of(std::string_view name, std::string_view where) {
  if (name == "mean") return Reduction::kMean;
  if (name == "sum") return Reduction::kSum;
  if (name == "none") return Reduction::kNone;
  fail(Kind::kValue, where, "reduction is 'mean', 'sum' or 'none', not '", name,
       "'");
}

std::string_view name(Reduction reduction) {
  if (reduction == Reduction::kNone) return "none";
  return reduction == Reduction::kSum ? "sum" : "mean";
}

Variable cross_entropy(const Variable& logits, const Tensor& target,
                       const CrossEntropyOptions& options) {
  Tensor x = logits.data();
  check_shapes(x, target);
  check_options(options, x.size(1));
  Tensor classes = cast(target, DType::kI64).to_contiguous();
  if (!is_plain(classes, options)) return by_rows(logits, classes, options);
  // The gradient falls out of the forward pass, so it is kept from there.
  auto result = nn_kernels::cross_entropy(
      x, classes, logits.requires_grad() && grad_enabled());
  return Variable::make(
      std::move(result.loss), {logits},
      [dlogits = std::move(result.dlogits)](Node& node) mutable {
        double outer = node.take_grad().item_f64();
        if (outer != 1) mul_(dlogits, outer);
        accumulate(*node.inputs[0], std::move(dlogits));
      });
}

}  // namespace ptutils::nn
