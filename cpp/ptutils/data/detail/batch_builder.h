#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "ptutils/data/dataset.h"
#include "ptutils/data/pending.h"

namespace ptutils::data::detail {

/// The chains of a preprocessor by the place of their field in a sample.
class FieldChains {
 public:
  FieldChains() = default;
  /// Kind::kKey for one of a field that is not among `names` (where there are
  /// names).
  FieldChains(Preprocessor given, std::vector<std::string> names);
  /// Of field `i`, whose key in a dict is `key`; null: none.
  const Chain* of(std::size_t i, const std::string* key) const;
  bool empty() const { return given_.empty(); }
  bool draws_random() const;
  bool is_python() const;
  const Preprocessor& given() const { return given_; }
  /// The transforms as children, one owner each.
  void fields(Fields& f);
  std::vector<std::string> field_slots() const;  ///< their names
  Value to_config() const;
  /// Kind::kKey for a chain of a field that the sample has not.
  void check(const Value& sample) const;
  /// The whole sample, transformed.
  Value apply(Value sample, const Random& random) const;

 private:
  Preprocessor given_;
  std::vector<std::string> names_;
};

/// Samples put, each transformed, into their places of a batch.
class BatchBuilder {
 public:
  BatchBuilder(std::size_t samples, const FieldChains& chains, Origin origin,
               const Value& reuse)
      : samples_(samples), chains_(chains), origin_(origin), reuse_(reuse) {}
  /// Sample i. The first one first; then from several threads at once.
  void add(std::size_t i, Value sample, const Random& random);
  /// On each thread that added, when it has added its last.
  static void settle();
  Value finish();  ///< on a thread that added

 private:
  /// One field of the batch.
  struct Column {
    bool stacked = false;
    Tensor out;                 // where stacked
    std::vector<Value> values;  // else: collated at the end
  };
  struct Place {
    std::size_t sample, field;
  };
  void add_field(Place at, const std::string* key, Value value,
                 const Value* reuse, const Random& random);
  void start(const Value& sample);
  Value part(std::size_t i, const Value* reuse);

  std::size_t samples_;
  const FieldChains& chains_;
  Origin origin_;
  const Value& reuse_;
  Value form_;  // the first sample's: a list or dict, emptied; or null
  std::vector<Key> keys_;
  std::vector<Column> columns_;
};

}  // namespace ptutils::data::detail
