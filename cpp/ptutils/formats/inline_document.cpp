#include "ptutils/formats/detail/inline_document.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "ptutils/formats/detail/seal.h"
#include "ptutils/formats/detail/tensor_io.h"
#include "ptutils/formats/detail/tensor_text.h"
#include "ptutils/formats/detail/text_coding.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/flatten.h"
#include "ptutils/formats/json_text.h"

namespace ptutils::detail {

namespace {

constexpr std::size_t kMaxNaturalDigits = 300;  // a tokenizer's strtod

bool is_natural(double x, TextFormat format) {
  if (std::isfinite(x)) return true;
  if (format == TextFormat::kJson) return false;
  return std::isinf(x) || std::bit_cast<std::uint64_t>(x) ==
                              std::bit_cast<std::uint64_t>(
                                  std::numeric_limits<double>::quiet_NaN());
}

bool is_natural(const Value& value, TextFormat format, int depth);

bool is_natural(const Dict& dict, TextFormat format, int depth) {
  if (dict.kind != DictKind::kPlain) return false;
  if (depth == 1 && dict.contains(kSkeletonName)) return false;
  for (const auto& [key, item] : dict) {
    auto* text = std::get_if<std::string>(&key);
    if (text ? !valid_utf8(*text) : format == TextFormat::kJson) return false;
    if (!is_natural(item, format, depth)) return false;
  }
  return true;
}

bool is_natural(const Value& value, TextFormat format, int depth) {
  using Type = Value::Type;
  switch (value.type()) {
    case Type::kNull:
    case Type::kBool:
    case Type::kInt:
      return true;
    case Type::kDouble:
      return is_natural(value.as_double(), format);
    case Type::kString:
      return valid_utf8(value.as_string());
    case Type::kBigInt:
      return is_big_integer(value.as_bigint().digits) &&
             value.as_bigint().digits.size() <= kMaxNaturalDigits;
    case Type::kList:
      if (value.as_list().tuple || depth >= kMaxDepth) return false;
      for (const Value& item : value.as_list().items)
        if (!is_natural(item, format, depth + 1)) return false;
      return true;
    case Type::kDict:
      return depth < kMaxDepth &&
             is_natural(value.as_dict(), format, depth + 1);
    default:
      return false;
  }
}

Value inline_tensor(const Tensor& tensor, const std::string& tensor_name,
                    bool again) {
  Dict out{{"name", tensor_name}};
  if (again) return out;
  List shape;
  for (std::int64_t size : tensor.shape()) shape.items.emplace_back(size);
  out.set("dtype", name(tensor.dtype()));
  out.set("shape", std::move(shape));
  out.set("origin", origin_name(tensor.origin));
  if (tensor.numpy_scalar) out.set("scalar", true);
  const Tensor whole = tensor.to_contiguous();
  out.set("data", base64_encode({whole.bytes(), whole.nbytes()}));
  return out;
}

/// Tensors in place; one without data is one that stood before.
class InlineTensors {
 public:
  Tensor operator()(const Value& payload, const Where& place) {
    const std::string where = place();
    if (!payload.is_dict()) malformed(where, "a $tensor is no object");
    const Dict& fields = payload.as_dict();
    const std::string& tensor_name = text(fields, "name", where);
    if (fields.size() == 1) {
      auto known = known_.find(tensor_name);
      if (known == known_.end())
        malformed(where, "no tensor '", tensor_name, "' stands before");
      return known->second;
    }
    Tensor tensor = read(fields, where);
    if (!known_.emplace(tensor_name, tensor).second)
      malformed(where, "the tensor '", tensor_name, "' is there twice");
    return tensor;
  }

 private:
  static const std::string& text(const Dict& fields, std::string_view key,
                                 const std::string& where) {
    const Value* value = fields.find(key);
    if (!value || !value->is_string())
      malformed(where, "a $tensor has no text '", key, "'");
    return value->as_string();
  }

