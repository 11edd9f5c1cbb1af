#include <charconv>
#include <cmath>
#include <cstdio>

#include "ptutils/module/value.h"

namespace ptutils {
namespace {

std::string number_text(double v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  // As Python does: 0.0005 is shorter to read than 5e-04.
  const double size = std::abs(v);
  char text[32];
  const char* end =
      size >= 1e-4 && size < 1e16
          ? std::to_chars(text, text + sizeof text, v, std::chars_format::fixed)
                .ptr
          : std::to_chars(text, text + sizeof text, v).ptr;
  std::string out(static_cast<const char*>(text), end);
  if (out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

/// Writes one value; stops soon after `limit` characters.
class Writer {
 public:
  explicit Writer(std::size_t limit) : limit_(limit) {}

  void write(const Value& v) {
    switch (v.type()) {
      case Value::Type::kNull:
        out += "null";
        return;
      case Value::Type::kBool:
        out += v.as_bool() ? "true" : "false";
        return;
      case Value::Type::kInt:
        out += str(v.as_int());
        return;
      case Value::Type::kDouble:
        out += number_text(v.as_double());
        return;
      case Value::Type::kComplex:
        complex(v.as_complex());
        return;
      case Value::Type::kString:
        quoted(v.as_string(), false);
        return;
      case Value::Type::kBytes:
        out += 'b';
        quoted(v.as_bytes().data, true);
        return;
      case Value::Type::kBigInt:
        out += v.as_bigint().digits;
        return;
      case Value::Type::kTime:
        time(v.as_time());
        return;
      case Value::Type::kTensor:
        tensor(v.as_tensor());
        return;
      case Value::Type::kList:
        list(v.as_list());
        return;
      case Value::Type::kDict:
        dict(v.as_dict());
        return;
      case Value::Type::kOpaque:
        out += '<';
        if (v.as_opaque()) out += v.as_opaque()->type_name();
        out += '>';
        return;
    }
  }

  std::string out;

 private:
  bool full() const { return out.size() > limit_; }

  void quoted(std::string_view text, bool raw) {
    out += '\'';
    for (char c : text) {
      if (full()) return;
      auto byte = static_cast<unsigned char>(c);
      if (c == '\\' || c == '\'') {
        out += '\\';
        out += c;
      } else if (c == '\n') {
        out += "\\n";
      } else if (c == '\t') {
        out += "\\t";
      } else if (byte < 0x20 || byte == 0x7f || (raw && byte >= 0x80)) {
        char hex[8];
        std::snprintf(hex, sizeof hex, "\\x%02x", byte);
        out += hex;
      } else {
        out += c;
      }
    }
    out += '\'';
  }

  void complex(std::complex<double> v) {
    std::string imaginary = str(v.imag());
    out += '(' + str(v.real());
    if (imaginary[0] != '-') out += '+';
    out += imaginary + "j)";
  }

  /// ISO 8601; days to a date as in Hinnant, "chrono-compatible low-level date
  /// algorithms" (civil_from_days).
  void time(const Time& t) {
    constexpr std::int64_t kDay = 86400ll * 1000000;
    std::int64_t days = t.microseconds / kDay, left = t.microseconds % kDay;
    if (left < 0) left += kDay, --days;
    days += 719468;
    std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    std::int64_t doe = days - era * 146097;
    std::int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    std::int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    std::int64_t mp = (5 * doy + 2) / 153;
    std::int64_t month = mp < 10 ? mp + 3 : mp - 9;
    std::int64_t year = yoe + era * 400 + (month <= 2 ? 1 : 0);
    auto seconds = static_cast<int>(left / 1000000);
    char text[96];
    std::snprintf(text, sizeof text, "%04lld-%02d-%02dT%02d:%02d:%02d",
                  static_cast<long long>(year), static_cast<int>(month),
                  static_cast<int>(doy - (153 * mp + 2) / 5 + 1),
                  seconds / 3600, seconds / 60 % 60, seconds % 60);
    out += text;
    if (auto micros = static_cast<int>(left % 1000000)) {
      std::snprintf(text, sizeof text, ".%06d", micros);
      out += text;
    }
    if (!t.utc_offset) return;
    std::int64_t offset = *t.utc_offset, size = offset < 0 ? -offset : offset;
    std::snprintf(text, sizeof text, "%c%02d:%02d", offset < 0 ? '-' : '+',
                  static_cast<int>(size / 3600),
                  static_cast<int>(size / 60 % 60));
    out += text;
  }

  void tensor(const Tensor& t) {
    out += str("tensor(", name(t.dtype()), ", ");
    bool real = !is_complex(t.dtype());
    if (t.dim() == 0 && real && is_floating(t.dtype()))
      out += number_text(t.item_f64());
    else if (t.dim() == 0 && real && t.dtype() != DType::kU64)
      out += str(t.item_i64());
    else
      out += t.shape_str();
    out += ')';
  }

  void list(const List& list) {
    out += list.tuple ? '(' : '[';
    bool first = true;
    for (const Value& item : list.items) {
      if (full()) return;
      if (!first) out += ", ";
      first = false;
      write(item);
    }
    if (list.tuple && list.items.size() == 1) out += ',';
    out += list.tuple ? ')' : ']';
  }

  void dict(const Dict& dict) {
    out += '{';
    bool first = true;
    for (const auto& [key, value] : dict) {
      if (full()) return;
      if (!first) out += ", ";
      first = false;
      if (auto* text = std::get_if<std::string>(&key))
        quoted(*text, false);
      else
        out += to_string(key);
      out += ": ";
      write(value);
    }
    out += '}';
  }

  std::size_t limit_;
};

}  // namespace

std::string Value::repr(std::size_t limit) const {
  Writer writer(limit);
  writer.write(*this);
  std::string out = std::move(writer.out);
  if (out.size() <= limit) return out;
  std::size_t cut = limit;
  // Not within a UTF-8 sequence.
  while (cut > 0 && (static_cast<unsigned char>(out[cut]) & 0xc0) == 0x80)
    --cut;
  out.resize(cut);
  return out + "…";
}

std::string Value::summary() const {
  if (is_opaque()) return as_opaque()->type_name();
  if (!is_tensor()) return std::string(type_name());
  const Tensor& t = as_tensor();
  return str("shape ", t.shape_str(), " ", name(t.dtype()));
}

}  // namespace ptutils
