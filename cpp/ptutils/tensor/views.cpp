#include <algorithm>
#include <optional>
#include <utility>

#include "ptutils/tensor/detail/copy.h"
#include "ptutils/tensor/tensor.h"

namespace ptutils {
namespace {

using detail::wrap_dim;

std::size_t at(std::int64_t dim, const Tensor& t, std::string_view where) {
  return static_cast<std::size_t>(wrap_dim(dim, t.dim(), where));
}

// Offset of `t`'s first element in its storage, in bytes: views of unaligned
// data need not be whole elements away.
std::int64_t byte_offset(const Tensor& t) {
  return t.bytes() - t.storage()->data();
}

// A view `shift` elements further on. Within the bounds of `t`, so unchecked.
Tensor view_of(const Tensor& t, Dims shape, Dims strides,
               std::int64_t shift = 0) {
  auto item = static_cast<std::int64_t>(item_size(t.dtype()));
  std::int64_t start = byte_offset(t) + shift * item;
  Tensor out;
  if (start % item == 0) {
    out = Tensor::view(t.storage(), t.dtype(), std::move(shape),
                       std::move(strides), start / item);
  } else {
    auto whole = Storage::wrap(
        t.storage()->data() + start % item,
        t.storage()->bytes() - static_cast<std::size_t>(start % item),
        t.storage(), t.storage()->read_only());
    out = Tensor::view(std::move(whole), t.dtype(), std::move(shape),
                       std::move(strides), start / item);
  }
  out.origin = t.origin;
  return out;
}

Dims infer(const Tensor& t, Dims shape) {
  std::int64_t unknown = -1;
  std::int64_t known = 1;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] != -1) continue;
    if (unknown >= 0)
      fail(Kind::kValue, "Tensor.reshape", "more than one -1 in the shape");
    unknown = static_cast<std::int64_t>(d);
  }
  if (unknown >= 0) {
    Dims others = shape;
    others[static_cast<std::size_t>(unknown)] = 1;
    known = count_elements(others);
    if (known == 0 || t.numel() % known != 0)
      fail(Kind::kValue, "Tensor.reshape", t.numel(), " elements of shape ",
           t.shape_str(), " cannot fill a -1 beside ", known, " elements");
    shape[static_cast<std::size_t>(unknown)] = t.numel() / known;
  }
  if (count_elements(shape) != t.numel())
    fail(Kind::kValue, "Tensor.reshape", "shape ", t.shape_str(), " has ",
         t.numel(), " elements, the new one ", count_elements(shape));
  return shape;
}

// Strides that show the same elements in `shape`, if there are any: each run
// of old dimensions that is one piece of memory is cut into new dimensions.
std::optional<Dims> reshaped_strides(const Tensor& t, const Dims& shape) {
  if (t.numel() == 0 || t.contiguous()) return contiguous_strides(shape);
  Dims out(shape.size());
  std::int64_t d = static_cast<std::int64_t>(shape.size()) - 1;
  std::int64_t step = t.strides().back();
  std::int64_t run = 1;    // elements of the piece
  std::int64_t taken = 1;  // of which new dimensions have
  for (std::int64_t i = t.dim() - 1; i >= 0; --i) {
    auto k = static_cast<std::size_t>(i);
    run *= t.shape()[k];
    bool ends =
        i == 0 || (t.shape()[k - 1] != 1 && t.strides()[k - 1] != run * step);
    if (!ends) continue;
    while (d >= 0 && (taken < run || shape[static_cast<std::size_t>(d)] == 1)) {
      out[static_cast<std::size_t>(d)] = taken * step;
      taken *= shape[static_cast<std::size_t>(d--)];
    }
    if (taken != run) return std::nullopt;
    if (i > 0) {
      step = t.strides()[k - 1];
      taken = run = 1;
    }
  }
  return d == -1 ? std::optional(out) : std::nullopt;
}

}  // namespace

Tensor Tensor::reshape(Dims shape) const {
  shape = infer(*this, std::move(shape));
  if (auto strides = reshaped_strides(*this, shape))
    return view_of(*this, std::move(shape), std::move(*strides));
  return clone().reshape(std::move(shape));
}

Tensor Tensor::flatten(std::int64_t start_dim) const {
  if (dim() == 0) return reshape({1});
  std::size_t start = at(start_dim, *this, "Tensor.flatten");
  Dims shape(shape_.begin(),
             shape_.begin() + static_cast<std::ptrdiff_t>(start));
  shape.push_back(count_elements(std::span(shape_).subspan(start)));
  return reshape(std::move(shape));
}

