#include "ptutils/data/detail/record_format.h"
#include "ptutils/data/readers.h"

namespace ptutils::data {
namespace {

constexpr char kLmdbWhere[] = "LMDBReader: decode";

class LmdbDataset final : public Dataset {
 public:
  LmdbDataset(std::shared_ptr<Records> records, detail::RecordFormat format,
              bool keys)
      : records_(std::move(records)), format_(std::move(format)), keys_(keys) {}
  std::int64_t size() const override { return records_->size(); }
  Value get(std::int64_t index, Random) override {
    const Records::Record record = records_->at(index);
    Value key = keys_ ? Value(Bytes{std::string(record.key)}) : Value();
    Value value =
        detail::decode_record(format_, *records_, index, record.bytes);
    records_->check_unchanged();
    if (!keys_) return value;
    return Value::list({std::move(key), std::move(value)}, true);
  }
  bool draws_random() const override { return false; }
  Origin origin() const override { return Origin::kNumpy; }
  std::vector<std::string> field_names() const override {
    if (!keys_) return {};
    return {"key", "value"};
  }

 private:
  std::shared_ptr<Records> records_;
  detail::RecordFormat format_;
  bool keys_;
};

}  // namespace

LMDBReader::LMDBReader(Value decode, bool keys)
    : decode_(std::move(decode)), keys_(keys) {
  if (detail::record_format(decode_, kLmdbWhere).as ==
      detail::RecordFormat::As::kNumbers)
    decode_ = Value::list({decode_, Value::list({Value(-1)})});
}

std::shared_ptr<Dataset> LMDBReader::read(const std::string& source) {
  return std::make_shared<LmdbDataset>(
      lmdb_records(source), detail::record_format(decode_, kLmdbWhere), keys_);
}

Value LMDBReader::to_config() {
  Dict config{{"func", class_name()}};
  if (!decode_.is_null()) config.set("decode", decode_);
  if (keys_) config.set("keys", true);
  return config;
}

}  // namespace ptutils::data
