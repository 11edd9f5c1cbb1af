#include "ptutils/module/history.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <map>
#include <mutex>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "ptutils/common/names.h"

namespace ptutils {
namespace {

using Record = History::Record;

auto key_of(const Record& r) { return std::tie(r.attempt, r.step); }

/// One metric: records by (attempt, step), each key once.
struct Series {
  std::string name;
  std::vector<Record> records;
  std::vector<bool> fresh;      // not yet taken, a flag a record
  std::size_t first_fresh = 0;  // none before it

  void append(const Record& record, bool is_fresh) {
    if (!is_fresh && first_fresh == records.size()) ++first_fresh;
    records.push_back(record);
    fresh.push_back(is_fresh);
  }
  void replace(std::size_t at, const Record& record, bool is_fresh) {
    records[at] = record;
    fresh[at] = is_fresh;
    if (is_fresh) first_fresh = std::min(first_fresh, at);
  }
  /// Of two records with one key the later in time stands.
  void insert(const Record& record) {
    auto it = std::lower_bound(
        records.begin(), records.end(), record,
        [](const Record& a, const Record& b) { return key_of(a) < key_of(b); });
    auto at = static_cast<std::size_t>(it - records.begin());
    if (it == records.end()) {
      append(record, false);
    } else if (key_of(*it) != key_of(record)) {
      records.insert(it, record);
      fresh.insert(fresh.begin() + static_cast<std::ptrdiff_t>(at), false);
      if (at <= first_fresh) ++first_fresh;
    } else if (record.time >= it->time) {
      replace(at, record, false);
    }
  }
};

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

template <class T, class Get>
Tensor column(std::span<const Record> records, Get get) {
  Tensor out =
      Tensor::empty({static_cast<std::int64_t>(records.size())}, dtype_of<T>);
  T* data = out.data<T>();
  for (const Record& r : records) *data++ = get(r);
  return out;
}

Value columns_of(std::span<const Record> records) {
  auto whole = [&](std::int64_t Record::*field) {
    return column<std::int64_t>(records,
                                [=](const Record& r) { return r.*field; });
  };
  auto real = [&](double Record::*field) {
    return column<double>(records, [=](const Record& r) { return r.*field; });
  };
  return Dict{{"attempt", whole(&Record::attempt)},
              {"step", whole(&Record::step)},
              {"epoch", whole(&Record::epoch)},
              {"time", real(&Record::time)},
              {"value", real(&Record::value)}};
}

/// The columns of a Dict, checked: 1-d, of the dtypes above, equally long.
class Columns {
 public:
  Columns(const Value& value, std::string where)
      : dict_(value.as_dict(where)), where_(std::move(where)) {}

  template <class T>
  std::span<const T> get(std::string_view name) {
    const Value* found = dict_.find(name);
    std::string where = str(where_, ".", name);
    if (!found || !found->is_tensor())
      fail(Kind::kFormat, where, "a 1-d tensor of ", ptutils::name(dtype_of<T>),
           ", not ", found ? found->repr(60) : "nothing");
    kept_.push_back(found->as_tensor().to_contiguous());
    const Tensor& t = kept_.back();
    if (t.dim() != 1 || t.dtype() != dtype_of<T>)
      fail(Kind::kFormat, where, "a 1-d tensor of ", ptutils::name(dtype_of<T>),
           ", not ", found->repr(60));
    if (size_ < 0) size_ = t.numel();
    if (t.numel() != size_)
      fail(Kind::kFormat, where, t.numel(), " records, but ", size_,
           " in the columns before it");
    return {t.data<T>(), static_cast<std::size_t>(t.numel())};
  }

 private:
  const Dict& dict_;
  std::string where_;
  std::vector<Tensor> kept_;
  std::int64_t size_ = -1;
};

std::vector<Record> records_of(const Value& value, std::string where) {
  Columns columns(value, std::move(where));
  auto attempt = columns.get<std::int64_t>("attempt");
  auto step = columns.get<std::int64_t>("step");
  auto epoch = columns.get<std::int64_t>("epoch");
  auto time = columns.get<double>("time");
  auto number = columns.get<double>("value");
  std::vector<Record> out(attempt.size());
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = {attempt[i], step[i], epoch[i], time[i], number[i]};
  return out;
}

}  // namespace

struct History::Impl {
  struct Attempt {
    std::int64_t from = 0;
    bool fresh = true;
  };

  mutable std::mutex mutex;
  std::vector<Series> series;
  std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> index;
  std::map<std::int64_t, Attempt> attempts;

