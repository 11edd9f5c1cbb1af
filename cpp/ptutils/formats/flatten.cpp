#include "ptutils/formats/flatten.h"

#include <optional>
#include <unordered_map>

#include "ptutils/formats/detail/seal.h"
#include "ptutils/formats/detail/tensor_text.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/json_text.h"
#include "ptutils/module/codec.h"

namespace ptutils {

namespace detail {

std::string_view origin_name(Origin origin) {
  switch (origin) {
    case Origin::kNumpy:
      return "numpy";
    case Origin::kTorch:
      return "torch";
    case Origin::kNative:
      break;
  }
  return "native";
}

Origin parse_origin(std::string_view text, const Where& where) {
  for (Origin origin : {Origin::kNative, Origin::kNumpy, Origin::kTorch})
    if (text == origin_name(origin)) return origin;
  malformed(where(), "unknown origin '", text.substr(0, 40), "'");
}

DType parse_stored_dtype(std::string_view text, const Where& where) {
  auto dtype = parse_dtype(text);
  if (!dtype || name(*dtype) != text)
    malformed(where(), "unknown dtype '", text.substr(0, 40), "'");
  return *dtype;
}

Tensor with_dtype(const Tensor& stored, DType dtype, std::string_view where) {
  if (stored.dtype() == dtype) return stored;
  Dims shape = stored.shape();
  const std::size_t have = item_size(stored.dtype());
  const std::size_t want = item_size(dtype);
  const bool pairs = is_complex(dtype) && want == 2 * have && !shape.empty() &&
                     shape.back() == 2;
  if (pairs) shape.pop_back();
  if (!(pairs || have == want))
    malformed(where, "a tensor of dtype ", name(dtype), " is stored as ",
              name(stored.dtype()), stored.shape_str());
  const Tensor whole = stored.to_contiguous();
  const auto offset = whole.bytes() - whole.storage()->data();
  return Tensor::view_bytes(whole.storage(), dtype, std::move(shape),
                            static_cast<std::size_t>(offset));
}

}  // namespace detail

namespace {

using detail::checksum;
using detail::Checksums;
using detail::Where;

/// What a reference says of a tensor beside its name.
struct Told {
  DType dtype;
  Origin origin;
  bool scalar;
  std::optional<std::uint64_t> sum;

  Tensor apply(Tensor tensor, const Where& where) const {
    if (tensor.dtype() != dtype)
      tensor = detail::with_dtype(tensor, dtype, where());
    if (scalar && tensor.dim() != 0)
      detail::malformed(where(), "a scalar of shape ", tensor.shape_str());
    if (sum && checksum(tensor) != *sum)
      detail::malformed(where(), "damaged: its checksum differs");
    tensor.origin = origin;
    tensor.numpy_scalar = scalar;
    return tensor;
  }
};

/// Follows references; asks for each tensor once.
class References {
 public:
  using Lookup = std::function<Value(const std::string& name)>;
  References(const Lookup& lookup, std::optional<Checksums> sums)
      : lookup_(lookup), sums_(std::move(sums)) {}

  Value operator()(const Value& payload, const Where& where) {
    const auto& parts = parts_of(payload, where);
    auto text = [&](std::size_t i) -> const std::string& {
      return parts[i].as_string();
    };
    if (parts.size() == 4 && text(3) != "scalar")
      detail::malformed(where(), "an unknown flag '", text(3), "'");
    const auto [known, fresh] = stored_.try_emplace(text(0));
    if (fresh) fill(known->second, text(0), where);
    const Told told{detail::parse_stored_dtype(text(1), where),
                    detail::parse_origin(text(2), where), parts.size() == 4,
                    known->second.sum};
    const Value& stored = known->second.value;
    if (stored.is_tensor()) return told.apply(stored.as_tensor(), where);
    const auto& deferred =
        std::dynamic_pointer_cast<Deferred>(stored.as_opaque());
    if (!deferred) detail::malformed(where(), "no tensor");
    return std::shared_ptr<Opaque>(std::make_shared<Deferred>(
        deferred->shape(), told.dtype, [deferred, told, place = where()] {
          return told.apply(deferred->get(), [&] { return place; });
        }));
  }

  /// After the last: were there as many as there are sums?
  void check_all(const std::string& where) const {
    if (sums_ && sums_->size() != stored_.size())
      detail::malformed(where, "damaged: ", sums_->size(), " checksums for ",
                        stored_.size(), " tensors");
  }

 private:
  struct Stored {
    Value value;
    std::optional<std::uint64_t> sum;
  };

  void fill(Stored& stored, const std::string& name, const Where& where) {
    stored.value = lookup_(name);
    if (!sums_) return;
    if (stored_.size() > sums_->size())
      detail::malformed(where(), "damaged: there is no checksum for it");
    stored.sum = (*sums_)[stored_.size() - 1];
  }

  static const std::vector<Value>& parts_of(const Value& payload,
                                            const Where& where) {
    bool texts = payload.is_list();
    if (texts)
      for (const Value& part : payload.as_list().items)
        texts = texts && part.is_string();
    const std::size_t count = texts ? payload.as_list().items.size() : 0;
    if (count < 3 || count > 4)
      detail::malformed(where(), "a $tensor is not [name, dtype, origin]");
    return payload.as_list().items;
  }

  const Lookup& lookup_;
  std::optional<Checksums> sums_;
  std::unordered_map<std::string, Stored> stored_;
};

}  // namespace

Flat flatten(const Value& value, std::string_view where, bool pack) {
  Flat flat;
  const TensorKeeper keep = [&](const Tensor& tensor, const std::string& name) {
    flat.tensors.emplace_back(name, tensor);
  };
  Value encoded = encode_value(value, keep, where, pack);
  Dict document{{"version", kSkeletonVersion}};
  document.set("value", std::move(encoded));
  flat.skeleton = to_json(std::move(document), 0, where);
  return flat;
}

Value unflatten(std::string_view skeleton,
                const std::function<Value(const std::string& name)>& lookup,
                std::string_view where, bool verify) {
  const std::string prefix = detail::prefix("unflatten", where);
  const Value document =
      parse_json(skeleton, prefix + "skeleton: ", kMaxSkeletonDepth);
  const Value* value = detail::checked_document(document, "version", prefix);
  std::optional<Checksums> sums;
  if (verify) sums = detail::read_seal(skeleton, document, prefix);
  References references(lookup, sums);
  Value out = decode_value(*value, std::ref(references), prefix);
  references.check_all(prefix);
  return out;
}

namespace detail {

const Value* checked_document(const Value& document, std::string_view key,
                              std::string_view where) {
  const Value* version =
      document.is_dict() ? document.as_dict().find(key) : nullptr;
  if (!version || !version->is_int() || version->as_int() < 1)
    malformed(where, "the skeleton has no version");
  if (version->as_int() > kSkeletonVersion)
    malformed(where, "written by a newer ptutils (version ", version->as_int(),
              " of the layout, this one reads up to ", kSkeletonVersion,
              "); update ptutils to read it");
  const Dict& fields = document.as_dict();
  const Value* value = fields.find("value");
  std::size_t known = 2;
  if (version->as_int() > 1)
    known +=
        (fields.contains("sum") ? 1 : 0) + (fields.contains("sums") ? 1 : 0);
  if (!value || fields.size() != known)
    malformed(where, "the skeleton is not {", key, ", value}");
  return value;
}

}  // namespace detail

}  // namespace ptutils
