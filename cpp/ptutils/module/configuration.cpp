#include "ptutils/module/configuration.h"

#include <algorithm>
#include <utility>

#include "ptutils/common/names.h"

namespace ptutils {
namespace {

std::string joined(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : str(path, ".", key);
}

/// pytorch-expresso's {package, class, kwargs}.
bool is_expresso(const Dict& dict) {
  const Value* name = dict.find("class");
  if (!name || !name->is_string() || dict.size() < 2) return false;
  for (const auto& [key, value] : dict)
    if (key != Key("class") && key != Key("package") && key != Key("kwargs"))
      return false;
  const Value* package = dict.find("package");
  const Value* kwargs = dict.find("kwargs");
  return (!package || package->is_string() || package->is_null()) &&
         (!kwargs || kwargs->is_dict() || kwargs->is_null());
}

Dict as_native(const Dict& dict) {
  std::string name = dict.at("class").as_string();
  const Value* package = dict.find("package");
  if (package && package->is_string() && !package->as_string().empty())
    name = package->as_string() + "." + name;
  Dict out{{"func", name}};
  if (const Value* kwargs = dict.find("kwargs"); kwargs && kwargs->is_dict())
    for (const auto& [key, value] : kwargs->as_dict()) out.set(key, value);
  return out;
}

bool is_foreign(const ModulePtr& module) {
  return module && !module->class_name().starts_with("ptutils.");
}

[[noreturn]] void unknown_class(const std::string& name,
                                const std::string& where,
                                const std::string& slot) {
  if (auto reason = registry().unavailable(name))
    fail(Kind::kNotImplemented, where, "'", name, "' ", *reason);
  std::vector<std::string> known = registry().names(slot);
  if (ForeignClasses* foreign = registry().foreign())
    for (std::string& other : foreign->names(slot))
      if (std::find(known.begin(), known.end(), other) == known.end())
        known.push_back(std::move(other));
  // Ours are known by their bare names.
  std::string asked =
      name.starts_with("ptutils.") ? name.substr(name.rfind('.') + 1) : name;
  fail(Kind::kNotFound, where, "no '", name, "'", did_you_mean(asked, known));
}

Value make_native(const ClassInfo& info, Dict arguments,
                  const BuildContext& context) {
  check_keys(arguments, info.parameters,
             context.path.empty() ? info.name : context.path);
  const Arguments given(std::move(arguments),
                        context.path.empty() ? info.name : context.path);
  ModulePtr made;
  try {
    made = info.make(given);
  } catch (const Error& error) {
    std::string located = given.located(error.what());
    if (located == error.what()) throw;
    throw Error(error.kind(), located);
  }
  if (!made)
    fail(Kind::kState, context.path, info.name, " was not made by its maker");
  return handle(std::move(made));
}

/// An object of the class `name`, which stands at `where`; its arguments are
/// built already.
Value make_object(const std::string& name, const std::string& where,
                  Dict arguments, const BuildContext& context) {
  ForeignClasses* foreign = registry().foreign();
  bool asked = false;
  auto ask = [&]() -> std::optional<Value> {
    if (!foreign || std::exchange(asked, true)) return {};
    return foreign->build(name, arguments, context);
  };
  bool is_bare = name.find('.') == std::string::npos;
  bool goes_with_net =
      context.slot == "criterion" || context.slot == "optimizer";
  // A user's own class, and the library that a foreign net comes from, go
  // before ours: Adam for a torch net is torch's.
  if ((foreign && foreign->shadows(name, context)) ||
      (is_bare && goes_with_net && is_foreign(context.net)))
    if (auto made = ask()) return *made;
  if (const ClassInfo* info = registry().resolve(name, context.slot))
    return make_native(*info, std::move(arguments), context);
  if (auto made = ask()) return *made;
  unknown_class(name, where, context.slot);
}

/// The place of the entry `key` of a dict that stands at `context`.
BuildContext inside(const BuildContext& context, const Key& key,
                    bool keeps_slot = false) {
  BuildContext out = context;
  std::string name = to_string(key);
  out.path = joined(context.path, name);
  if (!keeps_slot) out.slot = name;
  return out;
}

/// The entries of a dict, built; 'net' first, for criterion and optimizer.
Dict build_entries(const Dict& dict, BuildContext context,
                   bool keep_slot = false) {
  Dict out = dict;
  Value* net = out.find("net");
  if (net) {
    *net = configure(*net, inside(context, "net"));
    if (ModulePtr built = module_in(*net)) context.net = built;
  }
  for (auto& [key, value] : out)
    if (&value != net)
      value = configure(value, inside(context, key, keep_slot));
  return out;
}

Value build_object(const Dict& dict, const BuildContext& context) {
  std::string where = joined(context.path, "func");
  const Value* func = dict.find("func");
  if (!func->is_string())
    fail(Kind::kType, where, "the name of a class, not ", func->repr(60), " (",
         func->type_name(), ")");
  std::string name = func->as_string();
  Dict arguments = dict;
  arguments.erase("func");
  return make_object(name, where, build_entries(arguments, context), context);
}

}  // namespace

Value configure(const Value& config, const BuildContext& context) {
  if (config.is_dict()) {
    const Dict& dict = config.as_dict();
    if (dict.contains("func")) return build_object(dict, context);
    if (is_expresso(dict)) return build_object(as_native(dict), context);
    // The entries of 'datasets' have names of their own ("train"), and one
    // slot.
    return build_entries(dict, context, context.slot == "datasets");
  }
  if (config.is_list()) {
    List out = config.as_list();
    for (std::size_t i = 0; i < out.items.size(); ++i) {
      BuildContext item = context;
      item.path = str(context.path, "[", i, "]");
      out.items[i] = configure(out.items[i], item);
    }
    return out;
  }
  if (config.is_string() && context.slot == "callbacks")
    return make_object(config.as_string(), context.path, {}, context);
  return config;
}

ModulePtr configure_module(const Value& config, const BuildContext& context) {
  Value built = config.is_string()
                    ? make_object(config.as_string(), context.path, {}, context)
                    : configure(config, context);
  if (ModulePtr module = module_in(built)) return module;
  fail(Kind::kType, context.path,
       "a module (a dict with 'func', or a class name), not ", built.repr(60),
       " (", built.type_name(), ")");
}

void check_keys(const Dict& dict, const std::vector<std::string>& known,
                std::string_view where) {
  auto is_known = [&](const std::string& name) {
    return std::find(known.begin(), known.end(), name) != known.end();
  };
  if (is_known("**")) return;
  std::vector<std::string> unknown;
  bool all_near = true;
  for (const std::string& name : dict.keys()) {
    if (is_known(name)) continue;
    auto near = nearest_names(name, known, 2);
    all_near &= !near.empty();
    unknown.push_back(near.empty() ? str("'", name, "'")
                                   : str("'", name, "' (did you mean ",
                                         join(near, " or "), "?)"));
  }
  if (unknown.empty()) return;
  std::string hint;
  if (known.empty())
    hint = "; it takes none";
  else if (!all_near)
    hint = "; known: " + join(known, ", ", 20);
  fail(Kind::kKey, where, "unknown ", join(unknown, ", ", unknown.size()),
       hint);
}

namespace {

/// layers[1].bias, as errors print it, is layers.1.bias.
std::string without_brackets(std::string_view path) {
  std::string out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    auto close = path[i] == '[' ? path.find(']', i) : path.npos;
    auto digits = path.substr(i + 1, close - i - 1);
    if (close == path.npos || digits.empty() || out.empty() ||
        digits.find_first_not_of("0123456789") != digits.npos) {
      out += path[i];
      continue;
    }
    out += str(".", digits);
    i = close;
  }
  return out;
}

}  // namespace

