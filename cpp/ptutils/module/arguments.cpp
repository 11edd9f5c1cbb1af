#include "ptutils/module/registry.h"

namespace ptutils {
namespace {

std::string path_of(const std::string& where, std::string_view name) {
  return where.empty() ? std::string(name) : str(where, ".", name);
}

/// A NumPy scalar (np.float64(1e-3)) is a number where one is wanted.
Value unwrapped(const Value& value) {
  if (!value.is_tensor() || !value.as_tensor().numpy_scalar) return value;
  const Tensor& t = value.as_tensor();
  if (t.dtype() == DType::kBool) return t.item<bool>();
  if (is_integer(t.dtype()) && t.dtype() != DType::kU64) return t.item_i64();
  if (is_floating(t.dtype())) return t.item_f64();
  return value;
}

[[noreturn]] void missing(const std::string& where, std::string_view name,
                          std::string_view wanted) {
  fail(Kind::kType, where.empty() ? std::string_view("arguments") : where,
       "needs '", name, "': ", wanted);
}

}  // namespace

std::string Arguments::located(std::string_view message) const {
  auto end = message.find("] ");
  if (!message.starts_with('[') || end == message.npos ||
      where_ == "configuration")
    return std::string(message);
  std::string_view rest = message.substr(end + 2);
  auto speaker = message.substr(1, end - 1);
  if (registry().find(where_) || !registry().resolve(speaker, ""))
    return std::string(message);
  std::string_view name = rest.substr(0, rest.find_first_of(" =[:"));
  return str("[", has(name) ? path_of(where_, name) : where_, "] ", rest);
}

bool Arguments::has(std::string_view name) const {
  return values_.contains(name);
}

Value Arguments::get(std::string_view name) const {
  const Value* found = values_.find(name);
  return found ? *found : Value();
}

double Arguments::number(std::string_view name,
                         std::optional<double> fallback) const {
  Value value = unwrapped(get(name));
  if (!value.is_null()) return value.as_double(path_of(where_, name));
  if (!fallback) missing(where_, name, "a number");
  return *fallback;
}

std::int64_t Arguments::integer(std::string_view name,
                                std::optional<std::int64_t> fallback) const {
  Value value = unwrapped(get(name));
  if (!value.is_null()) return value.as_int(path_of(where_, name));
  if (!fallback) missing(where_, name, "an integer");
  return *fallback;
}

bool Arguments::flag(std::string_view name,
                     std::optional<bool> fallback) const {
  Value value = unwrapped(get(name));
  if (!value.is_null()) return value.as_bool(path_of(where_, name));
  if (!fallback) missing(where_, name, "true or false");
  return *fallback;
}

std::string Arguments::text(std::string_view name,
                            std::optional<std::string> fallback) const {
  Value value = get(name);
  if (!value.is_null()) return value.as_string(path_of(where_, name));
  if (!fallback) missing(where_, name, "a string");
  return *fallback;
}

ModulePtr Arguments::any_module(std::string_view name) const {
  const Value* value = values_.find(name);
  if (!value || value->is_null()) return nullptr;
  if (ModulePtr found = module_in(*value)) return found;
  fail(Kind::kType, path_of(where_, name),
       "a module (a configuration with 'func'), not ", value->repr(60), " (",
       value->type_name(), ")");
}

void Arguments::wrong_module(std::string_view name, Module& found) const {
  fail(Kind::kType, path_of(where_, name), "a ", found.class_name(),
       " does not fit here");
}

}  // namespace ptutils
