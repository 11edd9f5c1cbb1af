#include "ptutils/nn/layers.h"

#include <cmath>

#include "ptutils/tensor/random.h"

namespace ptutils::nn {

namespace {

/// torch.nn.Linear's range for weight and bias.
Variable draw(Dims shape, std::int64_t fan_in) {
  double bound = fan_in > 0 ? 1 / std::sqrt(static_cast<double>(fan_in)) : 0;
  return Variable(default_random().uniform(std::move(shape), -bound, bound),
                  true);
}

void parameter_field(Fields& f, std::string_view name, Variable& parameter) {
  f(
      name, [&] { return Value(parameter.data()); },
      [&, name](const Value& value) {
        Tensor memory = parameter.data();  // a handle: the load writes there
        ptutils::detail::load(memory, value, name);
      },
      true);
}

std::int64_t position(std::int64_t dim, std::int64_t dims,
                      std::string_view what) {
  std::int64_t at = dim < 0 ? dim + dims : dim;
  if (at < 0 || at >= dims)
    fail(Kind::kIndex, "ptutils.nn.Flatten", what, "=", dim,
         " is out of range for an input of ", dims, " dimensions");
  return at;
}

}  // namespace

Tensor Module::operator()(const Tensor& x) {
  NoGrad no_grad;
  return forward(Variable(x)).data();
}

Value Module::call(const Value& arguments) {
  if (!arguments.is_list()) return to_value(forward(variable_in(arguments)));
  const auto& items = arguments.as_list().items;
  if (items.size() != 1)
    fail(Kind::kType, class_name(), "takes one Tensor or Variable, not ",
         items.size(), " arguments",
         items.empty() ? "" : "; the first is " + items[0].repr(40));
  return to_value(forward(variable_in(items[0])));
}

Linear::Linear(std::int64_t in_features, std::int64_t out_features,
               bool with_bias) {
  if (in_features < 0 || out_features < 0)
    fail(Kind::kValue, "ptutils.nn.Linear", "in_features=", in_features,
         ", out_features=", out_features, ": neither may be negative");
  weight = draw({out_features, in_features}, in_features);
  if (with_bias) bias = draw({out_features}, in_features);
}

void Linear::fields(Fields& f) {
  parameter_field(f, "weight", weight);
  if (bias.defined()) parameter_field(f, "bias", bias);
}

Value Linear::to_config() {
  return Dict{{"func", class_name()},
              {"in_features", weight.data().size(1)},
              {"out_features", weight.data().size(0)},
              {"bias", bias.defined()}};
}

Variable Linear::forward(const Variable& x) { return linear(x, weight, bias); }

std::vector<std::pair<std::string, Variable>> Linear::own_parameters() {
  std::vector<std::pair<std::string, Variable>> out{{"weight", weight}};
  if (bias.defined()) out.emplace_back("bias", bias);
  return out;
}

Value ReLU::to_config() { return Dict{{"func", class_name()}}; }

Variable ReLU::forward(const Variable& x) { return relu(x); }

Flatten::Flatten(std::int64_t start_dim, std::int64_t end_dim)
    : start_dim_(start_dim), end_dim_(end_dim) {}

Value Flatten::to_config() {
  return Dict{
      {"func", class_name()}, {"start_dim", start_dim_}, {"end_dim", end_dim_}};
}

Variable Flatten::forward(const Variable& x) {
  Dims shape = x.data().shape();
  // A 0-d input counts as one of one element, as in torch.
  auto dims = std::max<std::int64_t>(1, x.data().dim());
  std::int64_t first = position(start_dim_, dims, "start_dim");
  std::int64_t last = position(end_dim_, dims, "end_dim");
  if (first > last)
    fail(Kind::kValue, "ptutils.nn.Flatten", "start_dim=", start_dim_,
         " comes after end_dim=", end_dim_, " for an input of shape ",
         x.data().shape_str());
  Dims flat;
  for (std::int64_t d = 0; d < x.data().dim(); ++d) {
    auto size = shape[static_cast<std::size_t>(d)];
    if (d > first && d <= last) {
      flat.back() *= size;
    } else {
      flat.push_back(size);
    }
  }
  if (flat.empty()) flat.push_back(1);
  return reshape(x, std::move(flat));
}

Dropout::Dropout(double p) : p_(p) {
  if (!(p >= 0 && p <= 1))
    fail(Kind::kValue, "ptutils.nn.Dropout", "p=", p,
         " is no probability: it lies in 0 to 1");
}

Value Dropout::to_config() { return Dict{{"func", class_name()}, {"p", p_}}; }

Variable Dropout::forward(const Variable& x) {
  return training() ? dropout(x, p_) : x;
}

}  // namespace ptutils::nn
