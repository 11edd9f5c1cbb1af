#include "ptutils/data/detail/batch_builder.h"

#include <algorithm>

#include "ptutils/common/names.h"
#include "ptutils/data/detail/buffers.h"
#include "ptutils/data/detail/sample_error.h"
#include "ptutils/data/loader.h"
#include "ptutils/tensor/image_kernels.h"

namespace ptutils::data::detail {
namespace {

constexpr char kPreprocessor[] = "preprocessor";

[[noreturn]] void differs(std::size_t i, const std::string& sample,
                          const std::string& first,
                          const std::string& remedy = "") {
  fail(Kind::kValue, "collate", "sample ", i, " of the batch: ", sample,
       ", the first: ", first, "; make samples alike", remedy,
       ", or give a collate_fn");
}

std::string described(Pending& p) {
  if (!p.is_tensor()) return p.value().summary();
  std::string shape;
  for (std::int64_t n : p.shape()) shape += str(shape.empty() ? "" : "x", n);
  return str(name(p.dtype()), " ", shape.empty() ? "0-d" : shape);
}

/// A number of the other language's own, where its array is of that dtype.
bool put_number(const Value& number, const Tensor& place) {
  if (number.is_int() && place.dtype() == DType::kI64)
    *place.data<std::int64_t>() = number.as_int();
  else if (number.is_double() && place.dtype() == DType::kF64)
    *place.data<double>() = number.as_double();
  else if (number.is_bool() && place.dtype() == DType::kBool)
    *place.data<bool>() = number.as_bool();
  else
    return false;
  return true;
}

/// An error says in which field.
void apply_to_field(const Chain& chain, Pending& value, const Random& random,
                    std::size_t field, const std::string* key) {
  try {
    apply_chain(chain, value, random);
  } catch (const Error&) {
    rethrow_noted(str(" (field ", key ? str("'", *key, "'") : str(field), ")"));
  }
}

}  // namespace

FieldChains::FieldChains(Preprocessor given, std::vector<std::string> names)
    : given_(std::move(given)), names_(std::move(names)) {
  for (const auto& [field, chain] : given_)
    if (!field.empty() && !names_.empty() &&
        std::find(names_.begin(), names_.end(), field) == names_.end())
      fail(Kind::kKey, kPreprocessor, "samples have no field '", field, "'",
           did_you_mean(field, names_));
}

const Chain* FieldChains::of(std::size_t i, const std::string* key) const {
  for (const auto& [field, chain] : given_) {
    const bool mine = field.empty()       ? i == 0
                      : key               ? field == *key
                      : i < names_.size() ? field == names_[i]
                                          : field == std::to_string(i);
    if (mine) return &chain;
  }
  return nullptr;
}

bool FieldChains::draws_random() const {
  for (const auto& [field, chain] : given_)
    for (const auto& transform : chain)
      if (transform->draws_random()) return true;
  return false;
}

bool FieldChains::is_python() const {
  for (const auto& [field, chain] : given_)
    for (const auto& transform : chain)
      if (transform->is_python()) return true;
  return false;
}

Value FieldChains::apply(Value sample, const Random& random) const {
  check(sample);
  auto change = [&](std::size_t i, const std::string* key, Value value) {
    Pending pending(std::move(value));
    if (const Chain* chain = of(i, key))
      apply_to_field(*chain, pending, random, i, key);
    return pending.value();
  };
  if (sample.is_list()) {
    auto& items = sample.as_list().items;
    for (std::size_t i = 0; i < items.size(); ++i)
      items[i] = change(i, nullptr, std::move(items[i]));
    return sample;
  }
  if (!sample.is_dict()) return change(0, nullptr, std::move(sample));
  std::size_t i = 0;
  for (auto& [key, value] : sample.as_dict()) {
    const std::string name = to_string(key);
    value = change(i++, &name, std::move(value));
  }
  return sample;
}

namespace {

std::string slot_name(const std::string& field, std::size_t i) {
  return str("preprocessor.", field, field.empty() ? "" : ".", i);
}

}  // namespace

void FieldChains::fields(Fields& f) {
  for (auto& [field, chain] : given_)
    for (std::size_t i = 0; i < chain.size(); ++i)
      f(slot_name(field, i), chain[i]);
}

std::vector<std::string> FieldChains::field_slots() const {
  std::vector<std::string> out;
  for (const auto& [field, chain] : given_)
    for (std::size_t i = 0; i < chain.size(); ++i)
      out.push_back(slot_name(field, i));
  return out;
}

Value FieldChains::to_config() const {
  Dict out;
  for (const auto& [field, chain] : given_) {
    List transforms;
    for (const auto& t : chain) transforms.items.push_back(t->to_config());
    out.set(field, std::move(transforms));
  }
  return out;
}

/// Where a source has no names for its fields, its first sample tells them.
void FieldChains::check(const Value& sample) const {
  if (!names_.empty() || given_.empty()) return;
  std::vector<std::string> there;
  if (sample.is_dict()) {
    for (const auto& [key, value] : sample.as_dict())
      there.push_back(to_string(key));
  } else {
    const std::size_t n = sample.is_list() ? sample.as_list().items.size() : 1;
    for (std::size_t i = 0; i < n; ++i) there.push_back(std::to_string(i));
  }
  for (const auto& [field, chain] : given_)
    if (!field.empty() &&
        std::find(there.begin(), there.end(), field) == there.end())
      fail(Kind::kKey, kPreprocessor, "samples have no field '", field, "'",
           did_you_mean(field, there));
}

/// The first sample's structure is that of the batch.
void BatchBuilder::start(const Value& sample) {
  chains_.check(sample);
  if (sample.is_list()) {
    List form;
    form.tuple = sample.as_list().tuple;
    form_ = std::move(form);
    columns_.resize(sample.as_list().items.size());
  } else if (sample.is_dict()) {
    Dict form;
    form.kind = sample.as_dict().kind;
    for (const auto& [key, value] : sample.as_dict()) keys_.push_back(key);
    form_ = std::move(form);
    columns_.resize(keys_.size());
  } else {
    columns_.resize(1);
  }
}

void BatchBuilder::add(std::size_t s, Value sample, const Random& random) {
  if (s == 0) start(sample);
  if (form_.is_list()) {
    if (!sample.is_list() || sample.as_list().items.size() != columns_.size())
      differs(s, sample.summary(), str(columns_.size(), " fields"));
    auto& items = sample.as_list().items;
    for (std::size_t i = 0; i < items.size(); ++i)
      add_field({s, i}, nullptr, std::move(items[i]), item_of(&reuse_, i),
                random);
  } else if (form_.is_dict()) {
    if (!sample.is_dict() || sample.as_dict().size() != keys_.size())
      differs(s, sample.summary(), str(keys_.size(), " fields"));
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      Value* found = sample.as_dict().find(keys_[i]);
      const std::string key = to_string(keys_[i]);
      if (!found) differs(s, str("without '", key, "'"), "with it");
      add_field({s, i}, &key, std::move(*found), entry_of(&reuse_, keys_[i]),
                random);
    }
  } else {
    add_field({s, 0}, nullptr, std::move(sample), &reuse_, random);
  }
}