  // The functions below want the mutex held.
  Series& find_or_add(std::string_view name) {
    if (auto it = index.find(name); it != index.end())
      return series[it->second];
    index.emplace(std::string(name), series.size());
    series.emplace_back().name = name;
    return series.back();
  }
  const Series* find(std::string_view name) const {
    auto it = index.find(name);
    return it == index.end() ? nullptr : &series[it->second];
  }

  /// The last step of `attempt` on the current line: no later attempt began
  /// before it.
  std::int64_t bound(std::int64_t attempt) const {
    std::int64_t least = std::numeric_limits<std::int64_t>::max();
    for (auto it = attempts.upper_bound(attempt); it != attempts.end(); ++it)
      least = std::min(least, it->second.from);
    return least;
  }
  std::vector<Record> current(const Series& s) const {
    std::vector<Record> out;
    out.reserve(s.records.size());
    std::int64_t attempt = 0, last = bound(0);
    for (const Record& r : s.records) {
      if (r.attempt != attempt) last = bound(attempt = r.attempt);
      if (r.step <= last) out.push_back(r);
    }
    auto by_step = [](const Record& a, const Record& b) {
      return a.step < b.step;
    };
    if (!std::is_sorted(out.begin(), out.end(), by_step))
      std::stable_sort(out.begin(), out.end(), by_step);
    // Two attempts may hold the step where the later one began: its record
    // stands.
    std::size_t kept = 0;
    for (std::size_t i = 0; i < out.size(); ++i)
      if (i + 1 == out.size() || out[i + 1].step != out[i].step)
        out[kept++] = out[i];
    out.resize(kept);
    return out;
  }
  Value attempts_value(bool fresh_only) {
    std::vector<std::int64_t> numbers, from;
    for (auto& [number, attempt] : attempts) {
      if (fresh_only && !attempt.fresh) continue;
      numbers.push_back(number);
      from.push_back(attempt.from);
    }
    auto n = static_cast<std::int64_t>(numbers.size());
    return Dict{{"attempt", Tensor::from<std::int64_t>(numbers, {n})},
                {"from", Tensor::from<std::int64_t>(from, {n})}};
  }
};

History::History() : impl_(std::make_unique<Impl>()) {}
History::~History() = default;
History::History(const History& other) : History() { *this = other; }
History& History::operator=(const History& other) {
  if (this == &other) return *this;
  auto copy = std::make_unique<Impl>();
  {
    std::lock_guard lock(other.impl_->mutex);
    copy->series = other.impl_->series;
    copy->index = other.impl_->index;
    copy->attempts = other.impl_->attempts;
  }
  // Not the Impl itself: another thread may hold its mutex.
  std::lock_guard lock(impl_->mutex);
  impl_->series = std::move(copy->series);
  impl_->index = std::move(copy->index);
  impl_->attempts = std::move(copy->attempts);
  return *this;
}

void History::log(std::string_view name, const Record& record) {
  std::lock_guard lock(impl_->mutex);
  Series& series = impl_->find_or_add(name);
  if (!series.records.empty()) {
    const Record& last = series.records.back();
    if (key_of(record) == key_of(last)) {
      series.replace(series.records.size() - 1, record, true);
      return;
    }
    if (key_of(record) < key_of(last))
      fail(Kind::kValue, "History.log", "'", name, "' at attempt ",
           record.attempt, ", step ", record.step, " comes after attempt ",
           last.attempt, ", step ", last.step,
           "; begin a new attempt to do steps again");
  }
  series.append(record, true);
}

void History::begin_attempt(std::int64_t attempt, std::int64_t step) {
  std::lock_guard lock(impl_->mutex);
  impl_->attempts[attempt] = {step, true};
}

std::vector<std::string> History::names(std::string_view glob) const {
  std::lock_guard lock(impl_->mutex);
  std::vector<std::string> out;
  for (const Series& s : impl_->series)
    if (glob_match(glob, s.name)) out.push_back(s.name);
  return out;
}

std::vector<History::Record> History::records(std::string_view name,
                                              bool branches) const {
  std::lock_guard lock(impl_->mutex);
  const Series* series = impl_->find(name);
  if (!series) return {};
  return branches ? series->records : impl_->current(*series);
}

bool History::empty() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->series.empty();
}

