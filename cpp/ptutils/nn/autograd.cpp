#include "ptutils/nn/autograd.h"

#include <algorithm>
#include <utility>

#include "ptutils/common/fork.h"

namespace ptutils::nn {

namespace detail {

namespace {

/// Nobody else holds it, and what the last other holder did is over: dropping
/// one more handle is an acquire on the count that it released.
template <class T>
bool alone(const std::shared_ptr<T>& held) {
  if (held.use_count() != 1) return false;
  std::shared_ptr<T>(held).reset();
  return true;
}

bool fits(const Tensor& gradient, const Tensor& data) {
  return gradient.dtype() == data.dtype() && gradient.shape() == data.shape();
}

}  // namespace

Node::~Node() {
  // Else a chain of n results would be n nested destructors.
  std::vector<std::shared_ptr<Node>> pending = std::move(inputs);
  while (!pending.empty()) {
    std::shared_ptr<Node> node = std::move(pending.back());
    pending.pop_back();
    if (!alone(node)) continue;
    for (auto& input : node->inputs) pending.push_back(std::move(input));
    node->inputs.clear();
  }
}

// A tensor may be the last holder of another language's memory, which takes
// that language's lock to free: never under ours.

Tensor Node::data() const {
  std::lock_guard lock(slots_);
  return data_;
}

void Node::set_data(Tensor data) {
  std::lock_guard lock(slots_);
  std::swap(data_, data);
}

bool Node::has_grad() const {
  std::lock_guard lock(slots_);
  return has_grad_;
}

std::optional<Tensor> Node::grad() const {
  std::lock_guard lock(slots_);
  if (!has_grad_) return {};
  return grad_;
}

void Node::set_grad(Tensor grad) {
  std::optional<Tensor> held(std::move(grad));
  std::lock_guard lock(slots_);
  grad_.swap(held);
  has_grad_ = true;
}

void Node::zero_grad() {
  std::lock_guard lock(slots_);
  has_grad_ = false;
}

Tensor Node::take_grad() {
  std::optional<Tensor> held;
  {
    std::lock_guard lock(slots_);
    has_grad_ = false;
    grad_.swap(held);
  }
  return held ? *std::move(held) : Tensor();
}

void Node::drop_grad() {
  std::optional<Tensor> held;
  std::lock_guard lock(slots_);
  has_grad_ = false;
  grad_.swap(held);
}

bool Node::takes(const Tensor& gradient) const {
  std::lock_guard lock(slots_);
  return fits(gradient, data_);
}

GradMemory::GradMemory(Node& node) : node_(node), adding_(node.adding_) {
  std::lock_guard lock(node.slots_);
  present_ = node.has_grad_;
  if (present_)
    memory_ = node.grad_;
  else
    memory_.swap(node.grad_);
}

/// What is there, or what zero_grad left, unless somebody else looks at it.
const Tensor& GradMemory::memory() {
  bool fit = memory_ && node_.takes(*memory_);
  if (fit && (present_ || alone(memory_->storage()))) return *memory_;
  Tensor data = node_.data();
  if (present_)
    fail(Kind::kState, "Variable.backward", "a gradient ", memory_->shape_str(),
         " ", name(memory_->dtype()), " is there, but the data is now ",
         data.shape_str(), " ", name(data.dtype()),
         ": call zero_grad() after set_data()");
  unfit_.swap(memory_);
  return memory_.emplace(Tensor::empty(data.shape(), data.dtype()));
}

/// A gradient that was put there meanwhile came after this one.
void GradMemory::done() {
  if (present_) return;
  std::lock_guard lock(node_.slots_);
  if (node_.has_grad_) return;
  node_.grad_.swap(memory_);
  node_.has_grad_ = true;
}

void accumulate(Node& node, Tensor gradient) {
  if (!node.takes(gradient)) {
    Tensor data = node.data();
    fail(Kind::kState, "Variable.backward", "an operation gave a gradient ",
         gradient.shape_str(), " ", name(gradient.dtype()), " for data ",
         data.shape_str(), " ", name(data.dtype()));
  }
  GradMemory to(node);
  if (to.beta() != 0) {
    add_(to.memory(), gradient);
  } else if (alone(gradient.storage()) && gradient.contiguous()) {
    to.keep(std::move(gradient));
  } else {
    to.memory().copy_from(gradient);
  }
  to.done();
}

}  // namespace detail

namespace {

using detail::Node;

thread_local bool recording = true;

/// The results that lead to `root`, each before its inputs, with the right to
/// their tape: of several backward() one has it. Frees what is left of it when
/// an operation throws.
class Tape {
 public:
  explicit Tape(const std::shared_ptr<Node>& root) {
    std::lock_guard lock(claims());
    collect(root);
    for (Step& step : order_)
      step.backward = std::exchange(step.node->backward, nullptr);
  }
  ~Tape() {
    for (Step& step : order_) free(step);
  }
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  void run() {
    for (auto step = order_.rbegin(); step != order_.rend(); ++step) {
      if (step->node->has_grad()) step->backward(*step->node);
      free(*step);
    }
  }

 private:
  struct Step {
    std::shared_ptr<Node> node;
    std::size_t next = 0;
    std::function<void(Node&)> backward;
  };

  static std::mutex& claims() {
    static std::mutex mutex;
    [[maybe_unused]] static const bool held = (hold_over_fork(mutex), true);
    return mutex;
  }

  static void free(Step& step) {
    if (!step.node) return;
    step.backward = nullptr;
    step.node->inputs.clear();
    step.node->drop_grad();
    step.node.reset();
  }

  /// Depth first by an own stack: a tape may be longer than the thread's.
  void collect(const std::shared_ptr<Node>& root) {
    static std::uint64_t visits = 0;
    const std::uint64_t visit = ++visits;
    std::vector<Step> stack;
    auto enter = [&](const std::shared_ptr<Node>& node) {
      if (!node->requires_grad || node->leaf || node->visit == visit) return;
      if (!node->backward) second_time();
      node->visit = visit;
      stack.push_back({node, 0, nullptr});
    };
    enter(root);
    std::vector<Step> order;
    while (!stack.empty()) {
      Step& top = stack.back();
      if (top.next < top.node->inputs.size()) {
        enter(top.node->inputs[top.next++]);
      } else {
        order.push_back(std::move(top));
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

  std::vector<Step> order_;  // inputs first
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
  node_->set_data(std::move(data));
  node_->requires_grad = requires_grad;
}

Tensor Variable::grad() const {
  std::optional<Tensor> grad = node_->grad();
  if (!grad)
    fail(Kind::kState, "Variable.grad",
         "there is no gradient: call backward() on a loss that depends on it");
  return *std::move(grad);
}

void Variable::set_grad(Tensor grad) const {
  Tensor data = this->data();
  if (!detail::fits(grad, data))
    fail(Kind::kValue, "Variable.set_grad", "a gradient of shape ",
         data.shape_str(), " ", name(data.dtype()), " belongs here, not ",
         grad.shape_str(), " ", name(grad.dtype()));
  bool usable = grad.contiguous() && grad.aligned() && !grad.read_only();
  node_->set_grad(usable ? std::move(grad) : grad.clone());
}

void Variable::zero_grad() const { node_->zero_grad(); }

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