void BatchBuilder::add_field(Place at, const std::string* key, Value value,
                             const Value* reuse, const Random& random) {
  Column& column = columns_[at.field];
  Pending pending(std::move(value));
  if (const Chain* chain = chains_.of(at.field, key))
    apply_to_field(*chain, pending, random, at.field, key);
  if (at.sample == 0 && !pending.is_tensor()) column.values.resize(samples_);
  if (at.sample == 0 && pending.is_tensor()) {
    Dims shape = pending.shape();
    shape.insert(shape.begin(), static_cast<std::int64_t>(samples_));
    column.out = buffer(reuse, shape, pending.dtype());
    column.out.origin = origin_;
    column.stacked = true;
  }
  if (!column.stacked) {
    column.values[at.sample] = pending.value();
    return;
  }
  const Tensor row = column.out.select(0, static_cast<std::int64_t>(at.sample));
  if (!pending.is_tensor() && row.dim() == 0 &&
      put_number(pending.value(), row))
    return;
  if (pending.is_tensor() && pending.dtype() == row.dtype() &&
      pending.shape() == row.shape())
    return pending.write(row);
  Pending first(Value{row});
  const std::string field = key ? str("'", *key, "'") : str(at.field);
  differs(at.sample, str(described(pending), " (field ", field, ")"),
          described(first), row.dim() > 1 ? " (Resize, a crop)" : "");
}

Value BatchBuilder::part(std::size_t i, const Value* reuse) {
  Column& column = columns_[i];
  if (column.stacked) return std::move(column.out);
  Value out = collate(std::move(column.values), reuse ? *reuse : Value());
  stamp(out, origin_, /*native_only=*/true);
  return out;
}

void BatchBuilder::settle() { image_kernels::streamed_stores_done(); }

Value BatchBuilder::finish() {
  settle();
  if (form_.is_list()) {
    for (std::size_t i = 0; i < columns_.size(); ++i)
      form_.as_list().items.push_back(part(i, item_of(&reuse_, i)));
    return std::move(form_);
  }
  if (form_.is_dict()) {
    for (std::size_t i = 0; i < columns_.size(); ++i)
      form_.as_dict().set(keys_[i], part(i, entry_of(&reuse_, keys_[i])));
    return std::move(form_);
  }
  if (columns_.empty()) return Value::list({});
  return part(0, &reuse_);
}

}  // namespace ptutils::data::detail
