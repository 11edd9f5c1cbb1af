#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "ptutils/formats/detail/core_schema.h"
#include "ptutils/formats/detail/json_string.h"
#include "ptutils/formats/detail/path.h"
#include "ptutils/formats/detail/text_coding.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/yaml_text.h"

namespace ptutils {

namespace {

constexpr std::size_t kLineLength = 76;
constexpr std::size_t kMaxPlainKey = 128;   // the parser wants them below 1 024
constexpr std::size_t kMaxYamlDepth = 490;  // the parser stops at 500

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/// Text that needs no quotes anywhere, for YAML 1.1 readers neither.
bool is_plain(std::string_view text) {
  if (text.empty() || !(is_letter(text[0]) || text[0] == '/')) return false;
  if (text.back() == ' ') return false;
  for (char c : text)
    if (!is_letter(c) && !(c >= '0' && c <= '9') &&
        std::string_view("./+- ").find(c) == std::string_view::npos)
      return false;
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  for (std::string_view word :
       {"yes", "no", "on", "off", "true", "false", "null"})
    if (lower == word) return false;
  return true;
}

/// Quoted, with what YAML does not print as escapes.
std::string in_quotes(std::string_view text) {
  std::string json;
  detail::append_json_string(json, text);
  std::string out;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const std::string_view rest = std::string_view(json).substr(i);
    if (rest[0] == '\xC2' && static_cast<unsigned char>(rest[1]) < 0xA0) {
      constexpr char kHex[] = "0123456789abcdef";
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(rest[1]) >> 4];
      out += kHex[rest[1] & 15];
      i += 1;
    } else if (rest.starts_with("\xE2\x80\xA8")) {
      out += "\\u2028";
      i += 2;
    } else if (rest.starts_with("\xE2\x80\xA9")) {
      out += "\\u2029";
      i += 2;
    } else if (rest.starts_with("\xEF\xBB\xBF")) {
      out += "\\ufeff";
      i += 2;
    } else if (rest.starts_with("\xEF\xBF\xBE")) {
      out += "\\ufffe";
      i += 2;
    } else if (rest.starts_with("\xEF\xBF\xBF")) {
      out += "\\uffff";
      i += 2;
    } else {
      out += rest[0];
    }
  }
  return out;
}

class Writer {
 public:
  explicit Writer(std::string_view where)
      : where_(detail::prefix("yaml", where)) {}

  std::string write(const Value& value) {
    if (auto line = one_line(value))
      out_ = std::move(*line);
    else
      write_block(value, 0);
    if (out_.back() != '\n') out_ += '\n';
    return std::move(out_);
  }

 private:
  static bool is_container(const Value& value) {
    return value.is_list() || value.is_dict();
  }

  std::string scalar(const Value& value) {
    using Type = Value::Type;
    switch (value.type()) {
      case Type::kNull:
        return "null";
      case Type::kBool:
        return value.as_bool() ? "true" : "false";
      case Type::kInt:
        return str(value.as_int());
      case Type::kBigInt:
        return value.as_bigint().digits;
      case Type::kDouble:
        return number(value.as_double());
      case Type::kString:
        return text(value.as_string());
      default:
        break;
    }
    detail::refuse(where_, path_.quoted(), ": YAML has no ", value.type_name());
  }

  std::string number(double x) {
    if (std::isfinite(x)) return detail::double_text(x);
    if (std::isinf(x)) return x > 0 ? ".inf" : "-.inf";
    if (std::bit_cast<std::uint64_t>(x) !=
        std::bit_cast<std::uint64_t>(std::numeric_limits<double>::quiet_NaN()))
      detail::refuse(where_, path_.quoted(), ": YAML keeps no NaN payload");
    return ".nan";
  }

  std::string text(const std::string& value) {
    if (!detail::valid_utf8(value))
      detail::refuse(where_, path_.quoted(), ": the text is not UTF-8");
    return is_plain(value) ? value : in_quotes(value);
  }

  std::string key_text(const Key& key) {
    if (auto* number = std::get_if<std::int64_t>(&key)) return str(*number);
    return text(std::get<std::string>(key));
  }

  /// A scalar, an empty container, or a short list of scalars.
  std::optional<std::string> one_line(const Value& value) {
    if (!is_container(value)) return scalar(value);
    if (value.is_dict())
      return value.as_dict().empty() ? std::optional("{}") : std::nullopt;
    const auto& items = value.as_list().items;
    if (value.as_list().tuple)
      detail::refuse(where_, path_.quoted(), ": YAML has no tuple");
    if (items.size() > kLineLength / 3 ||
        std::any_of(items.begin(), items.end(), is_container))
      return std::nullopt;
    std::string line = "[";
    for (std::size_t i = 0; i < items.size(); ++i) {
      detail::Step step(path_, i);
      if (i > 0) line += ", ";
      line += scalar(items[i]);
      if (line.size() > kLineLength) return std::nullopt;
    }
    return line + "]";
  }

  // The first line goes where the text stands, the others are indented.
  void write_block(const Value& value, std::size_t indent) {
    if (path_.depth() >= kMaxYamlDepth)
      detail::refuse(where_, path_.dotted().substr(0, 80),
                     "...: nested deeper than ", kMaxYamlDepth,
                     " levels, which YAML readers refuse");
    bool first = true;
    auto begin_line = [&] {
      if (!first) out_.append(indent, ' ');
      first = false;
    };
    if (value.is_list()) {
      const auto& items = value.as_list().items;
      for (std::size_t i = 0; i < items.size(); ++i) {
        detail::Step step(path_, i);
        begin_line();
        out_ += "- ";
        write_nested(items[i], indent + 2);
      }
      return;
    }
    for (const auto& [key, item] : value.as_dict()) {
      detail::Step step(path_, key);
      begin_line();
      write_entry(key_text(key), item, indent);
    }
  }

  void write_nested(const Value& value, std::size_t indent) {
    if (auto line = one_line(value))
      out_ += *line + "\n";
    else
      write_block(value, indent);
  }

  void write_entry(const std::string& key, const Value& value,
                   std::size_t indent) {
    if (key.size() > kMaxPlainKey) {
      out_ += "? " + key + "\n";
      out_.append(indent, ' ');
      out_ += ": ";
      write_nested(value, indent + 2);
      return;
    }
    out_ += key + ":";
    if (auto line = one_line(value)) {
      out_ += " " + *line + "\n";
    } else {
      out_ += "\n";
      out_.append(indent + 2, ' ');
      write_block(value, indent + 2);
    }
  }

  std::string where_;
  std::string out_;
  detail::Path path_;
};

}  // namespace

std::string to_yaml(const Value& value, std::string_view where) {
  return Writer(where).write(value);
}

}  // namespace ptutils
