#include <simdjson.h>

#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "ptutils/formats/detail/text_coding.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/json_text.h"

namespace ptutils {

namespace {

/// "line 3, column 7" of a byte.
std::string position_of(std::string_view text, std::size_t byte) {
  byte = std::min(byte, text.size());
  std::size_t line = 1;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < byte; ++i)
    if (text[i] == '\n') {
      ++line;
      begin = i + 1;
    }
  return str("line ", line, ", column ",
             std::max<std::size_t>(1, byte - begin));
}

// What NaN and Infinity, which JSON lacks and Python's json writes, become for
// the tokenizer: zeros that nobody writes.
constexpr std::string_view kNaN = "0e4000000001";
constexpr std::string_view kInfinite = "0e4000000002";

constexpr std::string_view kBlanks = " \t\r\n";

constexpr std::size_t kMostOfError = 300;

/// The text with those words, where a value may stand, as those numbers.
std::string without_words(std::string_view text) {
  const auto one_of = [](std::string_view set, char c) {
    return set.find(c) != set.npos;
  };
  std::string out;
  bool quoted = false;
  char before = ',';  // the last that is no blank
  const auto stands = [&](std::string_view word, std::size_t i) {
    if (!text.substr(i).starts_with(word)) return false;
    const std::size_t end = i + word.size();
    return end == text.size() || one_of(",]} \t\r\n", text[end]);
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool begins = !quoted && one_of(",:[", before);
    const bool negative = !quoted && i > 0 && text[i - 1] == '-';
    if (begins && stands("NaN", i)) {
      out += kNaN;
      i += 2;
    } else if ((begins || negative) && stands("Infinity", i)) {
      out += kInfinite;
      i += 7;
    } else {
      out += c;
      if (quoted && c == '\\' && i + 1 < text.size()) out += text[++i];
      if (c == '"') quoted = !quoted;
    }
    if (!one_of(kBlanks, c)) before = c;
  }
  return out;
}

/// The tokenizer's events, made straight into a Value: nlohmann's own document
/// would lose big integers and grow quadratically with its keys.
class Builder {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  Builder(std::string_view text, std::string where, int max_depth)
      : text_(text), where_(std::move(where)), max_depth_(max_depth) {}

  bool null() { return add(nullptr); }
  bool boolean(bool v) { return add(v); }
  bool number_integer(number_integer_t v) { return add(v); }
  bool number_unsigned(number_unsigned_t v) {
    if (v <= INT64_MAX) return add(static_cast<std::int64_t>(v));
    return add(BigInt{std::to_string(v)});
  }
  bool number_float(number_float_t v, const string_t& digits) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (digits == kNaN) return add(std::numeric_limits<double>::quiet_NaN());
    if (digits.ends_with(kInfinite))
      return add(digits.front() == '-' ? -kInfinity : kInfinity);
    if (digits.find_first_of(".eE") == string_t::npos)
      return add(BigInt{digits});
    double x = 0;
    const char* end = digits.data() + digits.size();
    auto [at, error] = std::from_chars(digits.data(), end, x);
    // Out of range is an underflow here: an infinity was an error before.
    return add(error == std::errc() && at == end ? x : v);
  }
  bool string(string_t& v) { return add(std::move(v)); }
  bool binary(binary_t&) { return false; }

  bool start_object(std::size_t) { return open(Dict()); }
  bool end_object() { return close(); }
  bool start_array(std::size_t) { return open(List()); }
  bool end_array() { return close(); }

  bool key(string_t& name) {
    Frame& frame = frames_.back();
    Dict& dict = frame.container.as_dict();
    const std::size_t before = dict.size();
    frame.slot = &dict[std::string_view(name)];
    if (dict.size() == before)
      detail::malformed(where_, "the key '", name, "' is there twice",
                        inside());
    frame.key = std::move(name);
    return true;
  }

  bool parse_error(std::size_t byte, const std::string& token,
                   const nlohmann::json::exception& error) {
    std::string_view what = error.what();
    if (error.id == 406)
      detail::malformed(where_, position_of(text_, byte), ": the number ",
                        token.substr(0, 40), " is too large for a double");
    // "[json.exception…] parse error at line 1, column 5: syntax error …"
    if (const std::size_t colon = what.find(": "); colon != what.npos)
      what.remove_prefix(colon + 2);
    // It quotes what was read last, however long that is.
    std::size_t end = std::min(what.size(), kMostOfError);
    while (end < what.size() && (what[end] & 0xC0) == 0x80) --end;
    detail::malformed(where_, position_of(text_, byte), ": ",
                      what.substr(0, end), end < what.size() ? "…" : "");
  }

