#include "ptutils/database/query.h"

#include <algorithm>
#include <cmath>

#include "ptutils/database/detail/compare.h"
#include "ptutils/database/detail/path.h"
#include "ptutils/database/detail/query_node.h"

namespace ptutils {

namespace detail {

namespace {

Value unsigned_value(std::uint64_t number) {
  if (number > static_cast<std::uint64_t>(INT64_MAX))
    return BigInt{std::to_string(number)};
  return static_cast<std::int64_t>(number);
}

}  // namespace

Value without_scalar(const Value& value) {
  if (!value.is_tensor() || !value.as_tensor().numpy_scalar) return value;
  const Tensor& tensor = value.as_tensor();
  switch (tensor.dtype()) {
    case DType::kBool:
      return tensor.item<std::int64_t>() != 0;
    case DType::kU64:
      return unsigned_value(*tensor.data<std::uint64_t>());
    case DType::kC64:
      return std::complex<double>(*tensor.data<std::complex<float>>());
    case DType::kC128:
      return *tensor.data<std::complex<double>>();
    default:
      if (is_integer(tensor.dtype())) return tensor.item<std::int64_t>();
      return tensor.item<double>();
  }
}

}  // namespace detail

namespace {

using Node = Query::Node;
using Op = Node::Op;

bool matches_document(const Node& node, const Value& document);
bool matches_element(const Node& node, const Value* element);

bool is_nan(const Value& value) {
  return value.is_double() && std::isnan(value.as_double());
}

bool equal(const Value* element, const Value& operand) {
  if (!element || element->is_null()) return operand.is_null();
  return compare_values(*element, operand) == 0;
}

// Values of different types have no order, null only equals null, NaN NaN.
bool ordered(Op op, const Value* element, const Value& operand) {
  static const Value null;
  const Value& value = element ? *element : null;
  if (detail::type_rank(value) != detail::type_rank(operand)) return false;
  if (value.is_complex() || value.is_tensor() || value.is_opaque())
    return false;
  int order = compare_values(value, operand);
  if (is_nan(value) || is_nan(operand))
    return order == 0 && (op == Op::kGte || op == Op::kLte);
  switch (op) {
    case Op::kGt:
      return order > 0;
    case Op::kGte:
      return order >= 0;
    case Op::kLt:
      return order < 0;
    default:
      return order <= 0;
  }
}

bool all_match(const Node& node, const Value* element) {
  return std::all_of(
      node.children.begin(), node.children.end(),
      [&](const auto& child) { return matches_element(*child, element); });
}

bool matches_items(const Node& node, const Value* element) {
  if (!element || !element->is_list()) return false;
  for (const Value& item : element->as_list().items) {
    if (node.op == Op::kElemValue
            ? all_match(node, &item)
            : (item.is_dict() || item.is_list()) &&
                  matches_document(*node.children[0], item))
      return true;
  }
  return false;
}

bool matches_element(const Node& node, const Value* element) {
  Value number;  // a NumPy scalar counts as its number
  if (element && element->is_tensor() && element->as_tensor().numpy_scalar) {
    number = detail::without_scalar(*element);
    element = &number;
  }
  switch (node.op) {
    case Op::kEq:
      return equal(element, node.operand);
    case Op::kGt:
    case Op::kGte:
    case Op::kLt:
    case Op::kLte:
      return ordered(node.op, element, node.operand);
    case Op::kIn: {
      const auto& items = node.operand.as_list().items;
      return std::any_of(items.begin(), items.end(), [&](const Value& item) {
        return equal(element, item);
      });
    }
    case Op::kExists:
      return element != nullptr;
    case Op::kRegex:
      return element && element->is_string() &&
             node.regex->search(element->as_string());
    case Op::kElemMatch:
    case Op::kElemValue:
      return matches_items(node, element);
    case Op::kNot:
      return !all_match(node, element);
    default:
      return false;
  }
}

bool matches_field(const Node& node, const std::string& path,
                   const Value& document) {
  if (node.op == Op::kNot)
    return !std::all_of(node.children.begin(), node.children.end(),
                        [&](const auto& child) {
                          return matches_field(*child, path, document);
                        });
  bool expand = node.op != Op::kElemMatch && node.op != Op::kElemValue;
  return detail::walk_path(document, path, expand, [&](const Value* element) {
    return matches_element(node, element);
  });
}

bool matches_document(const Node& node, const Value& document) {
  auto match = [&](const auto& child) {
    return node.op == Op::kField ? matches_field(*child, node.path, document)
                                 : matches_document(*child, document);
  };
  if (node.op == Op::kOr)
    return std::any_of(node.children.begin(), node.children.end(), match);
  return std::all_of(node.children.begin(), node.children.end(), match);
}

}  // namespace

Query::Query(const Value& query) : root_(detail::compile_query(query, "", 0)) {}

bool Query::matches(const Value& document) const {
  return matches_document(*root_, document);
}

bool matches(const Value& query, const Value& document) {
  return Query(query).matches(document);
}

void check_query(const Value& query) { Query compiled(query); }

}  // namespace ptutils
