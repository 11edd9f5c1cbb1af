#include "ptutils/data/detail/rows_dataset.h"

#include <algorithm>

namespace ptutils::data::detail {

Value sample_of(const FieldChoice& choice,
                const std::vector<std::string>& names,
                std::vector<Value> fields) {
  if (choice.one) return std::move(fields.at(0));
  if (!choice.names.empty()) {
    List out;
    out.tuple = true;
    out.items = std::move(fields);
    return out;
  }
  Dict out;
  for (std::size_t i = 0; i < fields.size(); ++i)
    out.set(names[i], std::move(fields[i]));
  return out;
}

Value config_of(const FieldChoice& choice) {
  if (choice.one) return choice.names.at(0);
  if (choice.names.empty()) return {};
  List out;
  for (const std::string& name : choice.names) out.items.emplace_back(name);
  return out;
}

FieldChoice field_choice(const Value& given, const std::string& where) {
  FieldChoice out;
  if (given.is_null()) return out;
  if (given.is_string()) {
    out.one = true;
    out.names.push_back(given.as_string());
    return out;
  }
  const bool texts =
      given.is_list() && !given.as_list().items.empty() &&
      std::all_of(given.as_list().items.begin(), given.as_list().items.end(),
                  [](const Value& v) { return v.is_string(); });
  if (!texts)
    fail(Kind::kType, where, "fields: a name, or a list of names, not ",
         given.repr());
  for (const Value& name : given.as_list().items) {
    const std::string& text = name.as_string();
    if (std::find(out.names.begin(), out.names.end(), text) != out.names.end())
      fail(Kind::kValue, where, "fields: '", text, "' is there twice");
    out.names.push_back(text);
  }
  return out;
}

RowsDataset::RowsDataset(NamedRows rows, FieldChoice choice,
                         const std::string& where)
    : rows_(std::move(rows)), choice_(std::move(choice)) {
  for (const auto& [name, field] : rows_) {
    names_.push_back(name);
    if (field->size() != rows_[0].second->size())
      fail(Kind::kValue, "Dataset", where, ": '", name, "' has ", field->size(),
           " rows, '", rows_[0].first, "' ", rows_[0].second->size(),
           "; name the fields that belong together");
  }
  size_ = rows_.empty() ? 0 : rows_[0].second->size();
}

Value RowsDataset::get(std::int64_t index, Random) {
  std::vector<Value> fields;
  fields.reserve(rows_.size());
  for (const auto& [name, rows] : rows_) fields.push_back(rows->row(index));
  return sample_of(choice_, names_, std::move(fields));
}

std::vector<DType> RowsDataset::field_dtypes() const {
  std::vector<DType> out;
  for (const auto& [name, rows] : rows_) out.push_back(rows->dtype());
  return out;
}

std::vector<std::int64_t> RowsDataset::blocks() const {
  std::int64_t block = 1;
  for (const auto& [name, rows] : rows_) block = std::max(block, rows->block());
  std::vector<std::int64_t> out;
  if (block > 1)
    for (std::int64_t i = 0; i < size_; i += block) out.push_back(i);
  return out;
}

}  // namespace ptutils::data::detail