  Value result() { return std::move(result_); }

 private:
  struct Frame {
    Value container;
    Value* slot = nullptr;  // of the last key
    std::string key;        // for messages
  };

  std::string inside() const {
    std::string path;
    for (std::size_t i = 0; i + 1 < frames_.size() && path.size() < 200; ++i) {
      const Frame& frame = frames_[i];
      if (!path.empty()) path += '.';
      path += frame.container.is_dict()
                  ? frame.key
                  : std::to_string(frame.container.as_list().items.size());
    }
    return path.empty() ? path : str(" in '", path, "'");
  }

  bool add(Value value) {
    if (frames_.empty())
      result_ = std::move(value);
    else if (frames_.back().slot)
      *frames_.back().slot = std::move(value);
    else
      frames_.back().container.as_list().items.push_back(std::move(value));
    return true;
  }

  bool open(Value container) {
    if (static_cast<int>(frames_.size()) >= max_depth_)
      detail::malformed(where_, "nested deeper than ", max_depth_, " levels");
    frames_.push_back({std::move(container), nullptr, {}});
    return true;
  }

  bool close() {
    Value done = std::move(frames_.back().container);
    frames_.pop_back();
    return add(std::move(done));
  }

  std::string_view text_;
  std::string where_;
  int max_depth_;
  std::vector<Frame> frames_;
  Value result_;
};

/// simdjson's tape made into a Value; nothing where a key is there twice.
class FastBuilder {
 public:
  std::optional<Value> operator()(simdjson::dom::element root) {
    Value value = build(root);
    if (twice_) return {};
    return value;
  }

 private:
  Value build(simdjson::dom::element element) {
    using Type = simdjson::dom::element_type;
    switch (element.type()) {
      case Type::ARRAY:
        return build_list(element.get_array().value_unsafe());
      case Type::OBJECT:
        return build_dict(element.get_object().value_unsafe());
      case Type::INT64:
        return element.get_int64().value_unsafe();
      case Type::UINT64:  // above the largest int64
        return BigInt{std::to_string(element.get_uint64().value_unsafe())};
      case Type::DOUBLE:
        return element.get_double().value_unsafe();
      case Type::STRING:
        return element.get_string().value_unsafe();
      case Type::BOOL:
        return element.get_bool().value_unsafe();
      case Type::NULL_VALUE:
        break;
    }
    return {};
  }

  Value build_list(simdjson::dom::array array) {
    List out;
    out.items.reserve(array.size());
    for (simdjson::dom::element item : array) out.items.push_back(build(item));
    return out;
  }

  Value build_dict(simdjson::dom::object object) {
    Dict out;
    out.reserve(object.size());
    for (const auto [key, item] : object) {
      const std::size_t before = out.size();
      Value& slot = out[key];
      if (out.size() == before) twice_ = true;
      slot = build(item);
    }
    return out;
  }

  bool twice_ = false;
};

/// Nothing for what only the tokenizer knows: numbers beyond 64 bits, and what
/// is wrong.
std::optional<Value> parse_fast(std::string_view text, int max_depth) {
  simdjson::dom::parser parser;
  if (parser.allocate(text.size(), static_cast<std::size_t>(max_depth)))
    return {};
  simdjson::dom::element root;
  if (parser.parse(text.data(), text.size()).get(root)) return {};
  return FastBuilder()(root);
}

}  // namespace

Value parse_json(std::string_view text, std::string_view where, int max_depth) {
  std::string prefix = detail::prefix("json", where);
  if (text.find_first_not_of(" \t\r\n") == text.npos)
    detail::malformed(prefix, "it is empty");
  // To the tokenizer the end of the text, whatever follows.
  if (const std::size_t nul = text.find('\0'); nul != text.npos)
    detail::malformed(prefix, position_of(text, nul + 1), ": a NUL character");
  if (auto value = parse_fast(text, max_depth)) return std::move(*value);
  std::string words;
  if (text.find("NaN") != text.npos || text.find("Infinity") != text.npos) {
    words = without_words(text);
    text = words;
  }
  Builder builder(text, std::move(prefix), max_depth);
  nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return builder.result();
}

}  // namespace ptutils
