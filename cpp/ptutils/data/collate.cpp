#include <algorithm>
#include <cstring>

#include "ptutils/data/detail/buffers.h"
#include "ptutils/data/loader.h"

namespace ptutils::data {
namespace {

[[noreturn]] void no_numbers(std::size_t i, const Value& sample) {
  fail(Kind::kType, "collate", "sample ", i, " of the batch has a ",
       sample.as_opaque()->type_name(),
       ", which cannot be stacked: give arrays of native numbers "
       "(.astype('f4')), numbers, text, or a collate_fn");
}

[[noreturn]] void differs(std::size_t i, const Value& sample,
                          const Value& first) {
  if (sample.is_opaque()) no_numbers(i, sample);
  fail(Kind::kValue, "collate", "sample ", i,
       " of the batch: ", sample.summary(), ", the first: ", first.summary(),
       "; make samples alike, or give a collate_fn");
}

/// A single number of an array as Python's own, where that is of its dtype.
Value number_of(const Value& value) {
  if (!value.is_tensor() || value.as_tensor().dim() != 0) return value;
  const Tensor& t = value.as_tensor();
  if (t.dtype() == DType::kBool) return *t.data<bool>();
  if (t.dtype() == DType::kI64) return *t.data<std::int64_t>();
  if (t.dtype() == DType::kF64) return *t.data<double>();
  return value;
}

Value stack_tensors(const std::vector<Value>& samples, const Value* reuse) {
  const Tensor& first = samples[0].as_tensor();
  for (std::size_t i = 1; i < samples.size(); ++i) {
    bool same = samples[i].is_tensor() &&
                samples[i].as_tensor().dtype() == first.dtype() &&
                samples[i].as_tensor().shape() == first.shape();
    if (!same) differs(i, samples[i], samples[0]);
  }
  Dims shape{static_cast<std::int64_t>(samples.size())};
  shape.insert(shape.end(), first.shape().begin(), first.shape().end());
  Tensor out = detail::buffer(reuse, shape, first.dtype());
  std::byte* at = out.bytes();
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const Tensor& t = samples[i].as_tensor();
    if (!t.contiguous()) {
      out.select(0, static_cast<std::int64_t>(i)).copy_from(t);
    } else if (t.nbytes()) {
      std::memcpy(at, t.bytes(), t.nbytes());
    }
    at += t.nbytes();
  }
  out.origin = first.origin;
  return out;
}

template <class T, class Read>
Value stack_numbers(const std::vector<Value>& samples, const Value* reuse,
                    Read read) {
  Tensor out = detail::buffer(
      reuse, {static_cast<std::int64_t>(samples.size())}, dtype_of<T>);
  T* data = out.data<T>();
  for (std::size_t i = 0; i < samples.size(); ++i) data[i] = read(samples[i]);
  return out;
}

/// bool, int or double together become the widest of them.
Value stack_mixed(std::vector<Value>& samples, const Value* reuse) {
  for (Value& value : samples)
    if (value.is_tensor()) value = number_of(value);
  bool doubles = false, bools = true;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (!samples[i].is_number() && !samples[i].is_bool())
      differs(i, samples[i], samples[0]);
    doubles = doubles || samples[i].is_double();
    bools = bools && samples[i].is_bool();
  }
  auto whole = [](const Value& v) {
    return v.is_bool() ? std::int64_t{v.as_bool()} : v.as_int();
  };
  if (bools)
    return stack_numbers<bool>(samples, reuse,
                               [](const Value& v) { return v.as_bool(); });
  if (!doubles) return stack_numbers<std::int64_t>(samples, reuse, whole);
  return stack_numbers<double>(samples, reuse, [&](const Value& v) {
    return v.is_double() ? v.as_double() : static_cast<double>(whole(v));
  });
}

