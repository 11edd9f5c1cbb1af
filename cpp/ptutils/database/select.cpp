#include <algorithm>

#include "ptutils/database/detail/path.h"
#include "ptutils/database/detail/query_node.h"
#include "ptutils/database/query.h"

namespace ptutils {
namespace {

using Paths = std::vector<std::string_view>;

// The rests of the paths that go through `key`; `whole` when one ends there.
Paths paths_below(const Paths& paths, std::string_view key, bool* whole) {
  Paths below;
  *whole = false;
  for (std::string_view path : paths) {
    if (!path.starts_with(key)) continue;
    if (path.size() == key.size())
      *whole = true;
    else if (path[key.size()] == '.')
      below.push_back(path.substr(key.size() + 1));
  }
  return below;
}

Value keep(Value value, const Paths& paths);
Value drop(Value value, const Paths& paths);

template <class F>
Value over_items(Value value, const F& change, bool keep_others) {
  List& list = value.as_list();
  std::vector<Value> items;
  for (Value& item : list.items) {
    if (item.is_dict() || item.is_list())
      items.push_back(change(std::move(item)));
    else if (keep_others)
      items.push_back(std::move(item));
  }
  list.items = std::move(items);
  return value;
}

Value keep(Value value, const Paths& paths) {
  if (value.is_list())
    return over_items(
        std::move(value),
        [&](Value item) { return keep(std::move(item), paths); }, false);
  Dict kept;
  kept.kind = value.as_dict().kind;
  for (auto& [key, item] : value.as_dict()) {
    bool whole = false;
    Paths below = paths_below(paths, to_string(key), &whole);
    if (whole)
      kept.set(key, std::move(item));
    else if (!below.empty() && (item.is_dict() || item.is_list()))
      kept.set(key, keep(std::move(item), below));
  }
  return kept;
}

Value drop(Value value, const Paths& paths) {
  if (value.is_list())
    return over_items(
        std::move(value),
        [&](Value item) { return drop(std::move(item), paths); }, true);
  Dict kept;
  kept.kind = value.as_dict().kind;
  for (auto& [key, item] : value.as_dict()) {
    bool whole = false;
    Paths below = paths_below(paths, to_string(key), &whole);
    if (whole) continue;
    if (!below.empty() && (item.is_dict() || item.is_list()))
      kept.set(key, drop(std::move(item), below));
    else
      kept.set(key, std::move(item));
  }
  return kept;
}

bool flag_of(const Value& value, const std::string& field) {
  Value flag = detail::without_scalar(value);
  if (flag.is_bool()) return flag.as_bool();
  if (flag.is_number()) return flag.as_double() != 0;
  fail(Kind::kType, "projection", field, ": takes 1 or 0, not ", value.repr());
}

const Dict& checked_dict(const Value& value, std::string_view what,
                         std::string_view example) {
  static const Dict nothing;
  if (value.is_null()) return nothing;
  if (value.is_dict()) return value.as_dict();
  fail(Kind::kType, what, "takes a dict (", example, "), not ", value.repr());
}

}  // namespace

Projection::Projection(const Value& projection) {
  bool first = true, id_only = false;
  for (const auto& [key, value] :
       checked_dict(projection, "projection", "{\"loss\": 1}")) {
    std::string field = to_string(key);
    if (field.empty() || field.starts_with('$'))
      fail(Kind::kValue, "projection", "'", field, "' is no field");
    bool keep = flag_of(value, field);
    if (field == "_id") {
      keep_id_ = keep;
      id_only = keep;
      continue;
    }
    if (!first && keep != include_)
      fail(Kind::kValue, "projection", field,
           ": fields are either kept (1) or dropped (0), not both; only _id "
           "may differ");
    first = false;
    include_ = keep;
    paths_.push_back(std::move(field));
  }
  // {"_id": 1} alone keeps nothing else.
  if (paths_.empty() && id_only) {
    include_ = true;
    paths_.push_back("_id");
  }
}

Value Projection::apply(Value document) const {
  if (whole() || !document.is_dict()) return document;
  Paths paths(paths_.begin(), paths_.end());
  if (include_ == keep_id_) paths.push_back("_id");
  return include_ ? keep(std::move(document), paths)
                  : drop(std::move(document), paths);
}

Sort::Sort(const Value& sort) {
  for (const auto& [key, value] :
       checked_dict(sort, "sort", "{\"step\": -1}")) {
    Value direction = detail::without_scalar(value);
    if (!direction.is_number() || std::abs(direction.as_double()) != 1)
      fail(Kind::kValue, "sort", to_string(key), ": takes 1 or -1, not ",
           value.repr());
    fields_.push_back({to_string(key), direction.as_double() < 0});
    const std::string& path = fields_.back().path;
    if (path.empty() || (path[0] == '$' && path != "$natural"))
      fail(Kind::kValue, "sort", "'", path, "' is no field");
  }
}

std::vector<Value> Sort::keys(const Value& document,
                              std::int64_t position) const {
  std::vector<Value> out;
  for (const Field& field : fields_) {
    if (field.path == "$natural") {
      out.push_back(position);
      continue;
    }
    std::optional<Value> best;
    auto offer = [&](const Value& offered) {
      Value value = detail::without_scalar(offered);
      if (value.is_tensor() || value.is_opaque()) value = Tensor();
      int order = best ? compare_values(value, *best) : 0;
      if (!best || (field.descending ? order > 0 : order < 0)) best = value;
    };
    static const Value null;
    detail::walk_path(document, field.path, false, [&](const Value* found) {
      if (found && found->is_list())
        for (const Value& item : found->as_list().items) offer(item);
      else
        offer(found ? *found : null);
      return false;
    });
    out.push_back(best ? std::move(*best) : Value());
  }
  return out;
}

bool Sort::less(const std::vector<Value>& a,
                const std::vector<Value>& b) const {
  for (std::size_t i = 0; i < fields_.size(); ++i)
    if (int order = compare_values(a[i], b[i]))
      return fields_[i].descending ? order > 0 : order < 0;
  return false;
}

void remove_path(Value& document, std::string_view dotted) {
  if (document.is_list()) {
    std::string_view step = dotted.substr(0, dotted.find('.'));
    auto position = detail::parse_position(step);
    auto& items = document.as_list().items;
    if (!position || *position >= static_cast<std::int64_t>(items.size()))
      return;
    Value& item = items[static_cast<std::size_t>(*position)];
    if (step.size() == dotted.size())
      item = Value();
    else
      remove_path(item, detail::rest_of(dotted, step.size()));
    return;
  }
  if (!document.is_dict()) return;
  Dict& dict = document.as_dict();
  const Value* found = nullptr;
  std::size_t length = detail::matching_prefix(dict, dotted, &found);
  if (length == 0) return;
  for (auto& [key, value] : dict) {
    if (&value != found) continue;
    if (length == dotted.size())
      dict.erase(Key(key));
    else
      remove_path(value, detail::rest_of(dotted, length));
    return;
  }
}

}  // namespace ptutils
