#include <algorithm>
#include <cstring>

#include "ptutils/common/thread_pool.h"
#include "ptutils/data/dataset.h"
#include "ptutils/data/detail/batch_builder.h"
#include "ptutils/data/detail/batch_scope.h"
#include "ptutils/data/detail/buffers.h"
#include "ptutils/data/detail/sample_error.h"
#include "ptutils/data/loader.h"
#include "ptutils/tensor/image_kernels.h"

namespace ptutils::data {
namespace {

constexpr char kWhere[] = "ArrayDataset";

/// Calls f(name for messages, tensor) for each array.
template <class F>
void each_array(const Value& arrays, F&& f) {
  if (arrays.is_tensor()) {
    f(std::string("the array"), arrays);
  } else if (arrays.is_list()) {
    const auto& items = arrays.as_list().items;
    for (std::size_t i = 0; i < items.size(); ++i)
      f(str("array ", i), items[i]);
  } else if (arrays.is_dict()) {
    for (const auto& [key, value] : arrays.as_dict())
      f(str("'", to_string(key), "'"), value);
  } else {
    fail(Kind::kType, kWhere, "arrays in a tuple, a list or a dict, not ",
         arrays.type_name());
  }
}

/// Every row of the array is one run of memory.
bool rows_contiguous(const Tensor& t) {
  std::int64_t expected = 1;
  for (auto d = t.shape().size(); d-- > 1;) {
    if (t.shape()[d] != 1 && t.strides()[d] != expected) return false;
    expected *= t.shape()[d];
  }
  return true;
}

Value gather(const Tensor& source, std::span<const std::int64_t> indices,
             bool run, const Value* reuse) {
  Dims shape = source.shape();
  shape[0] = static_cast<std::int64_t>(indices.size());
  Tensor out = detail::buffer(reuse, shape, source.dtype());
  out.origin = source.origin;
  if (out.numel() == 0) return out;
  auto item = static_cast<std::int64_t>(item_size(source.dtype()));
  std::int64_t stride = source.strides()[0] * item;
  auto row = out.nbytes() / indices.size();
  if (!rows_contiguous(source)) {
    for (std::size_t i = 0; i < indices.size(); ++i)
      out.select(0, static_cast<std::int64_t>(i))
          .copy_from(source.select(0, indices[i]));
  } else if (run && stride == static_cast<std::int64_t>(row)) {
    std::memcpy(out.bytes(), source.bytes() + indices[0] * stride,
                out.nbytes());
  } else {
    detail::gather_rows(source.bytes(), stride, row, indices, out.bytes());
  }
  return out;
}

}  // namespace

ArrayDataset::ArrayDataset(Value arrays) : arrays_(std::move(arrays)) {
  std::string first;
  each_array(arrays_, [&](const std::string& name, const Value& value) {
    if (!value.is_tensor())
      fail(Kind::kType, kWhere, name, " is a ", value.type_name(),
           ", not an array",
           value.is_list() ? ": give the arrays apart, ArrayDataset(x, y), and "
                             "numbers as np.asarray(…)"
                           : "");
    const Tensor& t = value.as_tensor();
    if (t.dim() == 0)
      fail(Kind::kValue, kWhere, name,
           " has no dimensions; the first one counts samples");
    if (first.empty()) {
      first = name;
      size_ = t.size(0);
    } else if (t.size(0) != size_) {
      fail(Kind::kValue, kWhere, name, " has ", t.size(0), " samples (shape ",
           t.shape_str(), "), ", first, " has ", size_,
           "; the first dimensions must agree");
    }
  });
  if (first.empty()) fail(Kind::kValue, kWhere, "no arrays were given");
}

Value ArrayDataset::get(std::int64_t index, Random) {
  detail::check_indices({&index, 1}, size_, kWhere);
  auto row_of = [&](const Tensor& array) {
    Tensor out = array.select(0, index);
    // As NumPy gives an element.
    out.numpy_scalar = out.dim() == 0 && out.origin == Origin::kNumpy;
    return out;
  };
  if (arrays_.is_tensor()) return row_of(arrays_.as_tensor());
  if (arrays_.is_list()) {
    List row;
    row.tuple = true;
    for (const Value& array : arrays_.as_list().items)
      row.items.emplace_back(row_of(array.as_tensor()));
    return row;
  }
  Dict row;
  for (const auto& [key, array] : arrays_.as_dict())
    row.set(key, row_of(array.as_tensor()));
  return row;
}

namespace {

/// f(array, key or null, what of `reuse` goes with it) for each array, as one
/// value of the arrays' structure; null when one of them is.
template <class F>
Value map_arrays(const Value& arrays, const Value& reuse, F&& f) {
  if (arrays.is_tensor()) return f(arrays.as_tensor(), 0, nullptr, &reuse);
  if (arrays.is_list()) {
    const auto& items = arrays.as_list().items;
    List out;
    out.tuple = true;
    out.items.reserve(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      out.items.push_back(
          f(items[i].as_tensor(), i, nullptr, detail::item_of(&reuse, i)));
      if (out.items.back().is_null()) return {};
    }
    return out;
  }
  Dict out;
  std::size_t i = 0;
  for (const auto& [key, array] : arrays.as_dict()) {
    const std::string text = to_string(key);
    Value made =
        f(array.as_tensor(), i++, &text, detail::entry_of(&reuse, key));
    if (made.is_null()) return {};
    out.set(key, std::move(made));
  }
  return out;
}

/// Rows of an array through a chain that does the same to each; null else.
Value through(const Chain& chain, const Tensor& array,
              std::span<const std::int64_t> indices, const Value* reuse) {
  const bool varies =
      std::any_of(chain.begin(), chain.end(), [](const auto& transform) {
        return transform->draws_random() || transform->is_python();
      });
  if (varies || indices.empty()) return {};
  const Tensor first = array.select(0, 0);
  Pending pending{Value(first)};
  apply_chain(chain, pending, Random());
  if (!pending.repeats(*array.storage())) return {};
  const std::int64_t step =
      array.strides()[0] * static_cast<std::int64_t>(item_size(array.dtype()));
  std::vector<std::int64_t> rows(indices.size());
  std::transform(indices.begin(), indices.end(), rows.begin(),
                 [step](std::int64_t index) { return index * step; });
  Dims shape = pending.shape();
  shape.insert(shape.begin(), static_cast<std::int64_t>(indices.size()));
  Tensor out = detail::buffer(reuse, shape, pending.dtype());
  const auto make = [&](std::int64_t from, std::int64_t to) {
    pending.write_rows(
        std::span(rows).subspan(static_cast<std::size_t>(from),
                                static_cast<std::size_t>(to - from)),
        out.slice(0, from, to));
    image_kernels::streamed_stores_done();
  };
  const auto n = static_cast<std::int64_t>(indices.size());
  if (detail::batch_is_awaited())
    parallel_for(n, std::max<std::int64_t>(n / 16, 1), make);
  else
    make(0, n);
  return out;
}

}  // namespace

Value ArrayDataset::get_batch(std::span<const std::int64_t> indices,
                              const std::vector<Random>&, const Value& reuse) {
  bool run = detail::check_indices(indices, size_, kWhere);
  std::vector<std::int64_t> wrapped;
  for (std::size_t i = 0; !run && i < indices.size(); ++i)
    if (indices[i] < 0) {
      if (wrapped.empty()) wrapped.assign(indices.begin(), indices.end());
      wrapped[i] += size_;
    }
  if (!wrapped.empty()) indices = wrapped;
  return map_arrays(arrays_, reuse,
                    [&](const Tensor& array, std::size_t, const std::string*,
                        const Value* old) -> Value {
                      return gather(array, indices, run, old);
                    });
}

Value ArrayDataset::get_batch_through(const detail::FieldChains& chains,
                                      std::span<const std::int64_t> indices,
                                      const Value& reuse) const {
  const bool run = detail::check_indices(indices, size_, kWhere);
  if (std::any_of(indices.begin(), indices.end(),
                  [](std::int64_t index) { return index < 0; }))
    return {};
  chains.check(arrays_);
  return map_arrays(arrays_, reuse,
                    [&](const Tensor& array, std::size_t i,
                        const std::string* key, const Value* old) -> Value {
                      const Chain* chain = chains.of(i, key);
                      if (chain && !chain->empty())
                        return through(*chain, array, indices, old);
                      return gather(array, indices, run, old);
                    });
}

Origin ArrayDataset::origin() const {
  Origin found = Origin::kNative;
  bool first = true;
  each_array(arrays_, [&](const std::string&, const Value& value) {
    if (first) found = value.as_tensor().origin;
    first = false;
  });
  return found;
}

}  // namespace ptutils::data