void apply_override(Value& config, std::string_view assignment,
                    Value (*parse)(std::string_view text)) {
  auto equals = assignment.find('=');
  std::string_view path = assignment.substr(0, equals);
  while (path.ends_with(' ')) path.remove_suffix(1);
  while (path.starts_with(' ')) path.remove_prefix(1);
  if (equals == std::string_view::npos || path.empty())
    fail(Kind::kValue, "override", "'", assignment,
         "' is no assignment; write path=value, such as "
         "model.optimizer.lr=3e-4");
  Value value = parse(assignment.substr(equals + 1));
  std::string plain = without_brackets(path);
  if (!config.find_path(path)) path = plain;
  auto dot = path.rfind('.');
  if (!config.find_path(path) && dot != std::string_view::npos &&
      !config.find_path(path.substr(0, dot))) {
    // The last part that is there, and the name that it lacks.
    const Value* at = &config;
    std::string_view there, lacks = path;
    for (auto cut = path.find('.'); cut != std::string_view::npos;
         cut = path.find('.', cut + 1)) {
      const Value* next = config.find_path(path.substr(0, cut));
      if (!next) continue;
      at = next;
      there = path.substr(0, cut);
      lacks = path.substr(cut + 1);
    }
    lacks = lacks.substr(0, lacks.find('.'));
    std::string hint;
    if (at->is_dict()) hint = did_you_mean(lacks, at->as_dict().keys());
    if (at->is_list())
      hint = str("; it has ", at->as_list().items.size(), " items, from 0");
    std::string_view owner = there.empty() ? "the configuration" : there;
    fail(Kind::kKey, path, "no '", lacks, "' in ", owner, hint);
  }
  config.set_path(path, std::move(value));
}

}  // namespace ptutils
