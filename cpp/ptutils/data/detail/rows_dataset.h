#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ptutils/data/dataset.h"
#include "ptutils/data/readers.h"
#include "ptutils/formats/rows.h"

namespace ptutils::data::detail {

/// Of fields that were read, in the order of `choice` (all: of the file), the
/// sample: a value, a tuple or a dict.
Value sample_of(const FieldChoice& choice,
                const std::vector<std::string>& names,
                std::vector<Value> fields);

/// Rows of arrays of one length.
class RowsDataset final : public Dataset {
 public:
  /// Kind::kValue where the lengths differ; `where` is the file.
  RowsDataset(NamedRows rows, FieldChoice choice, const std::string& where);
  std::int64_t size() const override { return size_; }
  Value get(std::int64_t index, Random random) override;
  bool draws_random() const override { return false; }
  Origin origin() const override { return Origin::kNumpy; }
  std::vector<std::string> field_names() const override { return names_; }
  std::vector<DType> field_dtypes() const override;
  std::vector<std::int64_t> blocks() const override;

 private:
  NamedRows rows_;
  FieldChoice choice_;
  std::vector<std::string> names_;
  std::int64_t size_ = 0;
};

/// FieldChoice as an argument: text, a list, or null.
Value config_of(const FieldChoice& choice);
FieldChoice field_choice(const Value& given, const std::string& where);

}  // namespace ptutils::data::detail