std::optional<History::Record> History::last_record(
    std::string_view name) const {
  std::lock_guard lock(impl_->mutex);
  const Series* series = impl_->find(name);
  const Record* best = nullptr;
  if (series) {
    const auto& records = series->records;
    // Attempt by attempt from the newest, so that a later one wins a tie.
    for (auto end = records.end(); end != records.begin();) {
      std::int64_t attempt = std::prev(end)->attempt;
      auto first = std::partition_point(
          records.begin(), end,
          [=](const Record& r) { return r.attempt < attempt; });
      std::int64_t bound = impl_->bound(attempt);
      auto beyond = std::partition_point(
          first, end, [=](const Record& r) { return r.step <= bound; });
      if (beyond != first && (!best || std::prev(beyond)->step > best->step))
        best = &*std::prev(beyond);
      end = first;
    }
  }
  return best ? std::optional(*best) : std::nullopt;
}

double History::last(std::string_view name) const {
  auto record = last_record(name);
  return record ? record->value : std::numeric_limits<double>::quiet_NaN();
}

Value History::take_new() {
  std::lock_guard lock(impl_->mutex);
  Dict metrics;
  for (Series& s : impl_->series) {
    std::vector<Record> taken;
    for (std::size_t i = s.first_fresh; i < s.records.size(); ++i)
      if (s.fresh[i]) taken.push_back(s.records[i]), s.fresh[i] = false;
    s.first_fresh = s.records.size();
    if (!taken.empty()) metrics.set(s.name, columns_of(taken));
  }
  bool attempts = false;
  for (auto& [number, attempt] : impl_->attempts) attempts |= attempt.fresh;
  if (metrics.empty() && !attempts) return {};
  Value begun = impl_->attempts_value(true);
  for (auto& [number, attempt] : impl_->attempts) attempt.fresh = false;
  return Dict{{"attempts", std::move(begun)}, {"metrics", std::move(metrics)}};
}

void History::add(const Value& columns) {
  if (columns.is_null()) return;
  const Dict& dict = columns.as_dict("History");
  std::vector<std::pair<std::string, std::vector<Record>>> read;
  if (const Value* metrics = dict.find("metrics"))
    for (const auto& [key, value] : metrics->as_dict("History.metrics")) {
      std::string name = to_string(key);
      read.emplace_back(name, records_of(value, "History.metrics." + name));
    }
  std::vector<std::pair<std::int64_t, std::int64_t>> begun;
  if (const Value* attempts = dict.find("attempts")) {
    Columns parts(*attempts, "History.attempts");
    auto number = parts.get<std::int64_t>("attempt");
    auto from = parts.get<std::int64_t>("from");
    for (std::size_t i = 0; i < number.size(); ++i)
      begun.emplace_back(number[i], from[i]);
  }
  // All of it is sound: only now is anything changed.
  std::lock_guard lock(impl_->mutex);
  for (auto& [number, from] : begun) impl_->attempts[number] = {from, false};
  for (auto& [name, records] : read) {
    Series& series = impl_->find_or_add(name);
    for (const Record& r : records) series.insert(r);
  }
}

Value History::to_value() const {
  std::lock_guard lock(impl_->mutex);
  Dict metrics;
  for (const Series& s : impl_->series)
    metrics.set(s.name, columns_of(s.records));
  return Dict{{"attempts", impl_->attempts_value(false)},
              {"metrics", std::move(metrics)}};
}

History History::from_value(const Value& value) {
  History out;
  out.add(value);
  return out;
}

bool History::equal(const History& other) const {
  if (this == &other) return true;
  History copy(other);  // never two mutexes at once
  std::lock_guard lock(impl_->mutex);
  auto same = [](const Record& x, const Record& y) {
    return x.step == y.step && x.epoch == y.epoch &&
           std::bit_cast<std::uint64_t>(x.value) ==
               std::bit_cast<std::uint64_t>(y.value);
  };
  // A metric with nothing on the current line is as good as none.
  auto lines = [](const Impl& impl) {
    std::map<std::string, std::vector<Record>> out;
    for (const Series& s : impl.series)
      if (auto line = impl.current(s); !line.empty())
        out.emplace(s.name, std::move(line));
    return out;
  };
  auto mine = lines(*impl_), theirs = lines(*copy.impl_);
  return std::equal(mine.begin(), mine.end(), theirs.begin(), theirs.end(),
                    [&](const auto& x, const auto& y) {
                      return x.first == y.first &&
                             std::equal(x.second.begin(), x.second.end(),
                                        y.second.begin(), y.second.end(), same);
                    });
}

}  // namespace ptutils
