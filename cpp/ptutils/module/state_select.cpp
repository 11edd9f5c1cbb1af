#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "ptutils/common/names.h"
#include "ptutils/module/module.h"

// A part of a state: by names, by a regular expression, under other names.

namespace ptutils {

namespace {

/// Flat names and leaves: through dicts with text keys only (an optimizer's
/// integer keys belong to its one leaf).
void flatten_names(const Value& value, const std::string& prefix, Dict& out) {
  bool nested = value.is_dict() && !value.as_dict().empty();
  if (nested)
    for (const auto& [key, item] : value.as_dict())
      nested = nested && std::holds_alternative<std::string>(key);
  if (!nested) {
    out.set(prefix, value);
    return;
  }
  for (const auto& [key, item] : value.as_dict())
    flatten_names(
        item, prefix.empty() ? to_string(key) : prefix + "." + to_string(key),
        out);
}

bool under(const std::string& name, const std::string& prefix) {
  return name == prefix ||
         (name.size() > prefix.size() && name.starts_with(prefix) &&
          name[prefix.size()] == '.');
}

/// The names of `flat`, and those that lead to them.
std::vector<std::string> names_in(const Dict& flat) {
  std::set<std::string> names;
  for (const std::string& name : flat.keys())
    for (auto dot = name.find('.');; dot = name.find('.', dot + 1)) {
      names.insert(name.substr(0, dot));
      if (dot == std::string::npos) break;
    }
  names.erase("");  // of an empty state
  return {names.begin(), names.end()};
}

/// Every name that is to be renamed is there.
void check_remap(const Dict& flat, const LoadOptions& options) {
  auto names = names_in(flat);
  for (const auto& [from, to] : options.remap)
    if (std::find(names.begin(), names.end(), from) == names.end())
      fail(Kind::kKey, "load_state_dict", "remap: the state has no '", from,
           "'", did_you_mean(from, names));
}

std::string renamed(const std::string& name, const LoadOptions& options) {
  for (const auto& [from, to] : options.remap)
    if (under(name, from)) return to + name.substr(from.size());
  return name;
}

/// The part of a state that the options take, flat, under the names here.
Dict selected(const Value& state, const LoadOptions& options) {
  Dict flat;
  flatten_names(state, "", flat);
  check_remap(flat, options);
  std::set<std::string> unused;
  if (options.only_names)
    unused.insert(options.only_names->begin(), options.only_names->end());
  std::regex pattern;
  if (options.only_regex) {
    try {
      pattern.assign(*options.only_regex);
    } catch (const std::regex_error& e) {
      fail(Kind::kValue, "load_state_dict", "only='", *options.only_regex,
           "' is not a regular expression: ", e.what());
    }
  }
  Dict out;
  for (const auto& [key, value] : flat) {
    std::string saved = to_string(key), here = renamed(saved, options);
    bool take = true;
    if (options.only_names) {
      take = false;
      for (const std::string& wanted : *options.only_names)
        if (under(saved, wanted) || under(here, wanted)) {
          take = true;
          unused.erase(wanted);
        }
    }
    if (options.only_regex)
      take = take && (std::regex_search(saved, pattern) ||
                      std::regex_search(here, pattern));
    if (take) out.set(here, value);
  }
  if (!unused.empty())
    fail(Kind::kKey, "load_state_dict", "the state has no '", *unused.begin(),
         "'", did_you_mean(*unused.begin(), flat.keys()));
  if (options.only_regex && out.empty())
    fail(Kind::kKey, "load_state_dict", "only='", *options.only_regex,
         "' matches no name of the state",
         did_you_mean(*options.only_regex, names_in(flat)));
  return out;
}

}  // namespace

void Module::load_state_dict(const Value& state, const LoadOptions& options) {
  if (options.whole() && options.strict) return load_state_dict(state);
  Value part = options.whole() ? state : Value(selected(state, options));
  Mismatch found;
  check_state(part, "", options.strict, found);
  found.missing.clear();  // a part was asked for, or any names
  if (!options.strict) found.unexpected.clear();
  if (!found.empty()) found.raise(class_name());
  load_partial(part);
}

}  // namespace ptutils
