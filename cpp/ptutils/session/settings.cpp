#include "ptutils/session/settings.h"

#include <array>

#include "ptutils/module/configuration.h"

namespace ptutils {

namespace {

std::int64_t count(const Dict& dict, std::string_view key,
                   std::string_view where, std::int64_t fallback,
                   std::int64_t least) {
  const Value* found = dict.find(key);
  if (!found || found->is_null()) return fallback;
  std::string path = str(where, ".", key);
  std::int64_t n = found->as_int(path);
  if (n < least)
    fail(Kind::kValue, path, "is ", n, "; it must be at least ", least);
  return n;
}

Dict dict_or_empty(const Value& value, std::string_view where) {
  return value.is_null() ? Dict() : value.as_dict(where);
}

void read_best(const Value& value, SessionSettings& out) {
  const std::string where = "save_params.keep_best";
  if (value.is_string()) {
    out.keep_best = value.as_string();
    out.best_is_largest = is_best_large(out.keep_best);
    return;
  }
  const Dict& dict = value.as_dict(where);
  check_keys(dict, {"metric", "mode"}, where);
  out.keep_best = dict.at("metric").as_string(where + ".metric");
  out.best_is_largest = is_best_large(out.keep_best);
  if (const Value* mode = dict.find("mode")) {
    const std::string& text = mode->as_string(where + ".mode");
    if (text != "max" && text != "min")
      fail(Kind::kValue, where + ".mode", "is 'max' or 'min', not '", text,
           "'");
    out.best_is_largest = text == "max";
  }
}

}  // namespace

void check_exp_id(std::string_view name) {
  constexpr std::size_t kMost = 200;
  constexpr std::string_view kWhere = "Session";
  if (name.empty()) fail(Kind::kValue, kWhere, "exp_id must not be empty");
  std::size_t characters = 0;
  unsigned char before = 0;
  for (char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_c1 = before == 0xC2 && byte < 0xA0;  // U+0080 to U+009F
    if (byte < 0x20 || byte == 0x7F || is_c1)
      fail(Kind::kValue, kWhere, "exp_id ", Value(name).repr(60),
           " has a control character, which no terminal should be sent");
    characters += (byte & 0xC0) != 0x80;
    before = byte;
  }
  if (name.front() == ' ' || name.back() == ' ')
    fail(Kind::kValue, kWhere, "exp_id ", Value(name).repr(60),
         " begins or ends with a space: leave it out");
  if (characters > kMost)
    fail(Kind::kValue, kWhere, "exp_id ", Value(name).repr(60), " has ",
         characters, " characters; at most ", kMost);
}

bool is_best_large(std::string_view metric) {
  constexpr std::array<std::string_view, 6> kSmall = {
      "loss", "error", "mse", "mae", "perplexity", "nll"};
  auto last = metric.substr(metric.rfind('/') + 1);
  for (std::string_view word : kSmall)
    if (last.find(word) != std::string_view::npos) return false;
  return true;
}

SessionSettings SessionSettings::read(const Value& train,
                                      const Value& validation,
                                      const Value& save) {
  SessionSettings out;
  Dict t = dict_or_empty(train, "train_params");
  check_keys(t, {"num_epochs", "num_steps"}, "train_params");
  out.num_epochs = count(t, "num_epochs", "train_params", 0, 1);
  out.num_steps = count(t, "num_steps", "train_params", 0, 1);
  if (out.num_epochs == 0 && out.num_steps == 0) out.num_epochs = 1;

  for (const auto& [key, value] :
       dict_or_empty(validation, "validation_params")) {
    Validation one;
    one.phase = to_string(key);
    std::string where = "validation_params." + one.phase;
    Dict v = dict_or_empty(value, where);
    check_keys(v, {"every"}, where);
    if (const Value* every = v.find("every"))
      one.every = Interval::parse(*every, where + ".every");
    out.validations.push_back(std::move(one));
  }

  Dict s = dict_or_empty(save, "save_params");
  check_keys(s, {"every", "keep_last", "keep_best"}, "save_params");
  if (const Value* every = s.find("every"); every && !every->is_null())
    out.save_every = Interval::parse(*every, "save_params.every");
  out.keep_last = count(s, "keep_last", "save_params", 2, 1);
  if (const Value* best = s.find("keep_best"); best && !best->is_null()) {
    read_best(*best, out);
    if (out.keep_best.empty())
      fail(Kind::kValue, "save_params.keep_best",
           "is empty; name a metric, such as val/accuracy, or leave it out");
  }
  return out;
}

}  // namespace ptutils
