#include <algorithm>
#include <exception>

#include "ptutils/common/names.h"
#include "ptutils/data/detail/record_format.h"
#include "ptutils/data/detail/rows_dataset.h"
#include "ptutils/data/readers.h"
#include "ptutils/formats/detail/text_coding.h"
#include "ptutils/formats/tf_example.h"
#include "ptutils/tensor/ops.h"

namespace ptutils::data {
namespace {

constexpr char kTfrecordWhere[] = "TFRecordReader";
using As = detail::RecordFormat::As;

template <class T>
Tensor numbers_as_tensor(const std::vector<T>& numbers) {
  return Tensor::from(std::span<const T>(numbers),
                      {static_cast<std::int64_t>(numbers.size())});
}

/// A number, where there is one and no shape was said, else an array.
template <class T>
Value value_of_numbers(const detail::RecordFormat& format,
                       const std::vector<T>& numbers) {
  const bool integers = std::is_same_v<T, std::int64_t>;
  const bool same = format.as == As::kAny || format.dtype == dtype_of<T>;
  const bool one = format.as != As::kArray && numbers.size() == 1;
  if constexpr (integers)
    if (one && same) return numbers[0];
  Tensor out = numbers_as_tensor(numbers);
  if (!same) out = cast(out, format.dtype);
  if (format.as == As::kArray) out = out.reshape(format.shape);
  if (one) out = out.reshape({});
  out.origin = Origin::kNumpy;
  out.numpy_scalar = one;
  return out;
}

/// Some features of each record.
class TfrecordDataset final : public Dataset {
 public:
  TfrecordDataset(std::shared_ptr<Records> records, FieldChoice choice,
                  const Dict& features)
      : records_(std::move(records)), choice_(std::move(choice)) {
    const std::vector<std::string> first = names_in_first();
    names_ = !choice_.names.empty() ? choice_.names
             : !features.empty()    ? features.keys()
                                    : first;
    for (const std::string& name : names_) {
      const Value* given = features.find(name);
      formats_.push_back(detail::record_format(
          given ? *given : Value(), str(kTfrecordWhere, ": '", name, "'")));
      if (size() > 0 &&
          std::find(first.begin(), first.end(), name) == first.end())
        fail(Kind::kKey, kTfrecordWhere, records_->label(0),
             " has no feature '", name, "'", did_you_mean(name, first),
             "; it has: ", join(first));
    }
  }
  std::int64_t size() const override { return records_->size(); }
  Value get(std::int64_t index, Random) override {
    const std::string_view record = records_->at(index).bytes;
    std::vector<std::string_view> found(names_.size());
    std::vector<bool> there(names_.size());
    const std::string where = records_->where(index);
    // Most often they come in the same order.
    std::size_t next = 0;
    for_each_feature(record, where, [&](auto name, auto feature) {
      for (std::size_t tried = 0; tried < names_.size(); ++tried, ++next) {
        if (next >= names_.size()) next = 0;
        if (names_[next] != name) continue;
        found[next] = feature;
        there[next++] = true;
        return;
      }
    });
    std::vector<Value> fields;
    fields.reserve(names_.size());
    for (std::size_t f = 0; f < names_.size(); ++f) {
      if (!there[f])
        fail(Kind::kKey, kTfrecordWhere, records_->label(index),
             " has no feature '", names_[f],
             "'; name the features that every record has");
      fields.push_back(decode(index, f, found[f], where));
    }
    return detail::sample_of(choice_, names_, std::move(fields));
  }
  bool draws_random() const override { return false; }
  Origin origin() const override { return Origin::kNumpy; }
  std::vector<std::string> field_names() const override { return names_; }

 private:
  /// Of the first record that is whole: one that is damaged may be left out
  /// later. Where none of the first few is, the error of the
  /// first.
  std::vector<std::string> names_in_first() const {
    constexpr std::int64_t kTried = 100;
    std::exception_ptr first;
    for (std::int64_t i = 0; i < std::min(kTried, size()); ++i) {
      try {
        return names_in(i);
      } catch (const Error& error) {
        if (error.kind() != Kind::kFormat) throw;
        if (!first) first = std::current_exception();
      }
    }
    if (first) std::rethrow_exception(first);
    return {};
  }
  std::vector<std::string> names_in(std::int64_t i) const {
    std::vector<std::string> out;
    const std::string where = records_->where(i);
    for_each_feature(records_->at(i).bytes, where, [&](auto name, auto) {
      if (!ptutils::detail::valid_utf8(name))
        throw Error(Kind::kFormat, where + "a feature's name is not UTF-8");
      if (std::find(out.begin(), out.end(), name) == out.end())
        out.emplace_back(name);
    });
    return out;
  }

  Value decode(std::int64_t index, std::size_t f, std::string_view text,
               const std::string& where) const {
    const detail::RecordFormat& format = formats_[f];
    const TfFeature feature = parse_feature(text, where);
    if (const auto* bytes = std::get_if<0>(&feature))
      return decode_bytes(index, f, *bytes, where);
    if (format.as != As::kAny && format.as != As::kNumbers &&
        format.as != As::kArray)
      throw Error(Kind::kType,
                  str(where, "'", names_[f], "' has numbers, no bytes"));
    try {
      if (const auto* floats = std::get_if<1>(&feature))
        return value_of_numbers(format, *floats);
      return value_of_numbers(format, std::get<2>(feature));
    } catch (const Error& error) {
      throw Error(error.kind(),
                  str(where, "'", names_[f], "': ", error.what()));
    }
  }

  Value decode_bytes(std::int64_t index, std::size_t f,
                     const std::vector<std::string_view>& bytes,
                     const std::string& where) const {
    const detail::RecordFormat& format = formats_[f];
    if (format.as == As::kNumbers)
      throw Error(Kind::kType, str(where, "'", names_[f],
                                   "' has bytes, no numbers; give (dtype, "
                                   "shape) where they are an array's memory"));
    if (bytes.size() == 1)
      return detail::decode_record(format, *records_, index, bytes[0]);
    if (format.as == As::kArray || format.as == As::kImage)
      throw Error(Kind::kFormat, str(where, "'", names_[f], "' has ",
                                     bytes.size(), " values, not one"));
    List out;
    for (std::string_view each : bytes)
      out.items.push_back(
          detail::decode_record(format, *records_, index, each));
    return out;
  }

  std::shared_ptr<Records> records_;
  FieldChoice choice_;
  std::vector<std::string> names_;
  std::vector<detail::RecordFormat> formats_;
};

}  // namespace

TFRecordReader::TFRecordReader(Dict features, FieldChoice fields)
    : features_(std::move(features)), fields_(std::move(fields)) {
  for (const auto& [name, given] : features_)
    detail::record_format(given,
                          str(kTfrecordWhere, ": '", to_string(name), "'"));
}

std::shared_ptr<Dataset> TFRecordReader::read(const std::string& source) {
  return std::make_shared<TfrecordDataset>(tfrecord_records(source), fields_,
                                           features_);
}

Value TFRecordReader::to_config() {
  Dict config{{"func", class_name()}};
  if (!features_.empty()) config.set("features", features_);
  if (Value fields = detail::config_of(fields_); !fields.is_null())
    config.set("fields", std::move(fields));
  return config;
}

}  // namespace ptutils::data
