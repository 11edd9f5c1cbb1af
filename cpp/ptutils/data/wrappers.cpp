#include "ptutils/data/wrappers.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ptutils/data/detail/batch_builder.h"
#include "ptutils/data/detail/buffers.h"
#include "ptutils/data/detail/numbers.h"
#include "ptutils/data/detail/sample_error.h"
#include "ptutils/tensor/ops.h"

namespace ptutils::data {
namespace {

Meta without(std::vector<std::string> children) {
  Meta out;
  out.exclude = std::move(children);
  return out;
}

void want_dataset(const std::shared_ptr<Dataset>& dataset, const char* where) {
  if (!dataset) fail(Kind::kType, where, "no data set was given");
  if (dataset->is_iterable())
    fail(Kind::kType, where, "takes samples by their index, and those of ",
         dataset->class_name(),
         " come one after another; IterableDataset(data, preprocessor=…) maps "
         "them");
}

std::size_t bytes_of(const Value& sample) {
  std::size_t out = sizeof(Value);
  if (sample.is_tensor()) {
    out += sample.as_tensor().nbytes();
  } else if (sample.is_list()) {
    for (const Value& item : sample.as_list().items) out += bytes_of(item);
  } else if (sample.is_dict()) {
    for (const auto& [key, item] : sample.as_dict()) out += bytes_of(item);
  } else if (sample.is_opaque()) {
    if (auto* image = dynamic_cast<EncodedImage*>(sample.as_opaque().get()))
      out += image->bytes();
  } else if (sample.is_string()) {
    out += sample.as_string().size();
  } else if (sample.is_bytes()) {
    out += sample.as_bytes().data.size();
  }
  return out;
}

/// The numbers of samples that the shares mean.
std::vector<std::int64_t> counts_of(const std::vector<double>& shares,
                                    std::int64_t n) {
  constexpr char kSplit[] = "random_split";
  double sum = 0;
  bool whole = true;
  for (double share : shares) {
    if (!(share >= 0))
      fail(Kind::kValue, kSplit, "a share of ", share, "; give 0 or more");
    sum += share;
    whole = whole && share == std::floor(share);
  }
  const bool fractions = sum <= 1 + 1e-9 && !(whole && sum == 1 && n == 1);
  std::vector<std::int64_t> out;
  for (double share : shares)
    out.push_back(static_cast<std::int64_t>(
        fractions ? std::floor(share * static_cast<double>(n)) : share));
  const std::int64_t used =
      std::accumulate(out.begin(), out.end(), std::int64_t{0});
  if (!fractions && (!whole || used != n))
    fail(Kind::kValue, kSplit, "shares that sum to ", sum, " of ", n,
         " samples; give fractions up to 1, or numbers of samples that sum to ",
         n);
  // What rounding down left goes to the first, one each, as torch does it.
  std::int64_t rest = fractions && std::abs(sum - 1) < 1e-9 ? n - used : 0;
  for (std::size_t i = 0; rest > 0; i = (i + 1) % out.size(), --rest) ++out[i];
  return out;
}

}  // namespace

Subset::Subset(std::shared_ptr<Dataset> dataset, const Tensor& indices)
    : dataset_(std::move(dataset)) {
  want_dataset(dataset_, "Subset");
  if (indices.dim() != 1 ||
      (indices.numel() > 0 && !is_integer(indices.dtype())))
    fail(Kind::kType, "Subset", "indices are whole numbers, (n), not ",
         indices.shape_str(), " ", name(indices.dtype()));
  indices_ = cast(indices, DType::kI64).clone();
  if (indices.dtype() == DType::kU64)
    for (std::int64_t i = 0; i < indices_.numel(); ++i)
      if (indices_.data<std::int64_t>()[i] < 0)  // by the cast alone
        fail(Kind::kIndex, "Subset", "an index beyond 2^63; the data set has ",
             dataset_->size(), " samples");
  const std::int64_t n = dataset_->size();
  for (auto& index : std::span(indices_.data<std::int64_t>(),
                               static_cast<std::size_t>(indices_.numel()))) {
    detail::check_indices({&index, 1}, n, "Subset");
    if (index < 0) index += n;
  }
}

void Subset::fields(Fields& f) { f("dataset", dataset_); }
Meta Subset::meta() const { return without({"dataset"}); }
Value Subset::to_config() {
  return Dict{{"func", class_name()},
              {"dataset", dataset_->to_config()},
              {"indices", detail::list_of(indices_)}};
}

Value Subset::get(std::int64_t index, Random random) {
  detail::check_indices({&index, 1}, size(), "Subset");
  if (index < 0) index += size();
  return dataset_->get(indices_.data<std::int64_t>()[index], random);
}

Value Subset::get_batch(std::span<const std::int64_t> indices,
                        const std::vector<Random>& random, const Value& reuse) {
  detail::check_indices(indices, size(), "Subset");
  std::vector<std::int64_t> inner;
  inner.reserve(indices.size());
  const auto* at = indices_.data<std::int64_t>();
  for (std::int64_t index : indices)
    inner.push_back(at[index < 0 ? index + size() : index]);
  return dataset_->get_batch(inner, random, reuse);
}

std::vector<std::int64_t> Subset::blocks() const {
  const std::span at(indices_.data<std::int64_t>(),
                     static_cast<std::size_t>(size()));
  if (!std::is_sorted(at.begin(), at.end())) return {};
  std::vector<std::int64_t> out;
  auto from = at.begin();
  const std::vector<std::int64_t> begins = dataset_->blocks();
  for (std::size_t i = 0; i < begins.size() && from != at.end(); ++i) {
    const auto to = i + 1 < begins.size()
                        ? std::lower_bound(from, at.end(), begins[i + 1])
                        : at.end();
    if (to != from) out.push_back(from - at.begin());
    from = to;
  }
  return out;
}

std::vector<std::shared_ptr<Subset>> random_split(
    const std::shared_ptr<Dataset>& dataset, const std::vector<double>& shares,
    std::uint64_t seed) {
  want_dataset(dataset, "random_split");
  const std::int64_t n = dataset->size();
  const Tensor order = Random::named(seed, "random_split").permutation(n);
  std::vector<std::shared_ptr<Subset>> out;
  std::int64_t begin = 0;
  for (std::int64_t count : counts_of(shares, n)) {
    out.push_back(std::make_shared<Subset>(
        dataset, order.slice(0, begin, begin + count)));
    begin += count;
  }
  return out;
}

ZipDataset::ZipDataset(std::vector<std::shared_ptr<Dataset>> datasets)
    : datasets_(std::move(datasets)) {
  if (datasets_.empty())
    fail(Kind::kValue, "ZipDataset", "no data sets were given");
  for (std::size_t i = 0; i < datasets_.size(); ++i) {
    want_dataset(datasets_[i], "ZipDataset");
    if (datasets_[i]->size() != datasets_[0]->size())
      fail(Kind::kValue, "ZipDataset", "data set ", i, " has ",
           datasets_[i]->size(), " samples, the first ", datasets_[0]->size());
  }
}

void ZipDataset::fields(Fields& f) {
  for (std::size_t i = 0; i < datasets_.size(); ++i)
    f(std::to_string(i), datasets_[i]);
}
Meta ZipDataset::meta() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < datasets_.size(); ++i)
    names.push_back(std::to_string(i));
  return without(std::move(names));
}
Value ZipDataset::to_config() {
  List datasets;
  for (const auto& dataset : datasets_)
    datasets.items.push_back(dataset->to_config());
  return Dict{{"func", class_name()}, {"datasets", std::move(datasets)}};
}

