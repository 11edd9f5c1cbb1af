#include "ptutils/common/names.h"
#include "ptutils/data/detail/rows_dataset.h"
#include "ptutils/data/readers.h"
#include "ptutils/formats/json_text.h"
#include "ptutils/formats/records.h"

namespace ptutils::data {
namespace {

constexpr char kJsonWhere[] = "JSONLinesReader";

class JsonLinesDataset final : public Dataset {
 public:
  JsonLinesDataset(std::shared_ptr<Records> lines, FieldChoice choice)
      : lines_(std::move(lines)), choice_(std::move(choice)) {}
  std::int64_t size() const override { return lines_->size(); }
  Value get(std::int64_t index, Random) override {
    const std::string_view line = lines_->at(index).bytes;
    Value value;
    try {
      value = parse_json(line);
    } catch (const Error& error) {  // which knows of this line only
      throw Error(error.kind(), str("[json] ", lines_->label(index), ": ",
                                    without_prefix(error.what())));
    }
    if (choice_.names.empty()) return value;
    std::vector<Value> fields;
    fields.reserve(choice_.names.size());
    for (const std::string& name : choice_.names)
      fields.push_back(std::move(*field(value, name, index)));
    return detail::sample_of(choice_, choice_.names, std::move(fields));
  }
  bool draws_random() const override { return false; }
  Origin origin() const override { return Origin::kNumpy; }
  std::vector<std::string> field_names() const override {
    return choice_.names;
  }

 private:
  static std::string_view without_prefix(std::string_view text) {
    for (std::string_view known : {"[json] ", "line 1, "})
      if (text.starts_with(known)) text.remove_prefix(known.size());
    return text;
  }
  Value* field(Value& value, const std::string& name,
               std::int64_t index) const {
    if (!value.is_dict())
      fail(Kind::kKey, kJsonWhere, lines_->label(index), " holds ",
           value.summary(), ", no object with a '", name, "'");
    if (Value* found = value.as_dict().find(name)) return found;
    const auto known = value.as_dict().keys();
    fail(Kind::kKey, kJsonWhere, lines_->label(index), " has no '", name, "'",
         did_you_mean(name, known), "; it has: ", join(known));
  }

  std::shared_ptr<Records> lines_;
  FieldChoice choice_;
};

}  // namespace

std::shared_ptr<Dataset> JSONLinesReader::read(const std::string& source) {
  return std::make_shared<JsonLinesDataset>(line_records(source), fields_);
}

Value JSONLinesReader::to_config() {
  Dict config{{"func", class_name()}};
  if (Value fields = detail::config_of(fields_); !fields.is_null())
    config.set("fields", std::move(fields));
  return config;
}

}  // namespace ptutils::data
