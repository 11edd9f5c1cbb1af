#include <bit>
#include <charconv>
#include <cmath>
#include <limits>

#include "ptutils/formats/detail/path.h"
#include "ptutils/formats/detail/text_coding.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/skeleton.h"

namespace ptutils {

namespace {

class Decoder {
 public:
  Decoder(const TensorDecoder& tensors, std::string_view where)
      : tensors_(tensors), where_(detail::prefix("unflatten", where)) {}

  Value decode(const Value& value) {
    using Type = Value::Type;
    switch (value.type()) {
      case Type::kNull:
      case Type::kBool:
      case Type::kInt:
      case Type::kDouble:
      case Type::kString:
      case Type::kBigInt:
        return value;
      case Type::kList:
        return decode_list(value.as_list(), false);
      case Type::kDict:
        return decode_dict(value.as_dict());
      default:
        bad("holds a ", value.type_name());
    }
  }

 private:
  template <class... Parts>
  [[noreturn]] void bad(const Parts&... parts) {
    detail::malformed(where_, "the skeleton at ", path_.quoted(), " ",
                      parts...);
  }

  void enter() {
    if (++depth_ > kMaxDepth) bad("is nested deeper than ", kMaxDepth);
  }

  Value decode_list(const List& list, bool tuple) {
    enter();
    List out;
    out.tuple = tuple;
    out.items.reserve(list.items.size());
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      detail::Step step(path_, i);
      out.items.push_back(decode(list.items[i]));
    }
    --depth_;
    return out;
  }

  Value decode_dict(const Dict& dict) {
    if (dict.size() == 1) {
      const auto& [key, payload] = *dict.begin();
      auto* text = std::get_if<std::string>(&key);
      if (text && text->starts_with('$')) return decode_tagged(*text, payload);
    }
    return decode_object(dict, DictKind::kPlain);
  }

  Value decode_tagged(const std::string& tag, const Value& payload) {
    if (tag == "$tensor") return decode_tensor(payload);
    if (tag == "$tensors") return decode_tensors(payload, DictKind::kPlain);
    if (tag == "$float") return decode_float(payload);
    if (tag == "$int") return decode_int(payload);
    if (tag == "$bytes") return decode_bytes(payload);
    if (tag == "$complex") return decode_complex(payload);
    if (tag == "$time") return decode_time(payload);
    if (tag == "$tuple") return decode_list(list_of(payload, tag), true);
    if (tag == "$dict") return decode_entries(payload, DictKind::kPlain);
    if (tag == "$state") return decode_entries(payload, DictKind::kState);
    if (tag == "$config")
      return decode_entries(payload, DictKind::kConfiguration);
    if (tag == "$ordered") return decode_entries(payload, DictKind::kOrdered);
    if (tag == "$counter") return decode_entries(payload, DictKind::kCounter);
    bad("has the unknown tag '", tag.substr(0, 40), "'");
  }

  const List& list_of(const Value& payload, std::string_view tag) {
    if (!payload.is_list()) bad("has a ", tag, " that is no list");
    return payload.as_list();
  }

  const std::string& text_of(const Value& payload, std::string_view tag) {
    if (!payload.is_string()) bad("has a ", tag, " that is no text");
    return payload.as_string();
  }

  Value decode_tensor(const Value& payload) {
    return tensors_(payload, [this] {
      return str(where_, "the skeleton at ", path_.quoted(), ": ");
    });
  }

  Value decode_tensors(const Value& payload, DictKind kind) {
    const auto& items = list_of(payload, "$tensors").items;
    if (items.size() < 3 || items.size() % 2 == 0 || !items[0].is_string())
      bad("has $tensors that are not [origin, key, how…]");
    enter();
    std::string path = path_.dotted();
    if (!path.empty()) path += '.';
    const std::size_t prefix = path.size();
    Dict out;
    out.kind = kind;
    out.reserve(items.size() / 2);
    for (std::size_t i = 1; i < items.size(); i += 2) {
      const Key key = text_of(items[i], "$tensors");
      detail::Step step(path_, key);
      path.resize(prefix);
      path += std::get<std::string>(key);
      const std::size_t before = out.size();
      Value& slot = out[key];
      if (out.size() == before) bad("is there twice");
      if (!items[i + 1].is_string()) {
        slot = decode_tensor(items[i + 1]);
        continue;
      }
      std::vector<Value> reference;
      reference.reserve(3);
      reference.emplace_back(path);
      reference.push_back(items[i + 1]);
      reference.push_back(items[0]);
      slot = decode_tensor(Value::list(std::move(reference)));
    }
    --depth_;
    return out;
  }

