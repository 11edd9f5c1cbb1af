#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ptutils/module/module.h"
#include "ptutils/tensor/ops.h"

/// A small tape: a Variable remembers how it was made, backward() walks back.
/// f32, and f64 for gradient checks; no higher order, CPU only.
namespace ptutils::nn {

class Variable;

namespace detail {
/// One result of an operation, or a leaf. Threads may read and replace its data
/// and gradient while backward() runs on another.
class PTUTILS_API Node {
 public:
  Node() = default;
  ~Node();  // frees a long tape without recursion
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  Tensor data() const;
  void set_data(Tensor data);
  bool has_grad() const;
  std::optional<Tensor> grad() const;
  void set_grad(Tensor grad);
  void zero_grad();    ///< keeps the memory for the next one
  Tensor take_grad();  ///< neither gradient nor memory is left
  void drop_grad();
  bool takes(const Tensor& gradient) const;  ///< of the data's shape and dtype

  std::atomic<bool> requires_grad = false;
  bool leaf = true;         // a result whose `backward` is gone is not one
  std::uint64_t visit = 0;  // the last backward() that met it
  std::vector<std::shared_ptr<Node>> inputs;
  /// Adds to the inputs' gradients from this node's (accumulate, GradMemory).
  /// Holds no Variable: it reaches them by `inputs`. The backward() that takes
  /// it may use them; nobody else does then.
  std::function<void(Node&)> backward;

 private:
  friend class GradMemory;
  mutable std::mutex slots_;  // held to copy or swap handles
  Tensor data_;
  std::optional<Tensor> grad_;  // valid when has_grad_; else memory for one
  bool has_grad_ = false;
  std::mutex adding_;  // held while a gradient is added
};

/// Hands a gradient of `node` over: kept when it is the first and nobody else
/// holds its memory, else copied or added.
PTUTILS_API void accumulate(Node& node, Tensor gradient);
/// For kernels that write a gradient themselves, one after the other: they
/// write memory(), contiguous, and then call done().
class PTUTILS_API GradMemory {
 public:
  explicit GradMemory(Node& node);
  double beta() const { return present_ ? 1 : 0; }  ///< of what is there
  const Tensor& memory();
  void keep(Tensor gradient) { memory_.emplace(std::move(gradient)); }
  void done();

 private:
  Node& node_;
  std::optional<Tensor> memory_, unfit_;  // let go of after the lock
  bool present_ = false;
  std::unique_lock<std::mutex> adding_;
};
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
  Tensor data() const { return node_->data(); }  ///< a handle
  void set_data(Tensor data) const { node_->set_data(std::move(data)); }
  bool requires_grad() const { return node_->requires_grad; }
  bool has_grad() const { return node_->has_grad(); }
  /// Kind::kState when there is none.
  Tensor grad() const;
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