std::int64_t ZipDataset::size() const { return datasets_[0]->size(); }

Value ZipDataset::get(std::int64_t index, Random random) {
  List out;
  out.tuple = true;
  for (const auto& dataset : datasets_)
    out.items.push_back(dataset->get(index, random));
  return out;
}

Value ZipDataset::get_batch(std::span<const std::int64_t> indices,
                            const std::vector<Random>& random,
                            const Value& reuse) {
  List out;
  out.tuple = true;
  for (std::size_t i = 0; i < datasets_.size(); ++i) {
    const Value* mine = detail::item_of(&reuse, i);
    out.items.push_back(
        datasets_[i]->get_batch(indices, random, mine ? *mine : Value()));
  }
  return out;
}

bool ZipDataset::draws_random() const {
  return std::any_of(datasets_.begin(), datasets_.end(),
                     [](const auto& d) { return d->draws_random(); });
}
bool ZipDataset::is_python() const {
  return std::any_of(datasets_.begin(), datasets_.end(),
                     [](const auto& d) { return d->is_python(); });
}

MapDataset::MapDataset(std::shared_ptr<Dataset> dataset,
                       std::shared_ptr<Transform> function)
    : dataset_(std::move(dataset)), function_(std::move(function)) {
  want_dataset(dataset_, "MapDataset");
  if (!function_) fail(Kind::kType, "MapDataset", "no function was given");
}

