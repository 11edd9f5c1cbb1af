#include "ptutils/formats/detail/npy_format.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "ptutils/formats/detail/not_held.h"
#include "ptutils/formats/detail/tensor_io.h"
#include "ptutils/formats/detail/where.h"

namespace ptutils::detail {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kAlignment = 64;

constexpr std::pair<DType, std::string_view> kDescriptions[] = {
    {DType::kBool, "|b1"}, {DType::kU8, "|u1"},    {DType::kU16, "<u2"},
    {DType::kU32, "<u4"},  {DType::kU64, "<u8"},   {DType::kI8, "|i1"},
    {DType::kI16, "<i2"},  {DType::kI32, "<i4"},   {DType::kI64, "<i8"},
    {DType::kF16, "<f2"},  {DType::kF32, "<f4"},   {DType::kF64, "<f8"},
    {DType::kC64, "<c8"},  {DType::kC128, "<c16"}, {DType::kBF16, "<u2"},
};

DType dtype_of_description(std::string_view text, std::string_view prefix) {
  std::string_view type = text;
  const char order = text.empty() ? '\0' : text.front();
  if (order == '<' || order == '|' || order == '=' || order == '>')
    type.remove_prefix(1);
  for (const auto& [dtype, description] : kDescriptions)
    if (description.substr(1) == type) return dtype;
  const auto shown = text.substr(0, 40);
  const char kind = type.empty() ? '\0' : type.front();
  if (kind == 'O')
    not_held(prefix, "an array of Python objects ('", shown,
             "'), which would run code; save it as numbers");
  if (kind == 'U' || kind == 'S')
    not_held(prefix, "an array of text ('", shown,
             "'); save texts as a list, a.tolist(), with pt.save");
  if (kind == 'M' || kind == 'm')
    not_held(prefix, "an array of dates ('", shown,
             "'); save it as a.astype('int64')");
  not_held(prefix, "an array of dtype '", shown,
           "', which has no tensor; save it as one of bool, u8-u64, i8-i64, "
           "f16-f64, c64, c128");
}

/// Of each number; a complex one is two.
void swap_bytes(const Tensor& tensor) {
  std::size_t size = item_size(tensor.dtype());
  if (is_complex(tensor.dtype())) size /= 2;
  std::byte* end = tensor.bytes() + tensor.nbytes();
  for (std::byte* at = tensor.bytes(); at != end; at += size)
    std::reverse(at, at + size);
}

/// The header is a Python literal: a dict of a text, a bool and a tuple.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string_view prefix)
      : text_(text), prefix_(prefix) {}

  void parse(NpyHeader& header) {
    bool seen[3] = {};
    expect('{');
    while (!accept('}')) {
      const std::string_view key = text();
      const int index = key == "descr"           ? 0
                        : key == "fortran_order" ? 1
                        : key == "shape"         ? 2
                                                 : -1;
      if (index < 0 || seen[index]) bad("the key '", key.substr(0, 40), "'");
      seen[index] = true;
      expect(':');
      if (index == 0)
        header.dtype = description(header.swapped);
      else if (index == 1)
        header.fortran = truth();
      else
        header.shape = shape();
      if (accept('}')) break;
      expect(',');
    }
    if (!seen[0] || !seen[1] || !seen[2]) bad("a missing key");
    padding(header);
  }

 private:
  template <class... Parts>
  [[noreturn]] void bad(const Parts&... parts) {
    malformed(prefix_, "the .npy header has ", parts...);
  }

