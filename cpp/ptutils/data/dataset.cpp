#include "ptutils/data/dataset.h"

#include <algorithm>
#include <utility>

#include "ptutils/common/names.h"
#include "ptutils/data/detail/batch_builder.h"
#include "ptutils/data/detail/buffers.h"
#include "ptutils/data/detail/files.h"
#include "ptutils/data/detail/sample_error.h"
#include "ptutils/data/detail/spent.h"
#include "ptutils/data/loader.h"
#include "ptutils/data/readers.h"

namespace ptutils::data {

/// Samples of one or more files.
struct Dataset::Source {
  std::vector<std::string> given;      // files and patterns, or none
  std::shared_ptr<DataReader> reader;  // that was given
  std::vector<std::shared_ptr<Dataset>> parts;
  std::vector<std::int64_t> ends;  // of the parts
  detail::FieldChains chains;

  std::int64_t size() const { return ends.empty() ? 0 : ends.back(); }
  /// As the files have it; 0 <= index < size().
  Value raw(std::int64_t index, const Random& random) const {
    const auto at = static_cast<std::size_t>(
        std::upper_bound(ends.begin(), ends.end(), index) - ends.begin());
    const std::int64_t before = at == 0 ? 0 : ends[at - 1];
    return parts[at]->get(index - before, random);
  }
};

Dataset::Dataset() = default;
Dataset::~Dataset() = default;

void Dataset::open(Options options) {
  auto made = std::make_unique<Source>();
  auto& parts = made->parts;
  if (options.datasets.empty()) {
    for (const std::string& path : detail::sources(options.data_source)) {
      const std::shared_ptr<DataReader> reader =
          options.data_reader ? options.data_reader : reader_for(path);
      parts.push_back(reader->read(path));
      if (!parts.back())
        fail(Kind::kType, reader->class_name(), "read('", path,
             "') gave no data set");
      if (parts.back()->field_names() != parts[0]->field_names())
        fail(Kind::kValue, "Dataset", path, " has the fields ",
             join(parts.back()->field_names()), ", the first file ",
             join(parts[0]->field_names()));
    }
  } else {
    parts = std::move(options.datasets);
  }
  for (const auto& part : parts)
    made->ends.push_back(made->size() + part->size());
  made->chains = detail::FieldChains(std::move(options.preprocessor),
                                     parts[0]->field_names());
  made->given = std::move(options.data_source);
  made->reader = std::move(options.data_reader);
  source_ = std::move(made);
}

std::optional<Dataset::Options> Dataset::opened() const {
  if (!source_) return {};
  return Options{source_->given,
                 source_->given.empty()
                     ? source_->parts
                     : std::vector<std::shared_ptr<Dataset>>(),
                 source_->reader, source_->chains.given()};
}

void Dataset::fields(Fields& f) {
  if (!source_) return;
  if (source_->reader) f("data_reader", source_->reader);
  for (std::size_t i = 0; i < source_->parts.size() && source_->given.empty();
       ++i)
    f(str("data_source.", i), source_->parts[i]);
  source_->chains.fields(f);
}

Meta Dataset::meta() const {
  Meta out;
  if (!source_) return out;
  out.exclude = source_->chains.field_slots();
  out.exclude.emplace_back("data_reader");
  for (std::size_t i = 0; i < source_->parts.size(); ++i)
    out.exclude.push_back(str("data_source.", i));
  return out;
}

Value Dataset::to_config() {
  if (!source_) return Module::to_config();
  List sources;
  for (const std::string& path : source_->given)
    sources.items.emplace_back(path);
  for (std::size_t i = 0; i < source_->parts.size() && source_->given.empty();
       ++i)
    sources.items.push_back(source_->parts[i]->to_config());
  Dict config{{"func", class_name()}, {"data_source", std::move(sources)}};
  if (source_->reader) config.set("data_reader", source_->reader->to_config());
  if (!source_->chains.empty())
    config.set("preprocessor", source_->chains.to_config());
  return config;
}

std::int64_t Dataset::size() const {
  if (source_) return source_->size();
  fail(Kind::kNotImplemented, class_name(),
       "defines no __len__(self), and has no data_source");
}

Value Dataset::get(std::int64_t index, Random random) {
  if (!source_)
    fail(Kind::kNotImplemented, class_name(),
         "defines no __getitem__(self, index), and has no data_source");
  detail::check_indices({&index, 1}, source_->size(), "Dataset");
  if (index < 0) index += source_->size();
  return source_->chains.apply(source_->raw(index, random), random);
}

Value Dataset::get_each(std::span<const std::int64_t> indices,
                        const std::vector<Random>& random, const Value& reuse) {
  std::vector<Value> samples;
  samples.reserve(indices.size());
  for (std::size_t i = 0; i < indices.size(); ++i) {
    try {
      samples.push_back(
          get(indices[i], i < random.size() ? random[i] : Random()));
    } catch (...) {
      detail::rethrow_in_sample(indices[i]);
    }
  }
  return collate(std::move(samples), reuse);
}

Value Dataset::get_batch(std::span<const std::int64_t> indices,
                         const std::vector<Random>& random,
                         const Value& reuse) {
  if (!source_) return get_each(indices, random, reuse);
  const auto stream = [&](std::size_t i) {
    return i < random.size() ? random[i] : Random();
  };
  detail::check_indices(indices, source_->size(), "Dataset");
  detail::BatchBuilder batch(indices.size(), source_->chains, origin(), reuse);
  detail::Ticks& spent = detail::spent_ticks();
  std::uint64_t begin = detail::ticks();
  const auto lap = [&begin](std::uint64_t& part) {
    const std::uint64_t now = detail::ticks();
    part += now - std::exchange(begin, now);
  };
  for (std::size_t i = 0; i < indices.size(); ++i) {
    try {
      const std::int64_t index =
          indices[i] < 0 ? indices[i] + source_->size() : indices[i];
      Value raw = source_->raw(index, stream(i));
      lap(spent.reading);
      batch.add(std::move(raw), stream(i));
      lap(spent.transforming);
    } catch (...) {
      detail::rethrow_in_sample(indices[i]);
    }
  }
  return batch.finish();
}

bool Dataset::draws_random() const {
  if (!source_) return true;
  return source_->chains.draws_random() ||
         std::any_of(source_->parts.begin(), source_->parts.end(),
                     [](const auto& part) { return part->draws_random(); });
}

bool Dataset::is_python() const {
  if (!source_) return false;
  return source_->chains.is_python() ||
         std::any_of(source_->parts.begin(), source_->parts.end(),
                     [](const auto& part) { return part->is_python(); });
}

Origin Dataset::origin() const {
  return source_ ? source_->parts[0]->origin() : Origin::kNative;
}

std::vector<std::string> Dataset::field_names() const {
  return source_ ? source_->parts[0]->field_names()
                 : std::vector<std::string>();
}

std::vector<std::int64_t> Dataset::blocks() const {
  std::vector<std::int64_t> out;
  if (!source_) return out;
  for (std::size_t p = 0; p < source_->parts.size(); ++p)
    for (std::int64_t begin : source_->parts[p]->blocks())
      out.push_back(begin + (p == 0 ? 0 : source_->ends[p - 1]));
  return out;
}

}  // namespace ptutils::data