Tensor Tensor::permute(const Dims& dims) const {
  if (dims.size() != shape_.size())
    fail(Kind::kValue, "Tensor.permute", dims.size(),
         " dimensions named for shape ", shape_str());
  Dims shape, strides;
  std::vector<bool> seen(dims.size());
  for (std::int64_t d : dims) {
    std::size_t k = at(d, *this, "Tensor.permute");
    if (seen[k])
      fail(Kind::kValue, "Tensor.permute", "dimension ", d, " named twice");
    seen[k] = true;
    shape.push_back(shape_[k]);
    strides.push_back(strides_[k]);
  }
  return view_of(*this, std::move(shape), std::move(strides));
}

Tensor Tensor::transpose(std::int64_t a, std::int64_t b) const {
  std::size_t i = at(a, *this, "Tensor.transpose");
  std::size_t j = at(b, *this, "Tensor.transpose");
  Dims shape = shape_, strides = strides_;
  std::swap(shape[i], shape[j]);
  std::swap(strides[i], strides[j]);
  return view_of(*this, std::move(shape), std::move(strides));
}

Tensor Tensor::slice(std::int64_t d, std::int64_t start, std::int64_t stop,
                     std::int64_t step) const {
  std::size_t k = at(d, *this, "Tensor.slice");
  if (step <= 0)
    fail(Kind::kValue, "Tensor.slice", "step ", step, " must be positive");
  std::int64_t n = shape_[k];
  if (start < 0) start += n;
  if (stop < 0) stop += n;
  start = std::clamp<std::int64_t>(start, 0, n);
  stop = std::clamp<std::int64_t>(stop, start, n);
  Dims shape = shape_, strides = strides_;
  shape[k] = stop == start ? 0 : (stop - start - 1) / step + 1;
  // A step that overflows is only possible where no second row exists.
  if (shape[k] > 1) strides[k] *= step;
  std::int64_t shift = shape[k] == 0 ? 0 : start * strides_[k];
  return view_of(*this, std::move(shape), std::move(strides), shift);
}

Tensor Tensor::select(std::int64_t d, std::int64_t index) const {
  std::size_t k = at(d, *this, "Tensor.select");
  std::int64_t n = shape_[k];
  if (index < -n || index >= n)
    fail(Kind::kIndex, "Tensor.select", "index ", index,
         " is out of range for dimension ", k, " of size ", n);
  if (index < 0) index += n;
  Dims shape = shape_, strides = strides_;
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(k));
  strides.erase(strides.begin() + static_cast<std::ptrdiff_t>(k));
  std::int64_t shift = numel_ == 0 ? 0 : index * strides_[k];
  return view_of(*this, std::move(shape), std::move(strides), shift);
}

Tensor Tensor::unsqueeze(std::int64_t d) const {
  auto k = wrap_dim(d, dim() + 1, "Tensor.unsqueeze");
  Dims shape = shape_, strides = strides_;
  auto index = static_cast<std::size_t>(k);
  std::int64_t step =
      index < shape.size() ? shape_[index] * strides_[index] : 1;
  shape.insert(shape.begin() + k, 1);
  strides.insert(strides.begin() + k, step);
  return view_of(*this, std::move(shape), std::move(strides));
}

Tensor Tensor::squeeze(std::int64_t d) const {
  std::size_t k = at(d, *this, "Tensor.squeeze");
  if (shape_[k] != 1) return view_of(*this, shape_, strides_);
  return select(d, 0);
}

Tensor Tensor::broadcast_to(const Dims& shape) const {
  count_elements(shape);
  bool fits = shape.size() >= shape_.size();
  Dims strides(shape.size(), 0);
  for (std::size_t d = 0; fits && d < shape_.size(); ++d) {
    std::size_t k = shape.size() - shape_.size() + d;
    fits = shape_[d] == shape[k] || shape_[d] == 1;
    if (shape_[d] == shape[k]) strides[k] = strides_[d];
  }
  if (!fits)
    fail(Kind::kValue, "Tensor.broadcast_to", "shape ", shape_str(),
         " does not broadcast to the one asked for, of ", shape.size(),
         " dimensions and ", count_elements(shape), " elements");
  return view_of(*this, shape, std::move(strides));
}

}  // namespace ptutils
