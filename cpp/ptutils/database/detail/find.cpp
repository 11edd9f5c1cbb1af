#include <algorithm>
#include <limits>

#include "ptutils/database/detail/documents.h"

namespace ptutils::detail {
namespace {

// SQLite's limit of bound parameters is at least this in every build.
constexpr std::size_t kMaxArguments = 900;

// The texts that a field must be one of, if `condition` says so.
std::optional<std::vector<Indexed>> wanted_texts(const Value& condition) {
  if (condition.is_string()) return std::vector<Indexed>{condition.as_string()};
  if (!condition.is_dict()) return std::nullopt;
  if (const Value* equal = condition.as_dict().find("$eq"))
    return wanted_texts(*equal);
  const Value* in = condition.as_dict().find("$in");
  if (!in || !in->is_list()) return std::nullopt;
  std::vector<Indexed> texts;
  for (const Value& item : in->as_list().items) {
    if (!item.is_string()) return std::nullopt;
    texts.push_back(item.as_string());
  }
  return texts;
}

// 0 stands for a value that is no text: a list may hold the text.
void add_condition(Plan& plan, const char* column, const Value& condition) {
  auto texts = wanted_texts(condition);
  if (!texts || plan.arguments.size() + texts->size() > kMaxArguments) return;
  plan.where += str(plan.where.empty() ? " WHERE " : " AND ", column, " IN (");
  for (auto& text : *texts) {
    plan.where += "?,";
    plan.arguments.push_back(std::move(text));
  }
  plan.where += "0)";
}

void add_conditions(Plan& plan, const Value& query) {
  for (const auto& [key, condition] : query.as_dict()) {
    std::string field = to_string(key);
    if (field == "_id") add_condition(plan, "id", condition);
    if (field == "exp_id") add_condition(plan, "exp_id", condition);
    if (field == "kind") add_condition(plan, "kind", condition);
    if (field == "$and")
      for (const Value& part : condition.as_list().items)
        add_conditions(plan, part);
  }
}

Cursor run_plan(Connection& db, const Plan& plan) {
  Cursor rows =
      db.query_once(str("SELECT seq, skeleton, ", db.has_sums ? "sum" : "NULL",
                        ", id FROM documents", plan.where, " ORDER BY seq"),
                    true);
  for (std::size_t i = 0; i < plan.arguments.size(); ++i) {
    int index = static_cast<int>(i) + 1;
    if (auto* text = std::get_if<std::string>(&plan.arguments[i]))
      rows.bind(index, *text);
  }
  return rows;
}

// Calls take(seq, id, document, placeholders) for each match, in order, until
// it returns false.
template <class Take>
void for_each_match(Connection& db, const Plan& plan, const Take& take) {
  TensorStore store(db);
  Cursor rows = run_plan(db, plan);
  while (rows.step()) {
    std::int64_t seq = rows.integer(0);
    Placeholders placeholders;
    std::string id(rows.text(3));
    LazyTensors tensors(store, seq, id, placeholders);
    Value document = parse_document(db, rows, id, tensors);
    if (!plan.query.matches(document)) continue;
    if (!take(seq, id, std::move(document), std::move(placeholders))) return;
  }
}

struct Match {
  std::string id;
  std::vector<Value> keys;
  Value document;
  Placeholders placeholders;
};

std::vector<Match> collect(Connection& db, const Plan& plan, const Sort& sort,
                           const Projection& projection, std::size_t enough) {
  std::vector<Match> matches;
  if (enough == 0) return matches;
  for_each_match(db, plan,
                 [&](std::int64_t seq, std::string& id, Value document,
                     Placeholders placeholders) {
                   auto keys = sort.keys(document, seq);
                   matches.push_back({std::move(id), std::move(keys),
                                      projection.apply(std::move(document)),
                                      std::move(placeholders)});
                   return matches.size() < enough;
                 });
  return matches;
}

}  // namespace

Plan::Plan(const Value& value) : query(value) { add_conditions(*this, value); }

std::vector<Value> find_documents(Connection& db, const Value& query,
                                  const FindOptions& options) {
  const Plan plan(query);
  const Projection projection(options.projection);
  const Sort sort(options.sort);
  if (options.skip < 0 || options.limit.value_or(0) < 0)
    fail(Kind::kValue, "find", "skip and limit are not negative");
  const auto skip = static_cast<std::size_t>(options.skip);
  const std::size_t all = std::numeric_limits<std::size_t>::max();
  const std::size_t limit =
      options.limit ? static_cast<std::size_t>(*options.limit) : all;
  std::size_t enough = sort.empty() && limit < all - skip && limit > 0
                           ? skip + limit
                       : limit == 0 ? 0
                                    : all;
  std::vector<Match> matches = collect(db, plan, sort, projection, enough);
  if (!sort.empty())
    std::stable_sort(matches.begin(), matches.end(),
                     [&](const Match& a, const Match& b) {
                       return sort.less(a.keys, b.keys);
                     });
  TensorStore store(db);
  std::vector<Value> out;
  for (std::size_t i = skip; i < matches.size() && i - skip < limit; ++i) {
    matches[i].placeholders.fill(matches[i].document, matches[i].id, store);
    out.push_back(std::move(matches[i].document));
  }
  return out;
}

std::vector<std::string> find_ids(Connection& db, const Value& query) {
  std::vector<std::string> ids;
  for_each_match(
      db, Plan(query),
      [&](std::int64_t, std::string& id, const Value&, const Placeholders&) {
        ids.push_back(std::move(id));
        return true;
      });
  return ids;
}

}  // namespace ptutils::detail
