#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ptutils/module/db_interface.h"
#include "ptutils/module/history.h"
#include "ptutils/module/status.h"

namespace ptutils {

/// One attempt: where its line begins.
struct Attempt {
  std::int64_t attempt = 0;
  std::int64_t from_step = 0;
  std::string kind;    ///< "new", "resumed", "restarted", "rollback"
  double started = 0;  ///< seconds since the epoch
};

/// What a database says of a run: one document, {kind: "run"}.
struct PTUTILS_API RunRecord {
  std::string exp_id;
  Status status;
  Value config;  ///< effective configuration
  Value given;   ///< as it was built, before anything changed while it ran
  List edits;    ///< [{attempt, step, path, old, new, cause}]
  std::vector<Attempt> attempts;
  Value best;    ///< {metric, value, step, checkpoint}; null: none
  Value latest;  ///< last value by metric
  double created = 0;
  std::string parent;

  Value to_value() const;
  static RunRecord from_value(const Value& document);
};

/// A checkpoint's place, without its state.
struct CheckpointInfo {
  std::string id;
  std::int64_t attempt = 0;
  std::int64_t step = 0;
  double time = 0;
};

/// The documents of one run in a database: its record (with the lease),
/// checkpoints, history, metadata. Thread-safe as the database is.
class PTUTILS_API RunStore {
 public:
  RunStore(std::shared_ptr<DBInterface> db, std::string exp_id);

  std::optional<RunRecord> find() const;
  /// Takes the lease: at once when there is no record yet, the run is not in
  /// progress, or its process is lost; else Kind::kBusy naming host and pid.
  /// Returns the record as it was before (nullopt: none).
  std::optional<RunRecord> acquire(const Status& mine);
  /// The run has ended here: another object of this process may take the
  /// lease, even where the record could not say so.
  void release() { lease_ = nullptr; }
  /// Writes the record, under the lease; false: another process took it.
  bool write(const RunRecord& record);
  /// Writes the status and the latest values only (the heartbeat).
  bool beat(const Status& status, const Value& latest);

  /// Queues a checkpoint; returns its id.
  std::string save_checkpoint(const Value& document);
  /// Newest last, on every line.
  std::vector<CheckpointInfo> checkpoints() const;
  /// The newest one on the current line.
  std::optional<CheckpointInfo> newest(
      const std::vector<Attempt>& attempts) const;
  Value load_checkpoint(const std::string& id) const;
  /// Keeps, of what was saved since the last restart: the last `keep` of the
  /// current line, the one of step 0 (restart begins there), and the one
  /// named. Older ones stay as they are.
  void retain(const std::vector<Attempt>& attempts, std::int64_t keep,
              const std::string& best) const;

  void save_history(const Value& columns);
  History load_history() const;
  void save_metadata(const Value& metadata);
  std::vector<Value> metadata() const;

  DBInterface& db() const { return *db_; }

 private:
  std::shared_ptr<DBInterface> db_;
  std::string exp_id_;
  class Lease;
  std::shared_ptr<Lease> lease_;  // that this object holds
};

}  // namespace ptutils
