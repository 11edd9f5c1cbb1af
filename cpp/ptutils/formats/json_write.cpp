#include <cmath>

#include "ptutils/formats/detail/json_string.h"
#include "ptutils/formats/detail/path.h"
#include "ptutils/formats/detail/text_coding.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/json_text.h"

namespace ptutils {

namespace detail {

void append_json_string(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  std::size_t done = 0;  // of the text; what needs no escape goes out in runs
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\' &&
        c != 0x7F)
      continue;
    out.append(text, done, i - done);
    done = i + 1;
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out += "\\u00";
        out += kHex[static_cast<unsigned char>(c) >> 4];
        out += kHex[c & 15];
    }
  }
  out.append(text, done);
  out += '"';
}

}  // namespace detail

namespace {

class Writer {
 public:
  Writer(int indent, std::string_view where)
      : indent_(indent), where_(detail::prefix("json", where)) {}

  void write(const Value& value) {
    using Type = Value::Type;
    switch (value.type()) {
      case Type::kNull:
        out_ += "null";
        return;
      case Type::kBool:
        out_ += value.as_bool() ? "true" : "false";
        return;
      case Type::kInt:
        detail::append(out_, value.as_int());
        return;
      case Type::kBigInt:
        out_ += value.as_bigint().digits;
        return;
      case Type::kDouble:
        write_double(value.as_double());
        return;
      case Type::kString:
        write_string(value.as_string());
        return;
      case Type::kList:
        write_list(value.as_list());
        return;
      case Type::kDict:
        write_dict(value.as_dict());
        return;
      default:
        detail::refuse(where_, path_.quoted(), ": JSON has no ",
                       value.type_name());
    }
  }

  std::string take() { return std::move(out_); }

 private:
  void write_double(double x) {
    if (!std::isfinite(x))
      detail::refuse(where_, path_.quoted(), ": JSON has no ", x);
    out_ += detail::double_text(x);
  }

  void write_string(const std::string& text) {
    if (!detail::valid_utf8(text))
      detail::refuse(where_, path_.quoted(), ": the text is not UTF-8");
    detail::append_json_string(out_, text);
  }

  void enter(char bracket) {
    if (path_.depth() >= static_cast<std::size_t>(kMaxSkeletonDepth))
      detail::refuse(where_, "nested deeper than ", kMaxSkeletonDepth,
                     " levels");
    out_ += bracket;
  }

  void new_line(std::size_t depth) {
    if (indent_ <= 0) return;
    out_ += '\n';
    out_.append(depth * static_cast<std::size_t>(indent_), ' ');
  }

  void write_list(const List& list) {
    enter('[');
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out_ += ',';
      new_line(path_.depth() + 1);
      detail::Step step(path_, i);
      write(list.items[i]);
    }
    if (!list.items.empty()) new_line(path_.depth());
    out_ += ']';
  }

  void write_dict(const Dict& dict) {
    enter('{');
    bool first = true;
    for (const auto& [key, value] : dict) {
      if (!first) out_ += ',';
      first = false;
      new_line(path_.depth() + 1);
      detail::Step step(path_, key);
      auto* text = std::get_if<std::string>(&key);
      if (!text)
        detail::refuse(where_, path_.quoted(), ": a key in JSON is text");
      write_string(*text);
      out_ += indent_ > 0 ? ": " : ":";
      write(value);
    }
    if (!dict.empty()) new_line(path_.depth());
    out_ += '}';
  }

  int indent_;
  std::string where_;
  std::string out_;
  detail::Path path_;
};

}  // namespace

std::string to_json(const Value& value, int indent, std::string_view where) {
  Writer writer(indent, where);
  writer.write(value);
  return writer.take();
}

}  // namespace ptutils
