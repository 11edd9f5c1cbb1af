#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ptutils/module/module.h"
#include "ptutils/tensor/ops.h"

/// A small tape: a Variable remembers how it was made, backward() walks back.
/// f32, and f64 for gradient checks; no higher order, CPU only.
namespace ptutils::nn {

class Variable;

namespace detail {
struct PTUTILS_API Node {  // one result of an operation, or a leaf
  Node() = default;
  ~Node();  // frees a long tape without recursion
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  Tensor data;
  Tensor grad;  // valid when has_grad; else memory for the next one
  bool has_grad = false;
  bool requires_grad = false;
  bool leaf = true;         // a result whose `backward` is gone is not one
  std::uint64_t visit = 0;  // the last backward() that met it
  std::vector<std::shared_ptr<Node>> inputs;
  /// Adds to the inputs' gradients from this node's (accumulate, begin_grad).
  /// Holds no Variable: it reaches them by `inputs`. Freed by backward().
  std::function<void(Node&)> backward;
};

/// Hands a gradient of `node` over: kept when it is the first and nobody else
/// holds its memory, else copied or added.
PTUTILS_API void accumulate(Node& node, Tensor gradient);
/// For kernels that write a gradient themselves: node.grad has contiguous
/// memory and counts as present; 0 when it is to be written, 1 to be added to.
PTUTILS_API double begin_grad(Node& node);
/// The gradient of a result, which is not needed any more.
PTUTILS_API Tensor take_grad(Node& node);
}  // namespace detail

/// A tensor that may carry a gradient: a handle, copies are the same variable.
class PTUTILS_API Variable {
 public:
  Variable() = default;
  /// A leaf. Kind::kType when a gradient of another dtype than f32 or f64 is
  /// asked for.
  explicit Variable(Tensor data, bool requires_grad = false);
  /// The handle of a node.
  explicit Variable(std::shared_ptr<detail::Node> node)
      : node_(std::move(node)) {}

  bool defined() const { return node_ != nullptr; }
  const Tensor& data() const { return node_->data; }
  void set_data(Tensor data) const { node_->data = std::move(data); }
  bool requires_grad() const { return node_->requires_grad; }
  bool has_grad() const { return node_->has_grad; }
  /// Kind::kState when there is none.
  const Tensor& grad() const;
  /// Of the data's shape and dtype (Kind::kValue); aliased where it can be.
  void set_grad(Tensor grad) const;
  void zero_grad() const;  ///< keeps the memory for the next accumulation

  /// Gradients of this scalar for every leaf that requires one, accumulated in
  /// .grad; frees the tape. Kind::kState when there is no tape, or none any
  /// more, and when this has more than one element.
  void backward() const;

  const std::shared_ptr<detail::Node>& node() const { return node_; }
  /// For operations: a result with its backward (dropped when no input requires
  /// a gradient or under NoGrad).
  static Variable make(Tensor data, std::vector<Variable> inputs,
                       std::function<void(detail::Node&)> backward);

 private:
  std::shared_ptr<detail::Node> node_;
};

/// No tape is written on this thread while one lives.
class PTUTILS_API NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};
PTUTILS_API bool grad_enabled();

// Operations; backward stands beside forward in functions.cpp.
PTUTILS_API Variable add(const Variable& a, const Variable& b);  // broadcasts
PTUTILS_API Variable sub(const Variable& a, const Variable& b);
PTUTILS_API Variable mul(const Variable& a, const Variable& b);
PTUTILS_API Variable matmul(const Variable& a, const Variable& b);  // 2-d
PTUTILS_API Variable relu(const Variable& a);
PTUTILS_API Variable reshape(const Variable& a, Dims shape);
PTUTILS_API Variable sum(const Variable& a);
PTUTILS_API Variable mean(const Variable& a);
/// x (…, in) W^T + b, W (out, in), b (out) or undefined.
PTUTILS_API Variable linear(const Variable& x, const Variable& weight,
                            const Variable& bias);
/// Zeroes elements with probability p and scales the others by 1 / (1 - p),
/// from the default stream.
PTUTILS_API Variable dropout(const Variable& x, double p);
enum class Reduction { kMean, kSum, kNone };
/// "mean", "sum", "none"; Kind::kValue for another.
PTUTILS_API Reduction reduction_of(std::string_view name,
                                   std::string_view where);
PTUTILS_API std::string_view name(Reduction reduction);

/// As torch's.
struct CrossEntropyOptions {
  std::vector<double> weight;              ///< of each class; empty: 1
  std::int64_t ignore_index = -100;        ///< rows of this target do not count
  Reduction reduction = Reduction::kMean;  ///< kMean: over the weights
  double label_smoothing = 0;
};
/// -log softmax(logits)[target], reduced to 0-d or (n); logits (n, classes),
/// target (n) of an integer dtype (Kind::kIndex names a class out of range).
PTUTILS_API Variable cross_entropy(const Variable& logits, const Tensor& target,
                                   const CrossEntropyOptions& options = {});

/// A Variable inside a Value (outputs and losses between parts).
class PTUTILS_API VariableHandle final : public Opaque {
 public:
  explicit VariableHandle(Variable v) : variable(std::move(v)) {}
  ~VariableHandle() override;
  std::string type_name() const override { return "Variable"; }
  Variable variable;
};
PTUTILS_API Value wrap(Variable variable);
/// wrap(), but a plain Tensor when it carries no gradient.
PTUTILS_API Value to_value(const Variable& variable);
/// The Variable in it; a Tensor becomes a leaf; Kind::kType otherwise.
PTUTILS_API Variable variable_in(const Value& value);

}  // namespace ptutils::nn
