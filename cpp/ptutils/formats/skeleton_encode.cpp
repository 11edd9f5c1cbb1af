#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <unordered_map>
#include <unordered_set>

#include "ptutils/formats/detail/path.h"
#include "ptutils/formats/detail/tensor_text.h"
#include "ptutils/formats/detail/text_coding.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/skeleton.h"

namespace ptutils {

namespace {

constexpr std::size_t kMaxNameBytes = 1000;

/// Tensors already met and the names given.
class TensorNames {
 public:
  /// The tensor's name, and whether it had one.
  std::pair<std::string, bool> name(const Tensor& tensor, std::string path) {
    // By address: two imports of one array are two Storages.
    const auto [begin, end] = known_.equal_range(tensor.bytes());
    for (auto it = begin; it != end; ++it)
      if (same(*it->second.tensor, tensor)) return {it->second.name, true};
    std::string name = unique(safe(std::move(path)));
    known_.emplace(tensor.bytes(), Known{&tensor, name});
    return {std::move(name), false};
  }

 private:
  struct Known {
    const Tensor* tensor;  // in the value that is encoded
    std::string name;
  };

  static bool same(const Tensor& a, const Tensor& b) {
    return a.dtype() == b.dtype() && a.shape() == b.shape() &&
           a.strides() == b.strides() && a.origin == b.origin &&
           a.numpy_scalar == b.numpy_scalar;
  }

  // A name that every container takes: zip members, header keys, file names.
  static std::string safe(std::string path) {
    if (path.empty()) path = "value";
    for (char& c : path) {
      const auto u = static_cast<unsigned char>(c);
      if (u < 0x20 || u == 0x7F || c == '/' || c == '\\') c = '_';
    }
    if (path.size() <= kMaxNameBytes) return path;
    std::size_t begin = path.size() - kMaxNameBytes;
    while ((static_cast<unsigned char>(path[begin]) & 0xC0) == 0x80) ++begin;
    return path.substr(begin);
  }

  std::string unique(const std::string& base) {
    if (used_.insert(base).second) return base;
    for (;;) {
      std::string candidate = str(base, "~", ++suffix_[base]);
      if (used_.insert(candidate).second) return candidate;
    }
  }

  std::unordered_multimap<const std::byte*, Known> known_;
  std::unordered_set<std::string> used_{"__ptutils__", "__metadata__"};
  std::unordered_map<std::string, int> suffix_;
};

Value tagged(std::string_view tag, Value payload) {
  Dict out;  // an initializer list would copy the payload
  out.set(std::string(tag), std::move(payload));
  return out;
}

/// A tensor kept by name.
Value reference(const Tensor& tensor, std::string tensor_name) {
  std::vector<Value> parts;
  parts.reserve(tensor.numpy_scalar ? 4 : 3);
  parts.emplace_back(std::move(tensor_name));
  parts.emplace_back(name(tensor.dtype()));
  parts.emplace_back(detail::origin_name(tensor.origin));
  if (tensor.numpy_scalar) parts.emplace_back("scalar");
  return Value::list(std::move(parts));
}

bool are_tensors(const Dict& dict) {
  return !dict.empty() &&
         std::all_of(dict.begin(), dict.end(), [](const auto& entry) {
           return entry.second.is_tensor();
         });
}

class Encoder {
 public:
  /// One of the two.
  Encoder(const TensorEncoder* tensors, const TensorKeeper* keep, bool pack,
          std::string_view where)
      : tensors_(tensors),
        keep_(keep),
        pack_(pack),
        where_(detail::prefix("flatten", where)) {}

  Value encode(const Value& value) {
    using Type = Value::Type;
    switch (value.type()) {
      case Type::kNull:
      case Type::kBool:
      case Type::kInt:
        return value;
      case Type::kDouble:
        return encode_double(value.as_double());
      case Type::kComplex: {
        const auto z = value.as_complex();
        return tagged("$complex", Value::list({encode_double(z.real()),
                                               encode_double(z.imag())}));
      }
      case Type::kString:
        check_text(value.as_string(), "the text");
        return value;
      case Type::kBytes:
        return tagged("$bytes", detail::base64_encode(std::as_bytes(
                                    std::span(value.as_bytes().data))));
      case Type::kBigInt:
        return encode_bigint(value.as_bigint());
      case Type::kTime: {
        const Time& time = value.as_time();
        Value offset;
        if (time.utc_offset) offset = *time.utc_offset;
        List parts{{time.microseconds, offset}};
        if (time.fold) parts.items.emplace_back(true);
        return tagged("$time", std::move(parts));
      }
      case Type::kTensor:
        return encode_tensor(value.as_tensor());
      case Type::kList:
        return encode_list(value.as_list());
      case Type::kDict:
        return encode_dict(value.as_dict());
      case Type::kOpaque:
        break;
    }
    const auto& opaque = value.as_opaque();
    detail::refuse(where_, path_.quoted(), " is of type ",
                   opaque ? opaque->type_name() : std::string("nothing"),
                   ", which is not written here: ",
                   opaque ? opaque->advice() : std::string("leave it out"));
  }

