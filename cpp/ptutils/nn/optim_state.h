#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ptutils/nn/optim.h"

/// torch's layout of an optimizer's state; private to this folder.
namespace ptutils::optim::detail {

struct Layout {
  std::vector<std::string> options;  // in a group, must be there
  std::vector<std::string> refused;  // must be absent or off: not done here
  std::vector<std::string> slots;    // of a parameter
};

/// The parts of a saved state; they point into it.
struct Saved {
  const Dict* group = nullptr;
  bool has_state = false;
  std::vector<const Dict*> slots;  // by parameter; nullptr where it had none
};

/// Finds them; what does not fit the layout or the parameters goes to `out`.
/// Slots other than "step" have the parameter's shape and dtype.
Saved read(const Value& state, const Layout& layout,
           const std::vector<nn::Variable>& parameters,
           const std::string& prefix, Mismatch& out);

/// {"state": slots, "param_groups": [group + {"params": [0, 1, …]}]}.
Value pack(Dict slots, Dict group, std::size_t parameters);

/// `name` of a saved group, or what is there already.
double number(const Dict& group, std::string_view name, double fallback);
bool flag(const Dict& group, std::string_view name, bool fallback);

/// A copy of `saved` in `memory` where that fits, else in fresh memory.
Tensor loaded(const Tensor* memory, const Tensor& saved);

/// Kind::kValue for an option below 0, infinite or not a number.
void check_not_below_0(std::string_view where, std::string_view name,
                       double value);

/// Kind::kValue when a parameter is undefined or twice in the list.
void check_parameters(const std::vector<nn::Variable>& parameters,
                      std::string_view where);

/// The slots of `before`, by parameter, in the order of `after`.
template <class Slot>
std::vector<Slot> carried(const std::vector<nn::Variable>& before,
                          const std::vector<nn::Variable>& after,
                          std::vector<Slot>& slots) {
  std::unordered_map<const void*, std::size_t> old;
  for (std::size_t i = 0; i < before.size(); ++i)
    old.emplace(before[i].node().get(), i);
  std::vector<Slot> out(after.size());
  for (std::size_t i = 0; i < after.size(); ++i)
    if (auto at = old.find(after[i].node().get()); at != old.end())
      out[i] = std::move(slots[at->second]);
  return out;
}

/// Calls f(data, gradient) on contiguous memory, if the parameter has a
/// gradient; what f wrote is the parameter's afterwards.
template <class F>
void update(const nn::Variable& parameter, F&& f) {
  std::optional<Tensor> found = parameter.node()->grad();
  if (!found) return;
  const Tensor& gradient = *found;
  Tensor data = parameter.data();
  if (data.shape() != gradient.shape() || data.dtype() != gradient.dtype())
    fail(Kind::kState, "Optimizer.step", "a gradient ", gradient.shape_str(),
         " for a parameter that is now ", data.shape_str(),
         ": call zero_grad() after set_data()");
  if (data.contiguous() && data.aligned()) return f(data, gradient);
  Tensor copy = data.clone();
  f(copy, gradient);
  data.copy_from(copy);
}

}  // namespace ptutils::optim::detail
