#include "ptutils/data/detail/record_format.h"

#include <algorithm>

#include "ptutils/data/encoded_image.h"
#include "ptutils/formats/detail/text_coding.h"

namespace ptutils::data::detail {
namespace {

using As = RecordFormat::As;

DType dtype_in(const Value& given, const std::string& where) {
  if (given.is_string())
    if (const auto dtype = parse_dtype(given.as_string())) return *dtype;
  fail(Kind::kValue, where, given.repr(),
       " is no dtype ('uint8', 'float32', …), nor 'image', 'bytes' or 'text'");
}

Dims shape_in(const Value& given, const std::string& where) {
  const bool sizes =
      given.is_list() &&
      std::all_of(given.as_list().items.begin(), given.as_list().items.end(),
                  [](const Value& v) { return v.is_int(); });
  if (!sizes)
    fail(Kind::kType, where, "a shape is a list of sizes, not ", given.repr());
  Dims out;
  int open = 0;
  for (const Value& size : given.as_list().items) {
    out.push_back(size.as_int());
    if (out.back() < -1 || (out.back() == -1 && ++open > 1))
      fail(Kind::kValue, where, "the shape ", given.repr(),
           ": sizes are 0 or more, and one may be -1");
  }
  return out;
}

}  // namespace

RecordFormat record_format(const Value& given, const std::string& where) {
  if (given.is_null()) return {};
  if (given.is_list()) {
    const auto& parts = given.as_list().items;
    if (parts.size() != 2)
      fail(Kind::kType, where, "give (dtype, shape), not ", given.repr());
    return {As::kArray, dtype_in(parts[0], where), shape_in(parts[1], where)};
  }
  if (!given.is_string())
    fail(Kind::kType, where,
         "give 'image', 'bytes', 'text', a dtype or (dtype, shape), not ",
         given.repr());
  const std::string& name = given.as_string();
  if (name == "bytes") return {As::kBytes, {}, {}};
  if (name == "text") return {As::kText, {}, {}};
  if (name == "image") return {As::kImage, {}, {}};
  if (name == "pickle")
    fail(Kind::kValue, where,
         "'pickle' is refused: what is unpickled may run any code; for data "
         "that you trust give a function of the bytes as preprocessor");
  return {As::kNumbers, dtype_in(given, where), {}};
}

Value decode_record(const RecordFormat& format, const Records& records,
                    std::int64_t i, std::string_view bytes) {
  switch (format.as) {
    case As::kImage:
      return std::shared_ptr<Opaque>(
          std::make_shared<EncodedImage>(std::string(bytes), records.label(i)));
    case As::kText:
      if (!ptutils::detail::valid_utf8(bytes))
        throw Error(Kind::kFormat, records.where(i) +
                                       "the text is not UTF-8; 'bytes' gives "
                                       "it as it is");
      return bytes;
    case As::kArray:
      return records.array(i, bytes, format.dtype, format.shape);
    default:
      return Bytes{std::string(bytes)};
  }
}

}  // namespace ptutils::data::detail
