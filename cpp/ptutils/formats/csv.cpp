#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "ptutils/common/file.h"
#include "ptutils/formats/detail/codecs.h"
#include "ptutils/formats/detail/text_coding.h"
#include "ptutils/formats/detail/where.h"

// RFC 4180: a line of names, then rows. Text is quoted, numbers are not, so
// that a column has the type that it had: int64, float64, bool or text.
namespace ptutils::detail {

namespace {

struct Field {
  std::string text;
  bool quoted = false;
};
using Row = std::vector<Field>;

/// Rows of a text, one at a time.
class Rows {
 public:
  Rows(std::string_view text, std::string_view prefix)
      : rest_(text), prefix_(prefix) {
    if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
  }
  std::size_t line() const { return line_; }

  bool next(Row& row) {
    row.clear();
    if (rest_.empty()) return false;
    line_ = next_line_;
    do row.push_back(field());
    while (take(','));
    take('\r');
    if (!take('\n') && !rest_.empty())
      malformed(prefix_, "line ", next_line_,
                ": text behind a closing quote; inside quotes a quote is \"\"");
    ++next_line_;
    return true;
  }

 private:
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  Field field() {
    Field out;
    if (!take('"')) {
      const auto end = std::min(rest_.find_first_of(",\r\n"), rest_.size());
      out.text = rest_.substr(0, end);
      rest_.remove_prefix(end);
      return out;
    }
    out.quoted = true;
    for (;;) {
      const auto end = rest_.find('"');
      if (end == std::string_view::npos)
        malformed(prefix_, "line ", line_, ": a quote that never ends");
      out.text += rest_.substr(0, end);
      for (char c : rest_.substr(0, end)) next_line_ += c == '\n' ? 1 : 0;
      rest_.remove_prefix(end + 1);
      if (!take('"')) return out;
      out.text += '"';
    }
  }

  std::string_view rest_;
  std::string_view prefix_;
  std::size_t line_ = 1, next_line_ = 1;
};

template <class T>
bool parse_number(const Field& field, T& out) {
  if (field.quoted || field.text.empty()) return false;
  std::string_view text = field.text;
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), out);
  if (end != text.data() + text.size()) return false;
  if constexpr (std::is_same_v<T, double>)
    if (error == std::errc::result_out_of_range)
      out = std::strtod(field.text.c_str(), nullptr);  // infinite, or 0
  return error == std::errc() || std::is_same_v<T, double>;
}

/// A missing number is NaN, as pandas has it.
bool parse_float(const Field& field, double& out) {
  if (field.quoted) return false;
  if (field.text.empty()) {
    out = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  // An id of more digits than a float holds stays the text that it is.
  constexpr std::size_t kDigits = 15;
  const bool whole =
      field.text.size() > kDigits &&
      field.text.find_first_not_of("+-0123456789") == std::string::npos;
  return !whole && parse_number(field, out);
}

bool parse_bool(const Field& field, bool& out) {
  if (field.quoted) return false;
  const std::string& t = field.text;
  out = t == "True" || t == "true" || t == "TRUE";
  return out || t == "False" || t == "false" || t == "FALSE";
}

/// The column as an array when every field is of its type.
template <class T, class Parse>
bool as_array(const std::vector<Field>& column, Parse parse, Value& out) {
  Tensor array =
      Tensor::empty({static_cast<std::int64_t>(column.size())}, dtype_of<T>);
  T* at = array.data<T>();
  for (const Field& field : column)
    if (!parse(field, *at++)) return false;
  array.origin = Origin::kNumpy;
  out = std::move(array);
  return true;
}

/// A file without a line of names loses its first row else: numbers are names
/// only where they are quoted, or count the columns (0, 1, 2, …).
void check_names(const Row& names, std::string_view where) {
  double number = 0;
  std::int64_t counted = 0;
  bool count = true;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].text.empty() || !parse_float(names[i], number)) return;
    count = count && parse_number(names[i], counted) &&
            counted == static_cast<std::int64_t>(i);
  }
  if (!count)
    malformed(where, "line 1 is of numbers (", names[0].text,
              ", …), where the names of the columns are wanted; put a line of "
              "names before it, or quote them");
}

Value typed(std::vector<Field>& column) {
  Value out;
  if (!column.empty() &&
      (as_array<std::int64_t>(column, parse_number<std::int64_t>, out) ||
       as_array<double>(column, parse_float, out) ||
       as_array<bool>(column, parse_bool, out)))
    return out;
  List texts;
  for (Field& field : column) texts.items.push_back(std::move(field.text));
  return texts;
}

