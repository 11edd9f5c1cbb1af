#include "ptutils/data/dataset.h"

#include <algorithm>
#include <utility>

#include "ptutils/common/names.h"
#include "ptutils/common/thread_pool.h"
#include "ptutils/data/detail/batch_builder.h"
#include "ptutils/data/detail/batch_scope.h"
#include "ptutils/data/detail/buffers.h"
#include "ptutils/data/detail/files.h"
#include "ptutils/data/detail/numbers.h"
#include "ptutils/data/detail/sample_error.h"
#include "ptutils/data/detail/spent.h"
#include "ptutils/data/detail/stream.h"
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
  /// All of it, where it is arrays in memory.
  const ArrayDataset* arrays() const {
    if (parts.size() != 1 || parts[0]->is_python()) return nullptr;
    return dynamic_cast<const ArrayDataset*>(parts[0].get());
  }
};

namespace {

bool is_stream(const std::shared_ptr<Dataset>& part) {
  return part->is_iterable();
}

/// Equal dtypes, of the fields that no transform changes: else they would be
/// those of the shard that a batch's first sample is from.
void check_dtypes(const Dataset& part, const std::string& path,
                  const Dataset& first, const Preprocessor& preprocessor) {
  const auto names = part.field_names();
  const auto mine = part.field_dtypes(), wanted = first.field_dtypes();
  for (std::size_t f = 0; f < std::min(mine.size(), wanted.size()); ++f) {
    const bool changed = std::any_of(
        preprocessor.begin(), preprocessor.end(), [&](const auto& chain) {
          return chain.first == names[f] || (chain.first.empty() && f == 0);
        });
    if (mine[f] != wanted[f] && !changed)
      fail(Kind::kValue, "Dataset", path, ": '", names[f], "' is ",
           name(mine[f]), ", in the first file ", name(wanted[f]),
           "; cast it: preprocessor={'", names[f], "': [T.Cast('",
           name(wanted[f]), "')]}");
  }
}

/// Equal fields; an empty shard has none, and gives nothing.
void check_shards(std::vector<std::shared_ptr<Dataset>>& parts,
                  const std::vector<std::string>& paths,
                  const Preprocessor& preprocessor) {
  const auto empty = [](const std::shared_ptr<Dataset>& part) {
    return !part->is_iterable() && part->size() == 0;
  };
  const auto first = std::find_if_not(parts.begin(), parts.end(), empty);
  if (first == parts.end()) return;
  const std::vector<std::string> fields = (*first)->field_names();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (empty(parts[i])) continue;
    if (parts[i]->field_names() != fields)
      fail(Kind::kValue, "Dataset", paths[i], " has the fields ",
           join(parts[i]->field_names()), ", the first file ", join(fields));
    check_dtypes(*parts[i], paths[i], **first, preprocessor);
    const auto mine = parts[i]->class_names(), theirs = (*first)->class_names();
    if (mine != theirs)
      fail(Kind::kValue, "Dataset", paths[i], " has the classes ", join(mine),
           ", the first one ", join(theirs),
           ": a class would have two labels; "
           "give each a folder for each class (it may be empty)");
  }
  std::erase_if(parts, empty);
}

}  // namespace

Dataset::Dataset() = default;
Dataset::~Dataset() = default;

