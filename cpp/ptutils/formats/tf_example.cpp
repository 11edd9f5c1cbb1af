#include "ptutils/formats/tf_example.h"

#include <cstring>
#include <unordered_map>

#include "ptutils/formats/detail/where.h"

namespace ptutils {

namespace {

using detail::malformed;

// Wire types of protocol buffers.
constexpr unsigned kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5;

/// One message's fields.
class Message {
 public:
  Message(std::string_view text, std::string_view prefix)
      : rest_(text), prefix_(prefix) {}

  bool empty() const { return rest_.empty(); }

  /// Number and wire type of the next field.
  std::pair<std::uint64_t, unsigned> tag() {
    const std::uint64_t key = varint();
    if (key >> 3 == 0) malformed(prefix_, "no Example: a field has number 0");
    return {key >> 3, static_cast<unsigned>(key & 7)};
  }
  std::uint64_t varint() {
    std::uint64_t out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      out |= static_cast<std::uint64_t>(byte & 127) << shift;
      if (byte < 128) return out;
    }
    malformed(prefix_, "no Example: a number of more than ten bytes");
  }
  std::string_view bytes() { return take(varint()); }
  std::string_view take(std::uint64_t count) {
    if (count > rest_.size())
      malformed(prefix_, "no Example: a field of ", count, " bytes, ",
                rest_.size(), " are left");
    std::string_view out = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return out;
  }
  void skip(unsigned type) {
    if (type == kVarint)
      varint();
    else if (type == kFixed64)
      take(8);
    else if (type == kLength)
      bytes();
    else if (type == kFixed32)
      take(4);
    else
      malformed(prefix_, "no Example: a field of wire type ", type);
  }

 private:
  std::string_view rest_;
  std::string_view prefix_;
};

float float_at(std::string_view four) {
  float out = 0;
  std::memcpy(&out, four.data(), sizeof out);
  return out;
}

TfFeature parse_list(std::uint64_t kind, std::string_view text,
                     std::string_view prefix) {
  std::vector<std::string_view> bytes;
  std::vector<float> floats;
  std::vector<std::int64_t> integers;
  Message list(text, prefix);
  while (!list.empty()) {
    const auto [field, type] = list.tag();
    if (field != 1) {
      list.skip(type);
    } else if (kind == 1 && type == kLength) {
      bytes.push_back(list.bytes());
    } else if (kind == 2 && type == kFixed32) {
      floats.push_back(float_at(list.take(4)));
    } else if (kind == 2 && type == kLength) {  // packed
      std::string_view packed = list.bytes();
      if (packed.size() % 4 != 0)
        malformed(prefix, "no Example: floats in ", packed.size(), " bytes");
      for (; !packed.empty(); packed.remove_prefix(4))
        floats.push_back(float_at(packed));
    } else if (kind == 3 && type == kVarint) {
      integers.push_back(static_cast<std::int64_t>(list.varint()));
    } else if (kind == 3 && type == kLength) {
      Message packed(list.bytes(), prefix);
      while (!packed.empty())
        integers.push_back(static_cast<std::int64_t>(packed.varint()));
    } else {
      malformed(prefix, "no Example: a value of wire type ", type);
    }
  }
  if (kind == 1) return bytes;
  if (kind == 2) return floats;
  return integers;
}

/// A name and what it holds.
void visit_entry(std::string_view text, std::string_view prefix,
                 const OnFeature& visit) {
  std::string_view name;
  std::string_view feature;
  Message entry(text, prefix);
  while (!entry.empty()) {
    const auto [field, type] = entry.tag();
    if (field == 1 && type == kLength)
      name = entry.bytes();
    else if (field == 2 && type == kLength)
      feature = entry.bytes();
    else
      entry.skip(type);
  }
  visit(name, feature);
}

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 128; value >>= 7)
    out += static_cast<char>((value & 127) | 128);
  out += static_cast<char>(value);
}

std::string varint(std::uint64_t value) {
  std::string out;
  put_varint(out, value);
  return out;
}

/// The head of a length-delimited field.
std::string head(unsigned field, std::uint64_t size) {
  return varint(field << 3 | kLength) + varint(size);
}

std::string delimited(unsigned field, std::string_view content) {
  std::string out = head(field, content.size());
  out += content;
  return out;
}

std::string serialize_feature(const TfFeature& feature) {
  std::string list;
  if (const auto* bytes = std::get_if<0>(&feature)) {
    for (std::string_view item : *bytes) list += delimited(1, item);
  } else if (const auto* floats = std::get_if<1>(&feature)) {
    list = delimited(
        1, {reinterpret_cast<const char*>(floats->data()), 4 * floats->size()});
  } else {
    std::string packed;
    for (std::int64_t item : std::get<2>(feature))
      put_varint(packed, static_cast<std::uint64_t>(item));
    list = delimited(1, packed);
  }
  return delimited(static_cast<unsigned>(feature.index()) + 1, list);
}

}  // namespace

TfFeature parse_feature(std::string_view text, std::string_view prefix) {
  TfFeature out;
  Message feature(text, prefix);
  while (!feature.empty()) {
    const auto [field, type] = feature.tag();
    if (field >= 1 && field <= 3 && type == kLength)
      out = parse_list(field, feature.bytes(), prefix);
    else
      feature.skip(type);
  }
  return out;
}

void for_each_feature(std::string_view text, std::string_view prefix,
                      const OnFeature& visit) {
  Message example(text, prefix);
  while (!example.empty()) {
    const auto [field, type] = example.tag();
    if (field != 1 || type != kLength) {
      example.skip(type);
      continue;
    }
    Message features(example.bytes(), prefix);
    while (!features.empty()) {
      const auto [inner, inner_type] = features.tag();
      if (inner == 1 && inner_type == kLength)
        visit_entry(features.bytes(), prefix, visit);
      else
        features.skip(inner_type);
    }
  }
}

TfExample parse_example(std::string_view text, std::string_view prefix) {
  TfExample out;
  std::unordered_map<std::string_view, std::size_t> known;
  for_each_feature(text, prefix, [&](auto name, auto content) {
    TfFeature feature = parse_feature(content, prefix);
    if (const auto [at, added] = known.emplace(name, out.size()); !added)
      out[at->second].second = std::move(feature);
    else
      out.emplace_back(name, std::move(feature));
  });
  return out;
}

std::string serialize_example(const TfExample& example,
                              std::string_view tail_name, std::uint64_t tail) {
  std::string features;
  for (const auto& [name, feature] : example)
    features += delimited(
        1, delimited(1, name) + delimited(2, serialize_feature(feature)));
  if (tail_name.empty()) return delimited(1, features);
  // From the innermost outwards: the tail's bytes count in every length.
  std::string last = head(1, tail);
  last = head(1, last.size() + tail) + last;
  last = head(2, last.size() + tail) + last;
  last = delimited(1, tail_name) + last;
  last = head(1, last.size() + tail) + last;
  return head(1, features.size() + last.size() + tail) + features + last;
}

}  // namespace ptutils