void quote(std::string& out, std::string_view text) {
  out += '"';
  for (char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

/// One column, checked to be what a CSV gives back.
class Column {
 public:
  Column(const Key& key, const Value& value, const std::string& prefix)
      : where_(str(prefix, "'", to_string(key), "'")) {
    if (!std::holds_alternative<std::string>(key))
      refuse(where_, " is no text, as names of columns are");
    if (!valid_utf8(std::get<std::string>(key)))
      refuse(where_, " is not UTF-8");
    value.is_tensor() ? take(value.as_tensor()) : take(value);
    if (size_ == 0)
      refuse(where_, " is empty, and a CSV would not tell of what type");
  }
  std::size_t size() const { return size_; }

  void write(std::size_t row, std::string& out) const {
    if (texts_) return quote(out, texts_->items[row].as_string());
    if (array_.dtype() == DType::kBool)
      out += array_.data<bool>()[row] ? "True" : "False";
    else if (array_.dtype() == DType::kI64)
      out += str(array_.data<std::int64_t>()[row]);
    else
      write_double(array_.data<double>()[row], out);
  }

 private:
  void take(const Tensor& tensor) {
    const DType dtype = tensor.dtype();
    if (tensor.dim() != 1 || tensor.origin != Origin::kNumpy ||
        (dtype != DType::kI64 && dtype != DType::kF64 && dtype != DType::kBool))
      refuse(
          where_, " is a ", origin_text(tensor.origin), " of ", name(dtype),
          tensor.shape_str(),
          "; a CSV keeps NumPy arrays of one dimension, of int64, float64 or "
          "bool: convert it (.astype), or choose another format");
    array_ = tensor.to_contiguous();
    size_ = static_cast<std::size_t>(tensor.numel());
    if (dtype == DType::kF64) check_nans();
  }
  void take(const Value& value) {
    if (!value.is_list() || value.as_list().tuple)
      refuse(where_, " is of type ", value.type_name(),
             "; a CSV holds columns: arrays, or lists of text");
    texts_ = &value.as_list();
    size_ = texts_->items.size();
    for (const Value& item : texts_->items)
      if (!item.is_string() || !valid_utf8(item.as_string()))
        refuse(where_, " holds ", item.repr(40),
               "; a list of a CSV is of text alone, numbers come in arrays");
  }
  void check_nans() const {
    const auto plain =
        std::bit_cast<std::uint64_t>(std::numeric_limits<double>::quiet_NaN());
    for (std::size_t i = 0; i < size_; ++i) {
      const double x = array_.data<double>()[i];
      if (std::isnan(x) && std::bit_cast<std::uint64_t>(x) != plain)
        refuse(where_, " has a NaN of another payload than the usual one");
    }
  }
  static std::string_view origin_text(Origin origin) {
    return origin == Origin::kNumpy   ? "NumPy array"
           : origin == Origin::kTorch ? "torch tensor"
                                      : "native tensor";
  }
  static void write_double(double x, std::string& out) {
    if (std::isfinite(x))
      out += double_text(x);
    else
      out += std::isnan(x) ? "nan" : x > 0 ? "inf" : "-inf";
  }

  std::string where_;
  const List* texts_ = nullptr;
  Tensor array_;
  std::size_t size_ = 0;
};

class CsvCodec : public Codec {
 public:
  std::string name() const override { return "csv"; }
  std::vector<std::string> suffixes() const override { return {".csv"}; }
  bool recognises(std::string_view, std::size_t) const override {
    return false;
  }

  Value read(const std::filesystem::path& path,
             const ReadOptions&) const override {
    const std::string where = prefix("csv", path);
    const std::string text = read_file(path);
    if (!valid_utf8(text)) malformed(where, "is not UTF-8");
    Rows rows(text, where);
    Row names, row;
    Dict out;
    if (!rows.next(names)) return out;
    check_names(names, where);
    std::vector<std::vector<Field>> columns(names.size());
    while (rows.next(row)) {
      const bool blank = row.size() == 1 && row[0].text.empty();
      if (blank && !row[0].quoted && names.size() > 1) continue;
      if (row.size() != names.size())
        malformed(where, "line ", rows.line(), " has ", row.size(),
                  " fields, the first line ", names.size());
      for (std::size_t i = 0; i < row.size(); ++i)
        columns[i].push_back(std::move(row[i]));
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (out.contains(names[i].text))
        malformed(where, "the column '", names[i].text, "' is there twice");
      out.set(names[i].text, typed(columns[i]));
    }
    return out;
  }

  void write(const std::filesystem::path& path, const Value& value,
             const WriteOptions& options) const override {
    const std::string where = prefix("csv", path);
    if (!value.is_dict() || value.as_dict().kind != DictKind::kPlain)
      refuse(where, "a CSV holds a plain dict of columns, not this ",
             value.summary());
    std::string text;
    std::vector<Column> columns;
    for (const auto& [key, item] : value.as_dict()) {
      columns.emplace_back(key, item, where);
      if (columns.back().size() != columns.front().size())
        refuse(where, "'", to_string(key), "' has ", columns.back().size(),
               " rows, the first column ", columns.front().size());
      if (columns.size() > 1) text += ',';
      quote(text, std::get<std::string>(key));
    }
    if (!columns.empty()) text += '\n';
    for (std::size_t row = 0; !columns.empty() && row < columns[0].size();
         ++row)
      for (std::size_t i = 0; i < columns.size(); ++i) {
        columns[i].write(row, text);
        text += i + 1 < columns.size() ? ',' : '\n';
      }
    write_file(path, std::as_bytes(std::span(text)), options.durable);
  }
};

}  // namespace

std::shared_ptr<Codec> csv_codec() { return std::make_shared<CsvCodec>(); }

}  // namespace ptutils::detail
