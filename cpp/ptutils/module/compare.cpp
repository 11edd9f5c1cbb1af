#include <algorithm>
#include <utility>

#include "ptutils/module/configuration.h"

namespace ptutils {
namespace {

void compare_into(const Value* before, const Value* after,
                  const std::string& path, std::vector<Change>& out);

std::string below(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

void compare_dicts(const Dict& before, const Dict& after,
                   const std::string& path, std::vector<Change>& out) {
  for (const auto& [key, value] : before)
    compare_into(&value, after.find(key), below(path, to_string(key)), out);
  for (const auto& [key, value] : after)
    if (!before.find(key))
      compare_into(nullptr, &value, below(path, to_string(key)), out);
}

void compare_lists(const List& before, const List& after,
                   const std::string& path, std::vector<Change>& out) {
  auto at = [](const List& list, std::size_t i) {
    return i < list.items.size() ? &list.items[i] : nullptr;
  };
  std::size_t size = std::max(before.items.size(), after.items.size());
  for (std::size_t i = 0; i < size; ++i)
    compare_into(at(before, i), at(after, i), below(path, str(i)), out);
}

/// An absent value and null are the same.
void compare_into(const Value* before, const Value* after,
                  const std::string& path, std::vector<Change>& out) {
  static const Value kNone;
  if (!before) before = &kNone;
  if (!after) after = &kNone;
  if (before->is_dict() && after->is_dict())
    compare_dicts(before->as_dict(), after->as_dict(), path, out);
  else if (before->is_list() && after->is_list())
    compare_lists(before->as_list(), after->as_list(), path, out);
  else if (!before->identical(*after))
    out.push_back({path, *before, *after});
}

/// Whether an object is described anywhere in it.
bool has_object(const Value& value) {
  if (value.is_list()) {
    const auto& items = value.as_list().items;
    return std::any_of(items.begin(), items.end(), has_object);
  }
  if (!value.is_dict()) return value.is_opaque();
  const Dict& dict = value.as_dict();
  if (dict.contains("func") || dict.contains("class")) return true;
  return std::any_of(dict.begin(), dict.end(), [](const Dict::Entry& entry) {
    return has_object(entry.second);
  });
}

}  // namespace

std::vector<Change> compare(const Value& before, const Value& after) {
  std::vector<Change> out;
  compare_into(&before, &after, "", out);
  return out;
}

bool is_structural(const Change& change) {
  // Callbacks may come and go between two runs of one experiment.
  std::string path = "." + change.path + ".";
  if (path.find(".callbacks.") != std::string::npos) return false;
  std::string last = change.path.substr(change.path.rfind('.') + 1);
  if (last == "func" || last == "class" || last == "package") return true;
  return has_object(change.before) || has_object(change.after);
}

}  // namespace ptutils