 private:
  static Value encode_double(double x) {
    if (std::isfinite(x)) return x;
    if (std::isinf(x)) return tagged("$float", x > 0 ? "inf" : "-inf");
    char text[32];
    std::snprintf(
        text, sizeof text, "nan:%016llx",
        static_cast<unsigned long long>(std::bit_cast<std::uint64_t>(x)));
    return tagged("$float", text);
  }

  void check_text(const std::string& text, std::string_view what) {
    if (!detail::valid_utf8(text))
      detail::refuse(where_, path_.quoted(), ": ", what,
                     " is not UTF-8; store it as bytes");
  }

  Value encode_bigint(const BigInt& big) {
    if (!detail::is_big_integer(big.digits))
      detail::refuse(where_, path_.quoted(), ": BigInt '", big.digits,
                     "' is not an integer outside int64 in canonical form");
    return tagged("$int", big.digits);
  }

  Value encode_tensor(const Tensor& tensor) {
    auto [name, again] = names_.name(tensor, path_.dotted());
    if (!keep_) return tagged("$tensor", (*tensors_)(tensor, name, again));
    if (!again) (*keep_)(tensor, name);
    return tagged("$tensor", reference(tensor, std::move(name)));
  }

  /// What thousands of tensors take little space and time by.
  Value encode_tensors(const Dict& dict) {
    const Origin origin = dict.begin()->second.as_tensor().origin;
    List out;
    out.items.reserve(1 + 2 * dict.size());
    out.items.emplace_back(detail::origin_name(origin));
    std::string path = path_.dotted();
    if (!path.empty()) path += '.';
    const std::size_t prefix = path.size();
    for (const auto& [key, value] : dict) {
      const Tensor& tensor = value.as_tensor();
      const auto& text = std::get<std::string>(key);
      path.resize(prefix);
      path += text;
      auto [name, again] = names_.name(tensor, path);
      if (!again) (*keep_)(tensor, name);
      out.items.emplace_back(text);
      if (name == path && tensor.origin == origin && !tensor.numpy_scalar)
        out.items.emplace_back(ptutils::name(tensor.dtype()));
      else
        out.items.push_back(reference(tensor, std::move(name)));
    }
    return tagged("$tensors", std::move(out));
  }

  void enter() {
    if (++depth_ > kMaxDepth)
      detail::refuse(where_, path_.dotted().substr(0, 80),
                     "...: nested deeper than ", kMaxDepth,
                     " levels; is it inside itself?");
  }

  Value encode_list(const List& list) {
    enter();
    List out;
    out.items.reserve(list.items.size());
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      detail::Step step(path_, i);
      out.items.push_back(encode(list.items[i]));
    }
    --depth_;
    return list.tuple ? tagged("$tuple", std::move(out))
                      : Value(std::move(out));
  }

  Value encode_dict(const Dict& dict) {
    enter();
    bool natural = true;  // an object's keys
    for (const auto& [key, value] : dict) {
      auto* text = std::get_if<std::string>(&key);
      if (text && !detail::valid_utf8(*text))
        detail::refuse(where_, path_.quoted(),
                       ": a key is not UTF-8; keys are text or integers");
      natural = natural && text && !text->starts_with('$');
    }
    Value payload = natural ? encode_object(dict) : encode_pairs(dict);
    --depth_;
    switch (dict.kind) {
      case DictKind::kState:
        return tagged("$state", std::move(payload));
      case DictKind::kConfiguration:
        return tagged("$config", std::move(payload));
      case DictKind::kOrdered:
        return tagged("$ordered", std::move(payload));
      case DictKind::kCounter:
        return tagged("$counter", std::move(payload));
      case DictKind::kPlain:
        break;
    }
    return natural ? payload : tagged("$dict", std::move(payload));
  }

  Value encode_object(const Dict& dict) {
    if (pack_ && are_tensors(dict)) return encode_tensors(dict);
    Dict out;
    for (const auto& [key, value] : dict) {
      detail::Step step(path_, key);
      out.set(key, encode(value));
    }
    return out;
  }

  Value encode_pairs(const Dict& dict) {
    List out;
    for (const auto& [key, value] : dict) {
      detail::Step step(path_, key);
      List pair;
      pair.items.push_back(
          std::visit([](const auto& k) { return Value(k); }, key));
      pair.items.push_back(encode(value));
      out.items.emplace_back(std::move(pair));
    }
    return out;
  }

  const TensorEncoder* tensors_;
  const TensorKeeper* keep_;
  bool pack_;
  std::string where_;
  detail::Path path_;
  TensorNames names_;
  int depth_ = 0;
};

}  // namespace

Value encode_value(const Value& value, const TensorEncoder& tensors,
                   std::string_view where) {
  return Encoder(&tensors, nullptr, false, where).encode(value);
}

Value encode_value(const Value& value, const TensorKeeper& keep,
                   std::string_view where, bool pack) {
  return Encoder(nullptr, &keep, pack, where).encode(value);
}

}  // namespace ptutils
