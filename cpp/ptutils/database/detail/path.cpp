#include "ptutils/database/detail/path.h"

#include <charconv>

namespace ptutils::detail {
namespace {

bool walk_list(const List& list, std::string_view path, bool expand,
               const Visit& visit) {
  std::string_view step = path.substr(0, path.find('.'));
  std::string_view rest = rest_of(path, step.size());
  auto position = parse_position(step);
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    const Value& item = list.items[i];
    if (item.is_dict() && walk_path(item, path, expand, visit)) return true;
    if (!position || *position != static_cast<std::int64_t>(i)) continue;
    if (rest.empty()) {
      if (visit(&item)) return true;
    } else if (item.is_dict() || item.is_list()) {
      if (walk_path(item, rest, expand, visit)) return true;
    }
  }
  return false;
}

bool visit_leaf(const Value& value, bool expand, const Visit& visit) {
  if (expand && value.is_list())
    for (const Value& item : value.as_list().items)
      if (visit(&item)) return true;
  return visit(&value);
}

}  // namespace

std::string_view rest_of(std::string_view path, std::size_t length) {
  return length < path.size() ? path.substr(length + 1) : std::string_view();
}

std::optional<std::int64_t> parse_position(std::string_view text) {
  std::int64_t position = -1;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), position);
  if (error != std::errc() || end != text.data() + text.size() || position < 0)
    return std::nullopt;
  return position;
}

std::size_t matching_prefix(const Dict& dict, std::string_view path,
                            const Value** found) {
  for (std::size_t length = path.size();
       length != std::string_view::npos && length > 0;
       length = path.rfind('.', length - 1)) {
    std::string_view key = path.substr(0, length);
    *found = dict.find(key);
    if (!*found && key.find('.') == std::string_view::npos) {
      std::int64_t number = 0;  // integer keys, negative ones too
      auto [end, error] =
          std::from_chars(key.data(), key.data() + key.size(), number);
      if (error == std::errc() && end == key.data() + key.size())
        *found = dict.find(Key(number));
    }
    if (*found) return length;
  }
  return 0;
}

bool walk_path(const Value& value, std::string_view path, bool expand,
               const Visit& visit) {
  if (value.is_list()) return walk_list(value.as_list(), path, expand, visit);
  if (!value.is_dict()) return visit(nullptr);
  const Value* found = nullptr;
  std::size_t length = matching_prefix(value.as_dict(), path, &found);
  if (length == 0) return visit(nullptr);
  if (length == path.size()) return visit_leaf(*found, expand, visit);
  return walk_path(*found, rest_of(path, length), expand, visit);
}

}  // namespace ptutils::detail
