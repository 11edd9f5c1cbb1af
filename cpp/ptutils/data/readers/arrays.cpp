#include "ptutils/common/names.h"
#include "ptutils/data/detail/rows_dataset.h"
#include "ptutils/data/readers.h"
#include "ptutils/module/codec.h"

namespace ptutils::data {
namespace {

constexpr char kArraysWhere[] = "ArrayReader";

/// The rows of what was read: a tensor, or a list (texts of a CSV's column).
class ValueRows final : public Rows {
 public:
  explicit ValueRows(Value column)
      : Rows(shape_of(column),
             column.is_tensor() ? column.as_tensor().dtype() : DType::kU8),
        column_(std::move(column)) {}
  Value row(std::int64_t i) const override {
    if (column_.is_tensor()) {
      Tensor out = column_.as_tensor().select(0, i);
      out.numpy_scalar = out.dim() == 0 && out.origin == Origin::kNumpy;
      return out;
    }
    return column_.as_list().items[static_cast<std::size_t>(i)];
  }
  static bool has_rows(const Value& v) {
    return v.is_list() || (v.is_tensor() && v.as_tensor().dim() > 0);
  }

 private:
  static Dims shape_of(const Value& v) {
    if (v.is_tensor()) return v.as_tensor().shape();
    return {static_cast<std::int64_t>(v.as_list().items.size())};
  }
  Value column_;
};

/// Of what the file holds and nobody asks for, nothing is read.
Value content_of(const Value& member) {
  if (!member.is_opaque()) return member;
  const auto late = std::dynamic_pointer_cast<Deferred>(member.as_opaque());
  return late ? Value(late->get()) : member;
}

NamedRows columns_of(const Value& content, const FieldChoice& choice,
                     const std::string& source) {
  NamedRows out;
  if (!content.is_dict()) {
    if (!ValueRows::has_rows(content) || !choice.names.empty())
      fail(Kind::kKey, kArraysWhere, source, " holds ", content.summary(),
           choice.names.empty()
               ? ", which has no rows"
               : str(", no fields (", join(choice.names), ")"));
    out.emplace_back("0", std::make_shared<ValueRows>(content));
    return out;
  }
  const Dict& columns = content.as_dict();
  std::vector<std::string> known;
  for (const auto& [key, value] : columns) known.push_back(to_string(key));
  for (const std::string& name : choice.names.empty() ? known : choice.names) {
    const Value* found = columns.find(name);
    if (!found)
      fail(Kind::kKey, kArraysWhere, "no array '", name, "' in ", source,
           "; it has: ", join(known));
    const Value column = content_of(*found);
    if (!ValueRows::has_rows(column))
      fail(Kind::kValue, kArraysWhere, source, ": '", name, "' is ",
           column.summary(), ", which has no rows; name the fields to read");
    out.emplace_back(name, std::make_shared<ValueRows>(column));
  }
  return out;
}

}  // namespace

std::shared_ptr<Dataset> ArrayReader::read(const std::string& source) {
  const Value content = ptutils::read(source, {.lazy = !fields_.names.empty()});
  FieldChoice choice = fields_;
  NamedRows rows = columns_of(content, choice, source);
  if (!content.is_dict()) choice = {true, {"0"}};
  return std::make_shared<detail::RowsDataset>(std::move(rows),
                                               std::move(choice), source);
}

Value ArrayReader::to_config() {
  Dict config{{"func", class_name()}};
  if (Value fields = detail::config_of(fields_); !fields.is_null())
    config.set("fields", std::move(fields));
  return config;
}

}  // namespace ptutils::data
