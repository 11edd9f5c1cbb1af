#include "ptutils/common/names.h"
#include "ptutils/database/detail/query_node.h"

namespace ptutils::detail {
namespace {

using Node = Query::Node;
using Op = Node::Op;
using NodePtr = std::unique_ptr<Node>;

// As deep as a document may be; the compiler and the matcher recurse.
constexpr int kMaxQueryDepth = 100;

const std::vector<std::string> kOperators = {
    "$eq",  "$ne",     "$gt",    "$gte",     "$lt",  "$lte",      "$in",
    "$nin", "$exists", "$regex", "$options", "$not", "$elemMatch"};
const std::vector<std::string> kLogical = {"$and", "$or"};

NodePtr make(Op op) {
  auto node = std::make_unique<Node>();
  node->op = op;
  return node;
}

NodePtr wrap(Op op, NodePtr child) {
  NodePtr node = make(op);
  node->children.push_back(std::move(child));
  return node;
}

bool is_operator(const Key& key) {
  auto* name = std::get_if<std::string>(&key);
  return name && name->starts_with('$');
}

// {"$gt": 1}: its keys are operators. A dict with some is a mistake.
bool is_expression(const Value& value, const std::string& where) {
  if (!value.is_dict()) return false;
  std::size_t operators = 0;
  const Dict& dict = value.as_dict();
  for (const auto& [key, _] : dict) operators += is_operator(key);
  if (operators != 0 && operators != dict.size())
    fail(Kind::kValue, "query", where,
         ": operators and field names in one dict: ", value.repr());
  return operators != 0;
}

// Tensors hide in lists and dicts too.
Value checked_operand(const Value& value, const std::string& where) {
  if (value.is_opaque())
    fail(Kind::kType, "query", where, ": a ", value.as_opaque()->type_name(),
         " cannot be compared");
  if (value.is_tensor()) {
    if (!value.as_tensor().numpy_scalar)
      fail(Kind::kType, "query", where,
           ": an array cannot be compared; queries never read arrays");
    return without_scalar(value);
  }
  Value out = value;
  if (out.is_list())
    for (Value& item : out.as_list().items) item = checked_operand(item, where);
  if (out.is_dict())
    for (auto& [_, item] : out.as_dict()) item = checked_operand(item, where);
  return out;
}

NodePtr comparison(Op op, const Value& operand, const std::string& where) {
  NodePtr node = make(op);
  node->operand = checked_operand(operand, where);
  if (op != Op::kEq && node->operand.is_complex())
    fail(Kind::kValue, "query", where, ": complex numbers have no order");
  return node;
}

NodePtr membership(const Value& operand, const std::string& where) {
  if (!operand.is_list())
    fail(Kind::kType, "query", where, ": takes a list, not ", operand.repr());
  NodePtr node = make(Op::kIn);
  node->operand = checked_operand(operand, where);
  return node;
}

NodePtr existence(const Value& operand, const std::string& where) {
  Value flag = without_scalar(operand);
  if (!flag.is_bool() && !flag.is_number())
    fail(Kind::kType, "query", where, ": takes true or false, not ",
         operand.repr());
  bool wanted = flag.is_bool() ? flag.as_bool() : flag.as_double() != 0;
  NodePtr node = make(Op::kExists);
  return wanted ? std::move(node) : wrap(Op::kNot, std::move(node));
}

NodePtr regex(const Value& pattern, const Dict& expression,
              const std::string& where) {
  if (!pattern.is_string())
    fail(Kind::kType, "query", where, ": takes a pattern, not ",
         pattern.repr());
  const Value* options = expression.find("$options");
  if (options && !options->is_string())
    fail(Kind::kType, "query", where, ": $options takes a string, not ",
         options->repr());
  NodePtr node = make(Op::kRegex);
  node->regex = std::make_unique<Regex>(
      pattern.as_string(), options ? options->as_string() : "", "query", where);
  return node;
}

std::vector<NodePtr> compile_expression(const Dict& expression,
                                        const std::string& where, int depth);

NodePtr negation(const Value& operand, const std::string& where, int depth) {
  if (!is_expression(operand, where))
    fail(Kind::kValue, "query", where,
         ": takes operators ({\"$not\": {\"$gt\": 1}}), not ", operand.repr());
  NodePtr node = make(Op::kNot);
  node->children = compile_expression(operand.as_dict(), where, depth);
  return node;
}

NodePtr element(const Value& operand, const std::string& where, int depth) {
  if (!operand.is_dict())
    fail(Kind::kType, "query", where, ": takes a dict, not ", operand.repr());
  const Dict& dict = operand.as_dict();
  bool logical =
      !dict.empty() && (dict.contains("$and") || dict.contains("$or"));
  if (!logical && is_expression(operand, where)) {
    NodePtr node = make(Op::kElemValue);
    node->children = compile_expression(dict, where, depth);
    return node;
  }
  return wrap(Op::kElemMatch, compile_query(operand, where, depth));
}

NodePtr compile_operator(const std::string& name, const Value& operand,
                         const Dict& expression, const std::string& field,
                         int depth) {
  std::string where = str(field, ".", name);
  if (name == "$eq") return comparison(Op::kEq, operand, where);
  if (name == "$gt") return comparison(Op::kGt, operand, where);
  if (name == "$gte") return comparison(Op::kGte, operand, where);
  if (name == "$lt") return comparison(Op::kLt, operand, where);
  if (name == "$lte") return comparison(Op::kLte, operand, where);
  if (name == "$in") return membership(operand, where);
  if (name == "$exists") return existence(operand, where);
  if (name == "$regex") return regex(operand, expression, where);
  if (name == "$elemMatch") return element(operand, where, depth + 1);
  if (name == "$not") return negation(operand, where, depth + 1);
  if (name == "$ne") return wrap(Op::kNot, comparison(Op::kEq, operand, where));
  if (name == "$nin") return wrap(Op::kNot, membership(operand, where));
  if (name == "$and" || name == "$or")
    fail(Kind::kValue, "query", field, ": ", name, " stands around fields ({\"",
         name, "\": [{field: …}, …]}), not in one");
  fail(Kind::kValue, "query", field, ": no operator ", name,
       did_you_mean(name, kOperators));
}

void check_depth(int depth, const std::string& where) {
  if (depth > kMaxQueryDepth)
    fail(Kind::kValue, "query", where, ": nested deeper than ", kMaxQueryDepth);
}

std::vector<NodePtr> compile_expression(const Dict& expression,
                                        const std::string& where, int depth) {
  check_depth(depth, where);
  std::vector<NodePtr> nodes;
  for (const auto& [key, operand] : expression) {
    std::string name = to_string(key);
    if (name == "$options") {
      if (!expression.contains("$regex"))
        fail(Kind::kValue, "query", where, ": $options without $regex");
      continue;
    }
    nodes.push_back(compile_operator(name, operand, expression, where, depth));
  }
  return nodes;
}

NodePtr compile_logical(const std::string& name, const Value& operand,
                        const std::string& where, int depth) {
  if (name != "$and" && name != "$or")
    fail(Kind::kValue, "query", where.empty() ? "" : where + ": ",
         "no operator ", name, " around fields", did_you_mean(name, kLogical));
  if (!operand.is_list() || operand.as_list().items.empty())
    fail(Kind::kType, "query", name, ": takes a list of queries, not ",
         operand.repr());
  NodePtr node = make(name == "$and" ? Op::kAnd : Op::kOr);
  for (const Value& part : operand.as_list().items)
    node->children.push_back(
        compile_query(part, where.empty() ? name : where + "." + name, depth));
  return node;
}

}  // namespace

NodePtr compile_query(const Value& query, const std::string& where, int depth) {
  check_depth(depth, where);
  if (!query.is_dict())
    fail(Kind::kType, "query", where.empty() ? "" : where + ": ",
         "a query is a dict ({\"exp_id\": \"x\"}), not ", query.repr());
  NodePtr node = make(Op::kAnd);
  for (const auto& [key, operand] : query.as_dict()) {
    std::string name = to_string(key);
    if (is_operator(key)) {
      node->children.push_back(
          compile_logical(name, operand, where, depth + 1));
      continue;
    }
    if (name.empty() && std::holds_alternative<std::string>(key))
      fail(Kind::kValue, "query", where, "an empty field name");
    std::string path = where.empty() ? name : where + "." + name;
    NodePtr field = make(Op::kField);
    field->path = name;
    if (is_expression(operand, path))
      field->children = compile_expression(operand.as_dict(), path, depth + 1);
    else
      field->children.push_back(comparison(Op::kEq, operand, path));
    node->children.push_back(std::move(field));
  }
  return node;
}

}  // namespace ptutils::detail
