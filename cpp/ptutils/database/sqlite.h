#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ptutils/module/db_interface.h"

namespace ptutils {

struct SQLiteOptions {
  bool read_only = false;
  /// The background queue: save waits while it holds more. A document larger
  /// than the limit waits until the queue is empty.
  std::size_t max_pending = 4096;
  std::size_t max_pending_bytes = std::size_t{1} << 30;
  /// How long a call waits for other processes that write. Background saves
  /// wait in the queue for as long as it takes; close() gives them this long.
  double busy_seconds = 10;
};

/// The embedded database: documents and their arrays in one SQLite file, with
/// no server. Many processes may use a file at once (on a local disk: WAL mode
/// needs shared memory), one of them writing at a time.
///
/// Arrays are stored once by content: documents that share bytes share them in
/// the file, and the last one removed frees them. find reads only the arrays
/// inside the projection; a match never reads any.
///
/// Saves are atomic and durable when they return (synchronous=FULL). Those in
/// the background are written in order by one thread, several in a transaction
/// when they wait; find shows them once they are written. What takes an _id
/// (load_from_id, update, remove) waits for a save of that _id; save,
/// remove_many and execute wait for all. One that fails is dropped, and its
/// error is thrown by the next call of any method. While another process keeps
/// the file locked they stay in the queue; calls that wait for them are then
/// errors after busy_seconds (Kind::kBusy), and can be made again. Where the
/// file was removed or replaced meanwhile, the next save or sync closes it, and
/// that one and all others are errors (Kind::kIO).
///
/// Rows and arrays carry checksums (XXH3), compared when they are read: damage
/// is an error (Kind::kFormat) that names the document, the others can be read.
/// Rows that a version without them wrote (schema 1) are taken as they are. A
/// damaged index may still hide a document from find; execute reads raw.
///
/// Thread-safe: writers take turns, reading goes on beside them. After a fork
/// the child opens its own connections at first use; saves that were waiting
/// belong to the parent. Closed at shutdown, waiting saves written first.
class PTUTILS_API SQLiteInterface : public DBInterface {
 public:
  /// Opens the file, or makes it (its folder must exist).
  explicit SQLiteInterface(std::string path, SQLiteOptions options = {});
  ~SQLiteInterface() override;  // close(); its error is logged

  std::string class_name() const override {
    return "ptutils.database.SQLiteInterface";
  }
  Value to_config() override;

  std::string save(const Value& document, bool background = false) override;
  bool insert(const Value& document) override;
  std::vector<Value> find(const Value& query,
                          const FindOptions& options = {}) override;
  Value load_from_id(const std::string& id) override;
  /// `query` has a top-level "_id" (a string). Reads and writes no arrays but
  /// those that `set` names.
  bool update(const Value& query, const Value& set,
              const std::vector<std::string>& unset = {}) override;
  bool remove(const std::string& id) override;
  std::int64_t remove_many(const Value& query) override;
  void sync() override;
  bool is_locked() override;
  void close() override;
  std::string location() const override { return path_; }
  bool read_only() const { return options_.read_only; }

  /// Raw access: one SQL statement, values bound by `params` (a List for ?, a
  /// Dict for :name, or null), never pasted into the text. Rows as a List of
  /// Dicts. Tables: see detail/schema.cpp; they may change between versions.
  Value execute(const std::string& sql, const Value& params = {});

 private:
  struct Store;
  Store& store();
  template <class F>
  auto write(F&& body);

  std::string path_;
  std::string file_;  // absolute: the working directory may change
  SQLiteOptions options_;
  std::atomic<Store*> store_{nullptr};
};

}  // namespace ptutils
