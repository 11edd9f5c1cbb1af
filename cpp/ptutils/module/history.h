#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ptutils/module/value.h"

namespace ptutils {

/// Numbers by name as a function of step and epoch. Records are keyed by
/// (attempt, step): after a rollback or a resume that does steps again, a new
/// attempt begins, and reads show the current line only. Thread-safe.
class PTUTILS_API History {
 public:
  struct Record {
    std::int64_t attempt = 0;
    std::int64_t step = 0;
    std::int64_t epoch = 0;
    double time = 0;  ///< seconds since the epoch (not part of equality)
    double value = 0;
  };

  /// Records must come in order of (attempt, step). One name logged twice at
  /// the same (attempt, step): the last value stands.
  void log(std::string_view name, const Record& record);

  /// Attempt `attempt` goes on from `step` (0: from the start): records of
  /// earlier attempts beyond it leave the current line.
  void begin_attempt(std::int64_t attempt, std::int64_t step);

  /// Metric names ("train/loss"), in order of first appearance, that match the
  /// glob.
  std::vector<std::string> names(std::string_view glob = "*") const;
  /// In order of step. branches: the abandoned ones too, by (attempt, step).
  std::vector<Record> records(std::string_view name,
                              bool branches = false) const;
  bool empty() const;
  /// The last value of a name on the current line; NaN when there is none.
  double last(std::string_view name) const;
  /// The last record of a name on the current line.
  std::optional<Record> last_record(std::string_view name) const;

  /// The records logged since the last take, as columns that a database stores:
  /// {attempts: {attempt, from}, metrics: {name: {attempt, step, epoch, time,
  /// value}}} of 1-d tensors; null when there are none.
  Value take_new();
  /// Puts back what take_new gave and a database returned, in any order: of two
  /// records with one key the later in time stands. Nothing is changed when it
  /// is malformed (Kind::kFormat).
  void add(const Value& columns);

  Value to_value() const;  ///< all of it
  static History from_value(const Value& value);
  /// The current lines agree: same names, steps, epochs and bits of values.
  /// Attempts and times may differ (a killed and resumed run has others).
  bool equal(const History& other) const;

  History();
  History(const History&);
  History& operator=(const History&);
  ~History();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ptutils
