#include "ptutils/nn/optim_state.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <unordered_set>

namespace ptutils::optim {

Value Optimizer::call(const Value& arguments) {
  if (!arguments.is_null() &&
      !(arguments.is_list() && arguments.as_list().items.empty()))
    fail(Kind::kType, class_name(), "step takes no arguments, not ",
         arguments.repr());
  step();
  return {};
}

namespace detail {

namespace {

using Names = std::vector<std::string>;

bool has(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Keys of a group that mean nothing to a step: torch's choices of
/// implementation, and what its schedulers leave there.
const Names& without_effect() {
  static const Names names = {"params",        "param_names", "foreach",
                              "fused",         "capturable",  "initial_lr",
                              "max_lr",        "min_lr",      "swa_lr",
                              "base_momentum", "max_momentum"};
  return names;
}

/// 3, or "3" as formats without integer keys have it.
std::optional<std::int64_t> index_of(const Key& key) {
  if (const auto* number = std::get_if<std::int64_t>(&key)) return *number;
  const auto& text = std::get<std::string>(key);
  std::int64_t out = 0;
  auto end = text.data() + text.size();
  auto [at, error] = std::from_chars(text.data(), end, out);
  if (error != std::errc() || at != end) return {};
  return out;
}

class Reader {
 public:
  Reader(const Layout& layout, const std::vector<nn::Variable>& parameters,
         const std::string& prefix, Mismatch& out)
      : layout_(layout), parameters_(parameters), prefix_(prefix), out_(out) {}

  Saved read(const Value& state) {
    if (!state.is_dict()) {
      different("", str("a ", state.type_name(), ", not an optimizer's state"));
      return std::move(saved_);
    }
    const Dict& dict = state.as_dict();
    for (const auto& [key, value] : dict)
      if (key != Key("state") && key != Key("param_groups"))
        out_.unexpected.push_back(prefix_ + to_string(key));
    if (const Value* groups = dict.find("param_groups")) {
      read_groups(*groups);
    } else {
      out_.missing.push_back(prefix_ + "param_groups");
    }
    if (const Value* slots = dict.find("state")) {
      read_slots(*slots);
    } else {
      out_.missing.push_back(prefix_ + "state");
    }
    return std::move(saved_);
  }

 private:
  void different(std::string_view name, const std::string& text) {
    out_.different.push_back(
        str(prefix_, name, name.empty() ? "" : ": ", text));
  }

  void read_groups(const Value& groups) {
    if (!groups.is_list() || groups.as_list().items.size() != 1 ||
        !groups.as_list().items[0].is_dict()) {
      different("param_groups",
                groups.is_list()
                    ? str(groups.as_list().items.size(),
                          " groups, here 1 (native optimizers have one)")
                    : str("a ", groups.type_name(), ", not a list of groups"));
      return;
    }
    const Dict& group = groups.as_list().items[0].as_dict();
    saved_.group = &group;
    for (const std::string& option : layout_.options)
      if (!group.contains(option))
        out_.missing.push_back(prefix_ + "param_groups.0." + option);
    for (const auto& [key, value] : group) {
      std::string name = to_string(key);
      if (has(layout_.refused, name)) {
        if (value.is_bool() && value.as_bool())
          different("param_groups.0." + name,
                    "true, which the native optimizer does not do: load this "
                    "state into torch's");
      } else if (!has(layout_.options, name) && !has(without_effect(), name)) {
        out_.unexpected.push_back(prefix_ + "param_groups.0." + name);
      }
    }
    read_ids(group);
  }

  void read_ids(const Dict& group) {
    const Value* ids = group.find("params");
    if (!ids || !ids->is_list()) {
      out_.missing.push_back(prefix_ + "param_groups.0.params");
      return;
    }
    const auto& items = ids->as_list().items;
    if (items.size() != parameters_.size()) {
      different("param_groups.0.params",
                str(items.size(), " parameters, here ", parameters_.size()));
      return;
    }
    for (std::size_t i = 0; i < items.size(); ++i)
      if (items[i].is_int()) positions_[items[i].as_int()] = i;
  }

  void read_slots(const Value& slots) {
    if (!slots.is_dict()) {
      different("state", str("a ", slots.type_name(), ", not a dict"));
      return;
    }
    saved_.has_state = true;
    saved_.slots.assign(parameters_.size(), nullptr);
    if (positions_.empty())  // only "state" was asked for, or ids do not fit
      for (std::size_t i = 0; i < parameters_.size(); ++i)
        positions_[static_cast<std::int64_t>(i)] = i;
    for (const auto& [key, value] : slots.as_dict()) {
      std::string name = "state." + to_string(key);
      auto id = index_of(key);
      auto at = id ? positions_.find(*id) : positions_.end();
      if (at == positions_.end()) {
        out_.unexpected.push_back(prefix_ + name);
      } else if (!value.is_dict()) {
        different(name, str("a ", value.type_name(), ", not a dict"));
      } else {
        saved_.slots[at->second] = &value.as_dict();
        read_slot(name, value.as_dict(), parameters_[at->second].data());
      }
    }
  }

  void read_slot(const std::string& where, const Dict& slot,
                 const Tensor& data) {
    for (const std::string& name : layout_.slots)
      if (!slot.contains(name))
        out_.missing.push_back(str(prefix_, where, ".", name));
    for (const auto& [key, value] : slot) {
      std::string name = to_string(key);
      if (!has(layout_.slots, name)) {
        out_.unexpected.push_back(str(prefix_, where, ".", name));
        continue;
      }
      bool fits = value.is_tensor();
      if (name == "step") {
        fits = value.is_number() || (fits && value.as_tensor().numel() == 1);
      } else if (value.is_null() && name == "momentum_buffer") {
        fits = true;  // torch's way to say that there was no step yet
      } else if (fits) {
        fits = value.as_tensor().shape() == data.shape() &&
               value.as_tensor().dtype() == data.dtype();
      }
      if (!fits)
        different(str(where, ".", name),
                  str(value.summary(), ", here ",
                      name == "step" ? std::string("a count of steps")
                                     : Value(data).summary()));
    }
  }

  const Layout& layout_;
  const std::vector<nn::Variable>& parameters_;
  const std::string& prefix_;
  Mismatch& out_;
  Saved saved_;
  std::map<std::int64_t, std::size_t> positions_;  // saved id -> parameter
};

}  // namespace

Saved read(const Value& state, const Layout& layout,
           const std::vector<nn::Variable>& parameters,
           const std::string& prefix, Mismatch& out) {
  return Reader(layout, parameters, prefix, out).read(state);
}

Value pack(Dict slots, Dict group, std::size_t parameters) {
  List ids;
  for (std::size_t i = 0; i < parameters; ++i) ids.items.push_back(Value(i));
  group.set("params", std::move(ids));
  Dict out;
  out.kind = DictKind::kState;
  out.set("state", std::move(slots));
  out.set("param_groups", Value::list({Value(std::move(group))}));
  return out;
}

double number(const Dict& group, std::string_view name, double fallback) {
  const Value* found = group.find(name);
  if (!found) return fallback;
  if (found->is_tensor()) return found->as_tensor().item_f64();
  return found->as_double(name);
}

bool flag(const Dict& group, std::string_view name, bool fallback) {
  const Value* found = group.find(name);
  return found ? found->as_bool(name) : fallback;
}

Tensor loaded(const Tensor* memory, const Tensor& saved) {
  bool reuse = memory && memory->shape() == saved.shape() &&
               memory->dtype() == saved.dtype() &&
               memory->storage().use_count() == 1;
  Tensor out = reuse ? *memory : Tensor::empty(saved.shape(), saved.dtype());
  out.copy_from(saved);
  return out;
}

void check_not_below_0(std::string_view where, std::string_view name,
                       double value) {
  if (value < 0) fail(Kind::kValue, where, name, "=", value, " is below 0");
  if (!std::isfinite(value))
    fail(Kind::kValue, where, name, "=", value, " is no finite number");
}

void check_parameters(const std::vector<nn::Variable>& parameters,
                      std::string_view where) {
  std::unordered_set<const void*> seen;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].defined())
      fail(Kind::kValue, where, "parameter ", i, " is empty");
    if (!seen.insert(parameters[i].node().get()).second)
      fail(Kind::kValue, where, "parameter ", i,
           " is given twice: each may be updated once a step");
  }
}

}  // namespace detail

}  // namespace ptutils::optim