  Value decode_float(const Value& payload) {
    const std::string& text = text_of(payload, "$float");
    if (text == "inf") return std::numeric_limits<double>::infinity();
    if (text == "-inf") return -std::numeric_limits<double>::infinity();
    std::uint64_t bits = 0;
    if (text.size() == 20 && text.starts_with("nan:")) {
      const char* end = text.data() + text.size();
      auto [at, error] = std::from_chars(text.data() + 4, end, bits, 16);
      const auto x = std::bit_cast<double>(bits);
      if (error == std::errc() && at == end && std::isnan(x)) return x;
    }
    bad("has the $float '", text.substr(0, 40), "'");
  }

  Value decode_int(const Value& payload) {
    const std::string& text = text_of(payload, "$int");
    if (!detail::is_big_integer(text))
      bad("has the $int '", text.substr(0, 40), "'");
    return BigInt{text};
  }

  Value decode_bytes(const Value& payload) {
    auto bytes = detail::base64_decode(text_of(payload, "$bytes"));
    if (!bytes) bad("has $bytes that are not base64");
    return Bytes{std::move(*bytes)};
  }

  double number_of(const Value& value) {
    if (value.is_double()) return value.as_double();
    if (value.is_dict() && value.as_dict().size() == 1)
      if (const Value* special =
              value.as_dict().find(std::string_view("$float")))
        return decode_float(*special).as_double();
    bad("has a $complex part that is no double");
  }

  Value decode_complex(const Value& payload) {
    const List& parts = list_of(payload, "$complex");
    if (parts.items.size() != 2) bad("has a $complex without two parts");
    return std::complex<double>(number_of(parts.items[0]),
                                number_of(parts.items[1]));
  }

  Value decode_time(const Value& payload) {
    const List& parts = list_of(payload, "$time");
    const std::size_t count = parts.items.size();
    if (count < 2 || count > 3 || !parts.items[0].is_int() ||
        (count == 3 && !parts.items[2].identical(true)))
      bad("has a $time that is not [microseconds, offset, true?]");
    Time time;
    time.fold = count == 3;
    time.microseconds = parts.items[0].as_int();
    if (parts.items[1].is_null()) return time;
    const std::int64_t offset =
        parts.items[1].is_int() ? parts.items[1].as_int() : INT64_MAX;
    if (offset < INT32_MIN || offset > INT32_MAX)
      bad("has a $time with an impossible offset");
    time.utc_offset = static_cast<std::int32_t>(offset);
    return time;
  }

  Value decode_object(const Dict& dict, DictKind kind) {
    enter();
    Dict out;
    out.kind = kind;
    for (const auto& [key, value] : dict) {
      auto* text = std::get_if<std::string>(&key);
      if (!text || text->starts_with('$'))
        bad("has the key '", to_string(key).substr(0, 40),
            "' in a plain object");
      detail::Step step(path_, key);
      out.set(key, decode(value));
    }
    --depth_;
    return out;
  }

  Value decode_entries(const Value& payload, DictKind kind) {
    if (payload.is_dict()) {
      const Dict& dict = payload.as_dict();
      const Value* tensors =
          dict.size() == 1 ? dict.find(std::string_view("$tensors")) : nullptr;
      return tensors ? decode_tensors(*tensors, kind)
                     : decode_object(dict, kind);
    }
    enter();
    Dict out;
    out.kind = kind;
    for (const Value& entry : list_of(payload, "dict").items) {
      if (!entry.is_list() || entry.as_list().items.size() != 2)
        bad("has an entry that is not [key, value]");
      const Value& name = entry.as_list().items[0];
      Key key;
      if (name.is_string())
        key = name.as_string();
      else if (name.is_int())
        key = name.as_int();
      else
        bad("has a key of type ", name.type_name());
      if (out.find(key)) bad("has the key '", to_string(key), "' twice");
      detail::Step step(path_, key);
      out.set(key, decode(entry.as_list().items[1]));
    }
    --depth_;
    return out;
  }

  const TensorDecoder& tensors_;
  std::string where_;
  detail::Path path_;
  int depth_ = 0;
};

}  // namespace

Value decode_value(const Value& encoded, const TensorDecoder& tensors,
                   std::string_view where) {
  return Decoder(tensors, where).decode(encoded);
}

}  // namespace ptutils
