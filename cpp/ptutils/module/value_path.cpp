#include <charconv>

#include "ptutils/common/names.h"
#include "ptutils/module/value.h"

namespace ptutils {
namespace {

/// A whole decimal number without sign or leading zeros; nullopt otherwise.
std::optional<std::int64_t> position(std::string_view text) {
  if (text.empty() || text[0] == '-' || text[0] == '+') return {};
  if (text.size() > 1 && text[0] == '0') return {};
  std::int64_t out = 0;
  auto end = text.data() + text.size();
  auto result = std::from_chars(text.data(), end, out);
  if (result.ec != std::errc() || result.ptr != end) return {};
  return out;
}

const Value* step_into(const Value& value, std::string_view key) {
  if (value.is_dict()) {
    const Dict& dict = value.as_dict();
    if (const Value* found = dict.find(key)) return found;
    auto number = position(key);
    return number ? dict.find(Key(*number)) : nullptr;
  }
  if (!value.is_list()) return nullptr;
  const auto& items = value.as_list().items;
  auto at = position(key);
  if (!at || *at >= static_cast<std::int64_t>(items.size())) return nullptr;
  return &items[static_cast<std::size_t>(*at)];
}

/// `cut` is the end of the first key: the longest first, so that a key with
/// dots is found; a shorter one where the rest leads nowhere.
const Value* find_from(const Value& value, std::string_view path) {
  if (!value.is_dict() && !value.is_list()) return nullptr;
  for (auto cut = path.size(); cut != std::string_view::npos;
       cut = cut ? path.rfind('.', cut - 1) : std::string_view::npos) {
    const Value* next = step_into(value, path.substr(0, cut));
    if (!next) continue;
    if (cut == path.size()) return next;
    if (auto* found = find_from(*next, path.substr(cut + 1))) return found;
  }
  return nullptr;
}

/// The part of `path` that is one step from `value`: the longest key that is
/// there, else up to the first dot.
std::string_view first_step(const Value& value, std::string_view path) {
  for (auto cut = path.rfind('.'); cut != std::string_view::npos && cut > 0;
       cut = path.rfind('.', cut - 1))
    if (step_into(value, path.substr(0, cut))) return path.substr(0, cut);
  return path.substr(0, path.find('.'));
}

[[noreturn]] void not_a_container(const Value& value, std::string_view where,
                                  std::string_view path) {
  fail(Kind::kType, where, "is ", value.repr(40), " (", value.type_name(),
       "), neither a dict nor a list; it has no '", path, "'");
}

}  // namespace

const Value* Value::find_path(std::string_view dotted) const {
  return dotted.empty() ? this : find_from(*this, dotted);
}

void Value::set_path(std::string_view dotted, Value value) {
  if (auto* found = const_cast<Value*>(find_path(dotted))) {
    *found = std::move(value);
    return;
  }
  if (is_null()) *this = Dict();  // a root not yet begun
  Value* at = this;
  std::string_view rest = dotted;
  while (true) {
    auto done = dotted.substr(0, dotted.size() - rest.size());
    if (!done.empty()) done.remove_suffix(1);
    std::string_view where = done.empty() ? "Value" : done;
    if (!at->is_dict() && !at->is_list()) not_a_container(*at, where, rest);
    std::string_view key = first_step(*at, rest);
    bool last = key.size() == rest.size();
    auto* next = const_cast<Value*>(step_into(*at, key));
    if (!next && at->is_list())
      fail(Kind::kIndex, where, "no position '", key, "' in a list of ",
           at->as_list().items.size(), "; use 0 to the last, or set the list");
    if (!next) {
      next = &at->as_dict()[key];
      if (!last) *next = Dict();
    }
    if (last) {
      *next = std::move(value);
      return;
    }
    at = next;
    rest.remove_prefix(key.size() + 1);
  }
}

}  // namespace ptutils