  static Dims shape_of(const Dict& fields, const std::string& where) {
    const Value* value = fields.find(std::string_view("shape"));
    if (!value || !value->is_list())
      malformed(where, "a $tensor has no list 'shape'");
    Dims shape;
    for (const Value& size : value->as_list().items) {
      if (!size.is_int()) malformed(where, "a size is no integer");
      shape.push_back(size.as_int());
    }
    return shape;
  }

  static Tensor read(const Dict& fields, const std::string& where) {
    const Where place = [&] { return where; };
    const DType dtype = parse_stored_dtype(text(fields, "dtype", where), place);
    Dims shape = shape_of(fields, where);
    const std::size_t bytes = data_bytes(shape, dtype, where);
    auto data = base64_decode(text(fields, "data", where));
    if (!data) malformed(where, "the data is not base64");
    if (data->size() != bytes)
      malformed(where, "the data has ", data->size(), " bytes, the shape ",
                bytes);
    auto storage = Storage::allocate(bytes);
    if (bytes > 0) std::memcpy(storage->data(), data->data(), bytes);
    Tensor tensor = tensor_at(storage, dtype, std::move(shape), 0, where);
    tensor.origin = parse_origin(text(fields, "origin", where), place);
    if (const Value* scalar = fields.find(std::string_view("scalar"))) {
      if (!scalar->is_bool() || !scalar->as_bool() || tensor.dim() != 0)
        malformed(where, "'scalar' is true for 0-d tensors only");
      tensor.numpy_scalar = true;
    }
    if (fields.size() != 5 + (tensor.numpy_scalar ? 1 : 0))
      malformed(where, "a $tensor has an unknown field");
    return tensor;
  }

  std::map<std::string, Tensor> known_;
};

/// A document of ours, but for the name of its first field.
bool lost_its_name(const Value& document) {
  if (!document.is_dict() || document.as_dict().size() != 3) return false;
  const Dict& fields = document.as_dict();
  const Value* sum = fields.find(std::string_view("sum"));
  const Value& version = fields.begin()->second;
  return version.is_int() && version.as_int() >= 2 &&
         version.as_int() <= kSkeletonVersion &&
         fields.contains(std::string_view("value")) && sum &&
         sum->is_string() && sum->as_string().size() == sum_text(0).size();
}

int depth_of(const Value& value) {
  int deepest = 0;
  if (value.is_list())
    for (const Value& item : value.as_list().items)
      deepest = std::max(deepest, depth_of(item));
  else if (value.is_dict())
    for (const auto& entry : value.as_dict())
      deepest = std::max(deepest, depth_of(entry.second));
  else
    return 0;
  return deepest + 1;
}

bool sum_fits(const Value& sum, const Value& value) {
  try {
    return sum.identical(sum_text(sum_of(to_json(value))));
  } catch (const Error&) {
    return false;  // what YAML has and JSON lacks is not encode_value's
  }
}

}  // namespace

std::optional<Value> to_document(const Value& value, TextFormat format,
                                 std::string_view where) {
  // What would pass for a damaged document of ours is stored as one of ours.
  if (is_natural(value, format, 0) && !lost_its_name(value)) return {};
  Value encoded = encode_value(value, inline_tensor, where);
  Dict out{{kSkeletonName, kSkeletonVersion},
           {"sum", sum_text(sum_of(to_json(encoded)))}};
  out.set("value", std::move(encoded));
  return Value(std::move(out));
}

Value from_document(Value document, std::string_view where, bool verify) {
  if (document.is_dict() && document.as_dict().contains(kSkeletonName)) {
    const Value* value = checked_document(document, kSkeletonName, where);
    const Value* sum = document.as_dict().find("sum");
    if (verify && sum && !sum_fits(*sum, *value))
      malformed(where, "damaged (or edited): the checksum differs");
    if (verify && sum) note_checksums_compared();
    InlineTensors tensors;
    return decode_value(*value, std::ref(tensors), where);
  }
  if (verify && lost_its_name(document))
    malformed(where, "damaged: '", to_string(document.as_dict().begin()->first),
              "' was '", kSkeletonName, "'");
  if (depth_of(document) > kMaxDepth)
    malformed(where, "nested deeper than ", kMaxDepth, " levels");
  return document;
}

}  // namespace ptutils::detail
