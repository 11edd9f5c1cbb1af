#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ptutils/module/db_interface.h"
#include "ptutils/module/value.h"

namespace ptutils {

/// A query, checked and compiled once, matched against many documents.
///
/// MongoDB's semantics (its manual, "Query and Projection Operators") for $eq
/// $ne $gt $gte $lt $lte $in $nin $exists $regex (with $options i, m, s) $not
/// $elemMatch on fields and $and $or on queries. Fields are dotted paths
/// through dicts and list positions; a list matches when one of its elements
/// does; null matches a missing field; numbers compare across int, double and
/// big int (exactly), never with bool; times compare as instants (one without
/// an offset as UTC); other types compare only with themselves. Where a dict
/// has keys with dots, the longest key that fits is taken, as
/// Value::find_path does.
///
/// Differences: regular expressions are ECMAScript's (no look-behind, no back
/// references; case-insensitive for ASCII), at most 1000 characters, and run in
/// polynomial time. A NumPy scalar in a query is its number; other tensors are
/// refused: a query never reads arrays. A tensor in a document exists, and
/// matches nothing else.
///
/// Immutable, thread-safe.
class PTUTILS_API Query {
 public:
  struct Node;

  /// Kind::kValue or kType naming the field: an unknown operator (with the
  /// nearest ones), a wrong operand.
  explicit Query(const Value& query);
  bool matches(const Value& document) const;

 private:
  std::shared_ptr<const Node> root_;
};

/// Query(query).matches(document).
PTUTILS_API bool matches(const Value& query, const Value& document);

/// Throws what Query(query) throws.
PTUTILS_API void check_query(const Value& query);

/// MongoDB's order over all types: missing and null, numbers, complex, strings,
/// dicts, lists, bytes, bools, times, tensors and opaques; inside a type by
/// value. NaN is the smallest number and equals itself. < 0, 0 or > 0.
PTUTILS_API int compare_values(const Value& a, const Value& b);

/// FindOptions::projection, checked: {field: 1} keeps the fields (and _id),
/// {field: 0} drops them; only _id may differ from the others. A path through
/// a list applies to each dict in it.
class PTUTILS_API Projection {
 public:
  explicit Projection(const Value& projection);
  bool whole() const { return paths_.empty() && keep_id_; }
  Value apply(Value document) const;

 private:
  std::vector<std::string> paths_;
  bool include_ = false;
  bool keep_id_ = true;
};

/// FindOptions::sort, checked: {field: 1 | -1} in order of importance. Of a
/// list, its smallest element counts (descending: its largest); an empty one
/// is as null. Equal documents keep their order. "$natural": the order
/// of insertion.
class PTUTILS_API Sort {
 public:
  explicit Sort(const Value& sort);
  bool empty() const { return fields_.empty(); }
  /// What `less` compares, to be taken before a projection.
  std::vector<Value> keys(const Value& document, std::int64_t position) const;
  bool less(const std::vector<Value>& a, const std::vector<Value>& b) const;

 private:
  struct Field {
    std::string path;
    bool descending = false;
  };
  std::vector<Field> fields_;
};

/// Removes a dotted field where it is (a list position becomes null, as
/// MongoDB's $unset has it).
PTUTILS_API void remove_path(Value& document, std::string_view dotted);

}  // namespace ptutils
