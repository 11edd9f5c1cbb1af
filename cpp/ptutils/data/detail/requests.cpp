#include "ptutils/data/detail/requests.h"

namespace ptutils::data::detail {

const Value& Requests::of(std::int64_t batch) const {
  const Value* found = &now;
  for (const auto& [from, value] : coming)
    if (from <= batch) found = &value;
  return *found;
}

void Requests::add(std::int64_t given, std::int64_t batch, Value value) {
  while (!coming.empty() && coming.front().first <= given) {
    now = std::move(coming.front().second);
    coming.erase(coming.begin());
  }
  if (!coming.empty() && coming.back().first >= batch) coming.pop_back();
  if (batch <= given)
    now = std::move(value);
  else
    coming.emplace_back(batch, std::move(value));
}

void Requests::end_epoch() {
  now = last();
  coming.clear();
}

Value Requests::state() const {
  if (now.is_null() && coming.empty()) return {};
  List later;
  for (const auto& [batch, value] : coming)
    later.items.push_back(Value::list({Value(batch), value}));
  return Dict{{"now", now}, {"coming", std::move(later)}};
}

void Requests::load(const Value& state) {
  *this = {};
  if (state.is_null()) return;
  const Dict& d = state.as_dict("requests");
  now = d.at("now");
  for (const Value& item : d.at("coming").as_list("requests").items) {
    const auto& pair = item.as_list("requests").items;
    if (pair.size() != 2)
      fail(Kind::kValue, "requests", "'coming' has pairs, not ", item.repr(60));
    coming.emplace_back(pair[0].as_int(), pair[1]);
  }
}

}  // namespace ptutils::data::detail