  void blanks() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool accept(char c) {
    blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) bad("no '", c, "' at byte ", at_);
  }
  bool accept_word(std::string_view word) {
    blanks();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  std::string_view text() {
    const char quote = accept('"') ? '"' : '\'';
    if (quote == '\'') expect('\'');
    const std::size_t end = text_.find(quote, at_);
    if (end == text_.npos) bad("a text without end");
    const auto out = text_.substr(at_, end - at_);
    at_ = end + 1;
    return out;
  }

  DType description(bool& swapped) {
    blanks();
    if (at_ < text_.size() && text_[at_] == '[')
      malformed(prefix_,
                "an array of structures; save each field as its own array");
    const std::string_view type = text();
    swapped = type.starts_with('>');
    return dtype_of_description(type, prefix_);
  }

  bool truth() {
    if (accept_word("True")) return true;
    if (accept_word("False")) return false;
    bad("a fortran_order that is no bool");
  }

  Dims shape() {
    Dims out;
    expect('(');
    while (!accept(')')) {
      blanks();
      std::int64_t size = 0;
      const char* begin = text_.data() + at_;
      auto [end, error] =
          std::from_chars(begin, text_.data() + text_.size(), size);
      if (error != std::errc() || size < 0) bad("an impossible size");
      at_ += static_cast<std::size_t>(end - begin);
      accept('L');  // Python 2
      out.push_back(size);
      if (accept(')')) break;
      expect(',');
    }
    return out;
  }

  void padding(NpyHeader& header) {
    blanks();
    header.marked = accept('\t');
    accept('\n');
    blanks();
    if (at_ != text_.size()) bad("more than a dict, at byte ", at_);
  }

  std::string_view text_;
  std::string_view prefix_;
  std::size_t at_ = 0;
};

std::size_t little_endian(std::string_view bytes) {
  std::size_t out = 0;
  for (std::size_t i = bytes.size(); i-- > 0;)
    out = out << 8 | static_cast<unsigned char>(bytes[i]);
  return out;
}

}  // namespace

bool is_npy(std::string_view bytes) { return bytes.starts_with(kMagic); }

NpyHeader parse_npy_header(std::string_view bytes, std::string_view prefix) {
  if (!is_npy(bytes)) malformed(prefix, "no .npy header at byte 0");
  const int major = bytes.size() > 6 ? bytes[6] : 0;
  if (bytes.size() < 12) malformed(prefix, "truncated in the .npy header");
  if (major < 1 || major > 3 || bytes[7] != 0)
    malformed(prefix, "version ", major, ".", static_cast<int>(bytes[7]),
              " of the .npy format; 1.0 to 3.0 are known");
  const std::size_t begin = major == 1 ? 10 : 12;
  const std::size_t length = little_endian(bytes.substr(8, begin - 8));
  if (length > bytes.size() - begin)
    malformed(prefix, "truncated: a header of ", length, " bytes, ",
              bytes.size() - begin, " are there");
  NpyHeader header;
  HeaderParser(bytes.substr(begin, length), prefix).parse(header);
  header.data_offset = begin + length;
  header.data_bytes = data_bytes(header.shape, header.dtype, prefix);
  return header;
}

NpyHeader parse_npy(std::string_view bytes, std::string_view prefix) {
  NpyHeader header = parse_npy_header(bytes, prefix);
  if (header.data_bytes > bytes.size() - header.data_offset)
    malformed(prefix, "truncated: the shape wants ", header.data_bytes,
              " bytes, ", bytes.size() - header.data_offset, " are there");
  return header;
}

Tensor npy_tensor(const std::shared_ptr<Storage>& storage, std::size_t offset,
                  const NpyHeader& header, std::string_view prefix) {
  Dims shape = header.shape;
  if (header.fortran) std::reverse(shape.begin(), shape.end());
  Tensor tensor = tensor_at(storage, header.dtype, std::move(shape),
                            offset + header.data_offset, prefix);
  if (header.swapped) {
    tensor = tensor.clone();
    swap_bytes(tensor);
  }
  if (header.fortran) {
    Dims reversed;
    for (std::int64_t d = tensor.dim(); d-- > 0;) reversed.push_back(d);
    tensor = tensor.permute(reversed);
  }
  tensor.origin = Origin::kNumpy;
  return tensor;
}

std::string npy_header(DType dtype, const Dims& shape, bool marked) {
  std::string text = "{'descr': '";
  for (const auto& [known, description] : kDescriptions)
    if (known == dtype) text += description;
  text += "', 'fortran_order': False, 'shape': (";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ' ';
    append(text, shape[i]);
    if (i == 0 || i + 1 < shape.size()) text += ',';
  }
  text += "), }";
  const std::size_t used = kMagic.size() + 4 + text.size() + 2;
  text.append((kAlignment - used % kAlignment) % kAlignment, ' ');
  text += marked ? '\t' : ' ';
  text += '\n';
  std::string out(kMagic);
  out += {1, 0, static_cast<char>(text.size() & 255),
          static_cast<char>(text.size() >> 8)};
  return out + text;
}

}  // namespace ptutils::detail