/// Those of arrays among them, the first at least.
Value stack_array_numbers(std::vector<Value>& samples, const Value* reuse) {
  const Origin origin = samples[0].as_tensor().origin;
  Value out = stack_mixed(samples, reuse);
  out.as_tensor().origin = origin;
  return out;
}

bool mixes_numbers(const std::vector<Value>& samples) {
  return !number_of(samples[0]).is_tensor() &&
         std::any_of(samples.begin(), samples.end(),
                     [](const Value& v) { return !v.is_tensor(); });
}

Value collate_part(std::vector<Value>&& samples, const Value* reuse);

Value collate_lists(std::vector<Value>&& samples, const Value* reuse) {
  const List& first = samples[0].as_list();
  std::size_t parts = first.items.size();
  for (std::size_t i = 1; i < samples.size(); ++i) {
    if (!samples[i].is_list()) differs(i, samples[i], samples[0]);
    if (samples[i].as_list().items.size() != parts)
      fail(Kind::kValue, "collate", "sample ", i, " of the batch has ",
           samples[i].as_list().items.size(), " items, the first ", parts,
           "; make samples alike, or give a collate_fn");
  }
  List out;
  out.tuple = first.tuple;
  for (std::size_t p = 0; p < parts; ++p) {
    std::vector<Value> column;
    column.reserve(samples.size());
    for (Value& sample : samples)
      column.push_back(std::move(sample.as_list().items[p]));
    out.items.push_back(
        collate_part(std::move(column), detail::item_of(reuse, p)));
  }
  return out;
}

Value collate_dicts(std::vector<Value>&& samples, const Value* reuse) {
  std::vector<Key> keys;
  for (const auto& [key, value] : samples[0].as_dict()) keys.push_back(key);
  for (std::size_t i = 1; i < samples.size(); ++i) {
    if (!samples[i].is_dict()) differs(i, samples[i], samples[0]);
    if (samples[i].as_dict().size() != keys.size())
      fail(Kind::kValue, "collate", "sample ", i, " of the batch has ",
           samples[i].as_dict().size(), " keys, the first ", keys.size(),
           "; make samples alike, or give a collate_fn");
  }
  Dict out;
  out.kind = samples[0].as_dict().kind;
  for (const Key& key : keys) {
    std::vector<Value> column;
    column.reserve(samples.size());
    for (std::size_t i = 0; i < samples.size(); ++i) {
      Value* found = samples[i].as_dict().find(key);
      if (!found)
        fail(Kind::kValue, "collate", "sample ", i, " of the batch has no '",
             to_string(key),
             "', which the first has; make samples alike, or "
             "give a collate_fn");
      column.push_back(std::move(*found));
    }
    out.set(key, collate_part(std::move(column), detail::entry_of(reuse, key)));
  }
  return out;
}

Value collate_part(std::vector<Value>&& samples, const Value* reuse) {
  if (samples.empty()) return Value::list({});
  switch (samples[0].type()) {
    case Value::Type::kTensor:
      return mixes_numbers(samples) ? stack_array_numbers(samples, reuse)
                                    : stack_tensors(samples, reuse);
    case Value::Type::kBool:
    case Value::Type::kInt:
    case Value::Type::kDouble:
      return stack_mixed(samples, reuse);
    case Value::Type::kComplex:
      for (std::size_t i = 0; i < samples.size(); ++i)
        if (!samples[i].is_complex()) differs(i, samples[i], samples[0]);
      return stack_numbers<std::complex<double>>(
          samples, reuse, [](const Value& v) { return v.as_complex(); });
    case Value::Type::kList:
      return collate_lists(std::move(samples), reuse);
    case Value::Type::kDict:
      return collate_dicts(std::move(samples), reuse);
    case Value::Type::kOpaque:
      no_numbers(0, samples[0]);
    default:
      return Value::list(std::move(samples));
  }
}

}  // namespace

Value collate(std::vector<Value>&& samples, const Value& reuse) {
  return collate_part(std::move(samples), &reuse);
}

}  // namespace ptutils::data
