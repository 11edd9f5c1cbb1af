#include "ptutils/session/model.h"

#include "ptutils/nn/layers.h"
#include "ptutils/nn/optim.h"
#include "ptutils/tensor/ops.h"

namespace ptutils {

namespace {

ForeignOps& mutable_ops() {
  static auto* ops = new ForeignOps();
  return *ops;
}

bool is_foreign_module(const ModulePtr& module) {
  return module && module->class_name().rfind("ptutils.", 0) != 0 &&
         !dynamic_cast<nn::Module*>(module.get());
}

/// A Tensor of what forward or loss gave; empty when it is no tensor.
std::optional<Tensor> tensor_of(const Value& value) {
  if (value.is_tensor()) return value.as_tensor();
  if (value.is_opaque())
    if (auto v =
            std::dynamic_pointer_cast<nn::VariableHandle>(value.as_opaque()))
      return v->variable.data();
  return std::nullopt;
}

std::optional<double> accuracy(const Value& outputs, const Value& targets) {
  auto logits = tensor_of(outputs);
  auto labels = tensor_of(targets);
  if (!logits || !labels || logits->dim() != 2 || labels->dim() != 1 ||
      !is_integer(labels->dtype()) || labels->numel() == 0)
    return std::nullopt;
  Tensor hits = eq(argmax(*logits, 1), cast(*labels, DType::kI64));
  return sum(hits).item<double>() / static_cast<double>(labels->numel());
}

/// Without their graph.
Value detached(const Value& outputs, bool foreign) {
  if (auto tensor = tensor_of(outputs)) return Value(*tensor);
  Value out = outputs;
  if (out.is_list())
    for (Value& item : out.as_list().items) item = detached(item, foreign);
  if (out.is_dict())
    for (auto& [key, item] : out.as_dict()) item = detached(item, foreign);
  if (out.is_opaque() && foreign) return foreign_ops().detach(out);
  return out;
}

bool same(const std::vector<nn::Variable>& a,
          const std::vector<nn::Variable>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const nn::Variable& x, const nn::Variable& y) {
                      return x.node() == y.node();
                    });
}

std::int64_t batch_count(const Value& targets) {
  auto t = tensor_of(targets);
  return t && t->dim() > 0 ? t->size(0) : 1;
}

}  // namespace

void set_foreign_ops(ForeignOps ops) { mutable_ops() = std::move(ops); }
const ForeignOps& foreign_ops() { return mutable_ops(); }

std::optional<double> scalar_of(const Value& value) {
  if (value.is_number()) return value.as_double();
  if (value.is_bool()) return value.as_bool() ? 1 : 0;
  if (auto tensor = tensor_of(value)) {
    if (tensor->numel() != 1 || is_complex(tensor->dtype()))
      return std::nullopt;
    return tensor->item_f64();
  }
  if (value.is_opaque() && foreign_ops().read)
    return foreign_ops().read({value}).at(0);
  return std::nullopt;
}

std::pair<Value, Value> split_batch(const Value& batch) {
  if (batch.is_list() && batch.as_list().items.size() == 2)
    return {batch.as_list().items[0], batch.as_list().items[1]};
  if (batch.is_dict()) {
    const Value* inputs = batch.as_dict().find("inputs");
    const Value* targets = batch.as_dict().find("targets");
    if (inputs && targets) return {*inputs, *targets};
  }
  fail(Kind::kType, "Model.step",
       "a batch is a pair (inputs, targets) or a dict with 'inputs' and "
       "'targets', not ",
       batch.repr(80), "; override Model.step for other batches");
}

Model::Model(ModulePtr net_, ModulePtr criterion_, ModulePtr optimizer_)
    : net(std::move(net_)),
      criterion(std::move(criterion_)),
      optimizer(std::move(optimizer_)) {
  bind();
}

void Model::bind() {
  auto* native = dynamic_cast<optim::Optimizer*>(optimizer.get());
  auto* layers = dynamic_cast<nn::Module*>(net.get());
  if (native && layers && native->parameters().empty())
    native->set_parameters(layers->parameters());
}

