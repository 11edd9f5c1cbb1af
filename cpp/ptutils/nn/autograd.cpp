#include "ptutils/nn/autograd.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace ptutils::nn {

namespace detail {

namespace {

bool alone(const Tensor& t) { return t.storage().use_count() == 1; }

bool fits(const Tensor& gradient, const Tensor& data) {
  return gradient.dtype() == data.dtype() && gradient.shape() == data.shape();
}

/// Memory that a gradient may be written to: what zero_grad left, unless
/// somebody else still looks at it.
void prepare_memory(Node& node) {
  if (fits(node.grad, node.data) && alone(node.grad)) return;
  node.grad = Tensor();  // its block may serve again
  node.grad = Tensor::empty(node.data.shape(), node.data.dtype());
}

void check_present(const Node& node) {
  if (!fits(node.grad, node.data))
    fail(Kind::kState, "Variable.backward", "a gradient ",
         node.grad.shape_str(), " ", name(node.grad.dtype()),
         " is there, but the data is now ", node.data.shape_str(), " ",
         name(node.data.dtype()), ": call zero_grad() after set_data()");
}

}  // namespace

Node::~Node() {
  // Else a chain of n results would be n nested destructors.
  std::vector<std::shared_ptr<Node>> pending = std::move(inputs);
  while (!pending.empty()) {
    std::shared_ptr<Node> node = std::move(pending.back());
    pending.pop_back();
    if (node.use_count() > 1) continue;
    for (auto& input : node->inputs) pending.push_back(std::move(input));
    node->inputs.clear();
  }
}

void accumulate(Node& node, Tensor gradient) {
  if (!fits(gradient, node.data))
    fail(Kind::kState, "Variable.backward", "an operation gave a gradient ",
         gradient.shape_str(), " ", name(gradient.dtype()), " for data ",
         node.data.shape_str(), " ", name(node.data.dtype()));
  if (node.has_grad) {
    check_present(node);
    add_(node.grad, gradient);
    return;
  }
  if (alone(gradient) && gradient.contiguous()) {
    node.grad = std::move(gradient);
  } else {
    prepare_memory(node);
    node.grad.copy_from(gradient);
  }
  node.has_grad = true;
}

double begin_grad(Node& node) {
  if (node.has_grad) {
    check_present(node);
    return 1;
  }
  prepare_memory(node);
  node.has_grad = true;
  return 0;
}

Tensor take_grad(Node& node) {
  node.has_grad = false;
  return std::exchange(node.grad, Tensor());
}

}  // namespace detail

namespace {

using detail::Node;

thread_local bool recording = true;

void free_tape(Node& node) {
  node.backward = nullptr;
  node.inputs.clear();
  node.grad = Tensor();
  node.has_grad = false;
}

/// The results that lead to `root`, each before its inputs. Frees what is left
/// of the tape when an operation throws.
class Tape {
 public:
  explicit Tape(const std::shared_ptr<Node>& root) { collect(root); }
  ~Tape() {
    for (auto& node : order_)
      if (node) free_tape(*node);
  }
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  void run() {
    for (auto it = order_.rbegin(); it != order_.rend(); ++it) {
      Node& node = **it;
      if (node.has_grad) node.backward(node);
      free_tape(node);
      it->reset();
    }
  }

 private:
  /// Depth first by an own stack: a tape may be longer than the thread's.
  void collect(const std::shared_ptr<Node>& root) {
    static std::atomic<std::uint64_t> visits{0};
    const std::uint64_t visit = ++visits;
    struct Step {
      std::shared_ptr<Node> node;
      std::size_t next = 0;
    };
    std::vector<Step> stack;
    auto enter = [&](const std::shared_ptr<Node>& node) {
      if (node->visit == visit || !node->requires_grad || node->leaf) return;
      if (!node->backward) second_time();
      node->visit = visit;
      stack.push_back({node});
    };
    enter(root);
    std::vector<std::shared_ptr<Node>> order;
    while (!stack.empty()) {
      Step& top = stack.back();
      if (top.next < top.node->inputs.size()) {
        enter(top.node->inputs[top.next++]);
      } else {
        order.push_back(std::move(top.node));
        stack.pop_back();
      }
    }
    order_ = std::move(order);
  }