void MapDataset::fields(Fields& f) {
  f("dataset", dataset_);
  f("function", function_);
}
Meta MapDataset::meta() const { return without({"dataset", "function"}); }
Value MapDataset::to_config() {
  return Dict{{"func", class_name()},
              {"dataset", dataset_->to_config()},
              {"function", function_->to_config()}};
}

Value MapDataset::get(std::int64_t index, Random random) {
  constexpr auto kOwn = ~std::uint64_t{0};  // no transform of the data set's
  Pending sample(dataset_->get(index, random));
  apply_chain({function_}, sample, random.at(kOwn));
  return sample.value();
}

bool MapDataset::draws_random() const {
  return dataset_->draws_random() || function_->draws_random();
}
bool MapDataset::is_python() const {
  return dataset_->is_python() || function_->is_python();
}

CachedDataset::CachedDataset(std::shared_ptr<Dataset> dataset,
                             std::optional<std::size_t> max_bytes)
    : dataset_(std::move(dataset)), max_bytes_(max_bytes) {
  want_dataset(dataset_, "CachedDataset");
  if (max_bytes_ == 0)
    fail(Kind::kValue, "CachedDataset",
         "max_bytes=0 keeps nothing; give a number of bytes, or None for no "
         "limit");
  samples_.resize(static_cast<std::size_t>(dataset_->size()));
}

void CachedDataset::fields(Fields& f) { f("dataset", dataset_); }
Meta CachedDataset::meta() const { return without({"dataset"}); }
Value CachedDataset::to_config() {
  Dict config{{"func", class_name()}, {"dataset", dataset_->to_config()}};
  if (max_bytes_)
    config.set("max_bytes", static_cast<std::int64_t>(*max_bytes_));
  return config;
}

std::size_t CachedDataset::cached_bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

/// Copies go out: who gets a sample may write into it.
Value CachedDataset::get(std::int64_t index, Random) {
  detail::check_indices({&index, 1}, size(), "CachedDataset");
  const auto at = static_cast<std::size_t>(index < 0 ? index + size() : index);
  Value known;
  {
    std::lock_guard lock(mutex_);
    known = samples_[at];
  }
  if (!known.is_null()) return known.clone();
  // Who asks first, and in which epoch, must not matter.
  static const Random once = Random::named(0, "CachedDataset");
  Value sample = dataset_->get(static_cast<std::int64_t>(at), once.at(at));
  Value kept = sample.clone();
  const std::size_t bytes = bytes_of(kept);
  std::lock_guard lock(mutex_);
  if (samples_[at].is_null() &&
      (!max_bytes_ || bytes_ + bytes <= *max_bytes_)) {
    samples_[at] = std::move(kept);
    bytes_ += bytes;
  }
  return sample;
}

Value CachedDataset::get_batch(std::span<const std::int64_t> indices,
                               const std::vector<Random>& random,
                               const Value& reuse) {
  static const detail::FieldChains kNone;
  detail::BatchBuilder batch(indices.size(), kNone, origin(), reuse);
  for (std::size_t i = 0; i < indices.size(); ++i) {
    try {
      const Random mine = i < random.size() ? random[i] : Random();
      batch.add(i, get(indices[i], mine), mine);
    } catch (...) {
      detail::rethrow_in_sample(indices[i]);
    }
  }
  return batch.finish();
}

}  // namespace ptutils::data
