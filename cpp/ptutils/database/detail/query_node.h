#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ptutils/common/regex.h"
#include "ptutils/database/query.h"

namespace ptutils {

/// A compiled query: private to this folder.
struct Query::Node {
  enum class Op {
    // On a document.
    kAnd,
    kOr,
    kField,
    // On one element of a field.
    kEq,
    kGt,
    kGte,
    kLt,
    kLte,
    kIn,
    kExists,
    kRegex,
    kElemMatch,
    kElemValue,
    // On a field as a whole: no element matches the children together.
    kNot,
  };

  Op op = Op::kAnd;
  std::string path;  ///< kField
  Value operand;     ///< of comparisons; kIn: a list
  std::unique_ptr<Regex> regex;
  std::vector<std::unique_ptr<Node>> children;
};

namespace detail {

/// Kind::kValue or kType: the query is wrong.
std::unique_ptr<Query::Node> compile_query(const Value& query,
                                           const std::string& where, int depth);

/// The number (or bool) of a NumPy scalar, else the value itself.
Value without_scalar(const Value& value);

}  // namespace detail
}  // namespace ptutils