  [[noreturn]] static void second_time() {
    fail(Kind::kState, "Variable.backward",
         "the tape was freed by an earlier backward(): compute the loss again "
         "before the next one");
  }

  std::vector<std::shared_ptr<Node>> order_;  // inputs first
};

bool differentiable(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF64;
}

}  // namespace

Variable::Variable(Tensor data, bool requires_grad)
    : node_(std::make_shared<Node>()) {
  if (requires_grad && !differentiable(data.dtype()))
    fail(Kind::kType, "Variable", "no gradients for ", name(data.dtype()),
         " data: cast it to f32 or f64");
  node_->data = std::move(data);
  node_->requires_grad = requires_grad;
}

const Tensor& Variable::grad() const {
  if (!has_grad())
    fail(Kind::kState, "Variable.grad",
         "there is no gradient: call backward() on a loss that depends on it");
  return node_->grad;
}

void Variable::set_grad(Tensor grad) const {
  if (grad.shape() != data().shape() || grad.dtype() != data().dtype())
    fail(Kind::kValue, "Variable.set_grad", "a gradient of shape ",
         data().shape_str(), " ", name(data().dtype()), " belongs here, not ",
         grad.shape_str(), " ", name(grad.dtype()));
  bool usable = grad.contiguous() && grad.aligned() && !grad.read_only();
  node_->grad = usable ? std::move(grad) : grad.clone();
  node_->has_grad = true;
}

void Variable::zero_grad() const { node_->has_grad = false; }

void Variable::backward() const {
  if (!node_->requires_grad)
    fail(Kind::kState, "Variable.backward",
         "there is no tape: nothing in it requires a gradient, or it was "
         "computed under NoGrad");
  if (data().numel() != 1)
    fail(Kind::kState, "Variable.backward", "shape ", data().shape_str(),
         " is no scalar: take sum() or mean() first");
  Tape tape(node_);
  detail::accumulate(*node_, Tensor::full(data().shape(), 1, data().dtype()));
  tape.run();
}

Variable Variable::make(Tensor data, std::vector<Variable> inputs,
                        std::function<void(Node&)> backward) {
  Variable out(std::move(data));
  bool wanted = recording && std::any_of(inputs.begin(), inputs.end(),
                                         [](const Variable& v) {
                                           return v.requires_grad();
                                         });
  if (!wanted) return out;
  out.node_->requires_grad = true;
  out.node_->leaf = false;
  out.node_->backward = std::move(backward);
  out.node_->inputs.reserve(inputs.size());
  for (Variable& input : inputs)
    out.node_->inputs.push_back(std::move(input.node_));
  return out;
}

NoGrad::NoGrad() : before_(recording) { recording = false; }
NoGrad::~NoGrad() { recording = before_; }
bool grad_enabled() { return recording; }

VariableHandle::~VariableHandle() = default;

Value wrap(Variable variable) {
  return Value(std::shared_ptr<Opaque>(
      std::make_shared<VariableHandle>(std::move(variable))));
}

Value to_value(const Variable& variable) {
  if (variable.requires_grad()) return wrap(variable);
  return Value(variable.data());
}

Variable variable_in(const Value& value) {
  if (value.is_tensor()) return Variable(value.as_tensor());
  if (value.is_opaque())
    if (auto* held = dynamic_cast<VariableHandle*>(value.as_opaque().get()))
      return held->variable;
  fail(Kind::kType, "ptutils.nn", "a Tensor or a Variable, not ",
       value.is_opaque() ? value.as_opaque()->type_name()
                         : std::string(value.type_name()));
}

}  // namespace ptutils::nn