void Model::set_net(ModulePtr net_) {
  auto* native = dynamic_cast<optim::Optimizer*>(optimizer.get());
  auto* before = dynamic_cast<nn::Module*>(net.get());
  auto* after = dynamic_cast<nn::Module*>(net_.get());
  if (native && before && after &&
      same(native->parameters(), before->parameters()))
    native->set_parameters(after->parameters());
  net = std::move(net_);
  bind();
}

bool Model::foreign() const { return is_foreign_module(net); }

void Model::fields(Fields& f) {
  f("net", net);
  f("criterion", criterion);
  f("optimizer", optimizer);
}

Value Model::to_config() {
  Dict out{{"func", Value(class_name())}};
  for (auto& [name, part] : {std::pair<const char*, ModulePtr&>{"net", net},
                             {"criterion", criterion},
                             {"optimizer", optimizer}})
    if (part) out[name] = part->to_config();
  return Value(std::move(out));
}

Value Model::call(const Value& arguments) { return forward(arguments); }

Value Model::forward(const Value& inputs) {
  if (!net) fail(Kind::kState, class_name(), "has no net");
  if (foreign()) return foreign_ops().forward(*net, inputs, nn::grad_enabled());
  return net->call(inputs);
}

Value Model::loss(const Value& outputs, const Value& targets) {
  if (!criterion)
    fail(Kind::kState, class_name(),
         "has no criterion: give Model(net, criterion=…), model.criterion in a "
         "file, or override loss");
  if (is_foreign_module(criterion))
    return foreign_ops().loss(*criterion, outputs, targets);
  return criterion->call(Value::list({outputs, targets}, true));
}

void Model::compute_gradients(const Value& loss) {
  if (loss.is_opaque() &&
      std::dynamic_pointer_cast<nn::VariableHandle>(loss.as_opaque())) {
    nn::variable_in(loss).backward();
  } else if (foreign()) {
    foreign_ops().backward(loss);
  } else {
    fail(Kind::kType, class_name() + ".compute_gradients",
         "a loss that carries a gradient, not ", loss.repr(60));
  }
}

void Model::apply_gradients() {
  if (auto* native = dynamic_cast<optim::Optimizer*>(optimizer.get()))
    native->step();
  else
    foreign_ops().step(*optimizer);
}

void Model::optimize(const Value& loss) {
  if (!optimizer)
    fail(Kind::kState, class_name(),
         "has no optimizer: give Model(net, …, optimizer=…), model.optimizer "
         "in a file, or override optimize");
  if (auto* native = dynamic_cast<optim::Optimizer*>(optimizer.get()))
    native->zero_grad();
  else
    foreign_ops().zero_grad(*optimizer);
  compute_gradients(loss);
  if (observer) observer("after_backward");
  apply_gradients();
}

Value Model::step(const Value& batch) {
  auto [inputs, targets] = split_batch(batch);
  Value given = forward(inputs);
  if (observer) observer("after_forward");
  Value value = loss(given, targets);
  optimize(value);
  outputs = keep_outputs ? detached(given, foreign()) : Value();
  if (auto number = tensor_of(value))
    return Value(Dict{{"loss", Value(*number)}});
  return Value(Dict{{"loss", foreign() ? foreign_ops().detach(value) : value}});
}

Value Model::validate(const Value& batch) {
  nn::NoGrad no_grad;
  auto [inputs, targets] = split_batch(batch);
  Value outputs = forward(inputs);
  Dict out;
  if (criterion) {
    Value value = loss(outputs, targets);
    auto number = tensor_of(value);
    out["loss"] = number ? Value(*number) : value;
  }
  auto share = foreign() ? foreign_ops().accuracy(outputs, targets)
                         : accuracy(outputs, targets);
  if (share) out["accuracy"] = *share;
  out["count"] = batch_count(targets);
  return Value(std::move(out));
}

}  // namespace ptutils
