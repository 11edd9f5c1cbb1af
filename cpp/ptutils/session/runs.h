#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ptutils/module/codec.h"
#include "ptutils/session/store.h"

namespace ptutils {

/// Which checkpoint: the newest of the current line, or the best one. The
/// second names are those of Python's at='best'.
enum class At { kLast, kBest, last = kLast, best = kBest };

/// One run, read-only: what its database says now.
class PTUTILS_API Run {
 public:
  Run(std::shared_ptr<DBInterface> db, RunRecord record);

  const std::string& exp_id() const { return record_.exp_id; }
  const RunRecord& record() const { return record_; }
  const Status& status() const { return record_.status; }
  const Value& config() const { return record_.config; }
  History history() const;
  std::vector<Value> metadata() const;
  std::vector<CheckpointInfo> checkpoints() const;
  /// The whole state of a checkpoint. Kind::kNotFound when there is none.
  Value state(At at = At::kLast) const;
  /// A part ("model.net"), built from the stored configuration, with its state
  /// in it. Only registered classes are built unless `trusted`; `net`: the
  /// object to load into, where the configuration cannot build it.
  ModulePtr load(const std::string& path, At at = At::kLast,
                 bool trusted = false, ModulePtr into = nullptr) const;
  template <class T>
  std::shared_ptr<T> load(const std::string& path, At at = At::kLast) const {
    auto typed = std::dynamic_pointer_cast<T>(load(path, at));
    if (!typed) fail(Kind::kType, exp_id() + "." + path, "is of another type");
    return typed;
  }
  /// What differs between two configurations.
  Value diff(const Run& other) const;

 private:
  Value checkpoint(At at) const;
  [[noreturn]] void fail_no_best() const;
  std::shared_ptr<DBInterface> db_;
  RunRecord record_;
  RunStore store_;
};

/// The runs of a database, opened read-only; a live one shows what is durable.
class PTUTILS_API Runs {
 public:
  explicit Runs(std::shared_ptr<DBInterface> db) : db_(std::move(db)) {}
  /// Kind::kNotFound with the nearest exp_ids.
  Run operator[](std::string_view exp_id) const;
  /// By glob over exp_id ("fashion-*"), oldest first.
  std::vector<Run> match(std::string_view glob = "*") const;
  /// By query: {"model.optimizer.lr": {"$lt": 1e-2}} asks the configuration,
  /// "val/accuracy" a metric's last value, and status, outcome, stage, step,
  /// epoch, attempt, host, duration, best, created and parent what they say.
  /// Kind::kKey for a name that no run has.
  std::vector<Run> find(const Value& query) const;
  DBInterface& db() const { return *db_; }

 private:
  std::vector<Run> documents(const Value& query) const;
  std::shared_ptr<DBInterface> db_;
};

/// Opens a database read-only: pt::open("runs.db")["fashion-mlp"].
PTUTILS_API Runs open(const std::string& location);

}  // namespace ptutils