void Dataset::open(Options options) {
  auto made = std::make_unique<Source>();
  auto& parts = made->parts;
  if (options.datasets.empty()) {
    std::vector<std::string> named;
    for (const std::string& path : detail::sources(options.data_source)) {
      const std::shared_ptr<DataReader> reader =
          options.data_reader ? options.data_reader : reader_for(path);
      parts.push_back(reader->read(path));
      if (!parts.back())
        fail(Kind::kType, reader->class_name(), "read('", path,
             "') gave no data set");
      named.push_back(path);
    }
    check_shards(parts, named, options.preprocessor);
  } else {
    parts = std::move(options.datasets);
    for (std::size_t i = 1; i < parts.size(); ++i) {
      const auto mine = parts[i]->field_names(),
                 first = parts[0]->field_names();
      if (!mine.empty() && !first.empty() && mine.size() != first.size())
        fail(Kind::kValue, "Dataset", "data set ", i, " has the fields ",
             join(mine), ", the first one ", join(first),
             "; samples of one data set have the same structure");
    }
  }
  if (std::none_of(parts.begin(), parts.end(), is_stream))
    for (const auto& part : parts) {
      std::int64_t end = 0;
      if (__builtin_add_overflow(made->size(), part->size(), &end))
        fail(Kind::kValue, "Dataset", "the data sets have ", made->size(),
             " and ", part->size(), " samples: together more than 2^63");
      made->ends.push_back(end);
    }
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

std::string DataReader::extra_repr() { return detail::arguments_text(*this); }

std::string Dataset::extra_repr() {
  std::string out;
  try {
    if (!is_iterable()) out = str(size(), " samples");
  } catch (const std::exception&) {  // of one that lacks its methods
    return {};
  }
  if (source_ && !source_->given.empty()) {
    const std::size_t more = source_->given.size() - 1;
    out += str(out.empty() ? "" : ", ", source_->given[0],
               more > 0 ? str(" and ", more, " more") : "");
  }
  return out;
}

std::int64_t Dataset::size() const {
  if (is_iterable())
    fail(Kind::kType, class_name(),
         "has no length and no indices: its samples come one after another");
  if (source_) return source_->size();
  fail(Kind::kNotImplemented, class_name(),
       "defines no __len__(self), and has no data_source");
}

Value Dataset::get(std::int64_t index, Random random) {
  if (!source_)
    fail(Kind::kNotImplemented, class_name(),
         "defines no __getitem__(self, index), and has no data_source");
  detail::check_indices({&index, 1}, size(), "Dataset");
  if (index < 0) index += source_->size();
  return source_->chains.apply(source_->raw(index, random), random);
}

Value Dataset::get_each(std::span<const std::int64_t> indices,
                        const std::vector<Random>& random, const Value& reuse) {
  std::vector<Value> samples;
  samples.reserve(indices.size());
  for (std::size_t i = 0; i < indices.size(); ++i) {
    check_wanted();
    try {
      samples.push_back(
          get(indices[i], i < random.size() ? random[i] : Random()));
    } catch (...) {
      detail::rethrow_in_sample(indices[i]);
    }
  }
  return collate(std::move(samples), reuse);
}

/// A batch of arrays in memory whose chains do the same to all rows, or null:
/// where a chain fails, it is to say in which sample.
Value Dataset::in_one(std::span<const std::int64_t> indices,
                      const Value& reuse) const {
  const ArrayDataset* arrays = source_->arrays();
  if (!arrays) return {};
  const detail::Timed timed(detail::spent_ticks().transforming);
  Value made;
  try {
    made = arrays->get_batch_through(source_->chains, indices, reuse);
  } catch (const Error&) {
    return {};
  }
  detail::stamp(made, origin(), /*native_only=*/false);
  return made;
}

Value Dataset::get_batch(std::span<const std::int64_t> indices,
                         const std::vector<Random>& random,
                         const Value& reuse) {
  if (!source_) return get_each(indices, random, reuse);
  const auto stream = [&](std::size_t i) {
    return i < random.size() ? random[i] : Random();
  };
  detail::check_indices(indices, size(), "Dataset");
  if (Value made = in_one(indices, reuse); !made.is_null()) return made;
  detail::BatchBuilder batch(indices.size(), source_->chains, origin(), reuse);
  const auto add = [&](std::int64_t from, std::int64_t to) {
    detail::Ticks& spent = detail::spent_ticks();
    std::uint64_t begin = detail::ticks();
    const auto lap = [&begin](std::uint64_t& part) {
      const std::uint64_t now = detail::ticks();
      part += now - std::exchange(begin, now);
    };
    for (auto i = static_cast<std::size_t>(from);
         i < static_cast<std::size_t>(to); ++i) {
      check_wanted();
      try {
        const std::int64_t index =
            indices[i] < 0 ? indices[i] + source_->size() : indices[i];
        const std::uint64_t decoded = spent.decoding;  // by a data set within
        Value raw = source_->raw(index, stream(i));
        begin += spent.decoding - decoded;
        lap(spent.reading);
        batch.add(i, std::move(raw), stream(i));
        lap(spent.transforming);
      } catch (...) {
        detail::rethrow_in_sample(indices[i]);
      }
    }
  };
  const auto count = static_cast<std::int64_t>(indices.size());
  if (count < 2 || !detail::batch_is_awaited()) {
    add(0, count);
  } else {
    add(0, 1);  // which says what the batch is like
    const BatchInfo info = *batch_info();
    parallel_for(count - 1, std::max<std::int64_t>(count / 64, 1),
                 [&](std::int64_t from, std::int64_t to) {
                   const detail::BatchScope scope(info);
                   add(from + 1, to + 1);
                   detail::BatchBuilder::settle();
                 });
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

std::vector<DType> Dataset::field_dtypes() const { return {}; }

std::vector<std::string> Dataset::class_names() const {
  return source_ ? source_->parts[0]->class_names()
                 : std::vector<std::string>();
}

bool Dataset::shares_batches() const { return source_ && !is_python(); }

bool Dataset::is_iterable() const {
  return source_ &&
         std::any_of(source_->parts.begin(), source_->parts.end(), is_stream);
}

std::unique_ptr<SampleStream> Dataset::iterate(const Random& stream,
                                               std::int64_t epoch) {
  if (source_) return detail::stream_of(source_->parts, stream, epoch);
  fail(Kind::kNotImplemented, class_name(),
       "defines no __iter__(self), and has no data_source");
}

const detail::FieldChains& Dataset::chains() const {
  static const detail::FieldChains kNone;
  return source_ ? source_->chains : kNone;
}

Value Dataset::processed(Value sample, const Random& random) const {
  return chains().apply(std::move(sample), random);
}

std::vector<std::int64_t> Dataset::blocks() const {
  std::vector<std::int64_t> out;
  if (!source_ || is_iterable()) return out;
  for (std::size_t p = 0; p < source_->parts.size(); ++p) {
    const std::int64_t first = p == 0 ? 0 : source_->ends[p - 1];
    const std::vector<std::int64_t> begins = source_->parts[p]->blocks();
    if (begins.empty() && source_->ends[p] > first) return {};
    for (std::int64_t begin : begins) out.push_back(first + begin);
  }
  return out;
}

}  // namespace ptutils::data
