#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ptutils/common/error.h"

/// SQLite's C handles. Private to this folder.
namespace ptutils::detail {

/// A prepared statement that is running: bound, stepped, and reset when it
/// leaves the scope. Columns and blobs bound by view must outlive it.
class Cursor {
 public:
  Cursor(class Connection& connection, sqlite3_stmt* statement, bool owned)
      : connection_(&connection), statement_(statement), owned_(owned) {}
  Cursor(Cursor&& other) noexcept;
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  ~Cursor();

  Cursor& bind(int index, std::int64_t value);
  Cursor& bind(int index, std::string_view text);
  Cursor& bind(int index, std::span<const std::byte> bytes);  ///< not copied
  Cursor& bind_null(int index);

  /// True while there is a row.
  bool step();
  /// To the end, rows ignored.
  void run();

  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  std::string_view text(int column) const;  ///< until the next step
  std::span<const std::byte> bytes(int column) const;
  sqlite3_stmt* handle() const { return statement_; }

 private:
  void check(int code);
  Connection* connection_;
  sqlite3_stmt* statement_;
  bool owned_;  // not from the cache
};

/// One connection. Used by one thread at a time, under a ForkGate. After a fork
/// the child's first open closes what was inherited; then a Connection of the
/// parent must not be used or destroyed.
class Connection {
 public:
  /// `file` is a path, or a file: URI when `flags` say so. `label` is what
  /// messages call the database.
  Connection(const std::string& file, int flags, std::string label);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void exec(const char* sql);
  /// Compiled once and kept; for SQL of ours, of static lifetime. One that
  /// cannot be compiled tells of a damaged schema.
  Cursor query(const char* sql);
  /// Compiled for this use alone: a user's, or (`ours`) as of query().
  Cursor query_once(const std::string& sql, bool ours = false);
  std::int64_t integer(const char* sql);
  std::int64_t last_id() const { return sqlite3_last_insert_rowid(db_); }
  std::int64_t changes() const { return sqlite3_changes64(db_); }
  bool in_transaction() const { return !sqlite3_get_autocommit(db_); }
  /// Code of the last call: SQLITE_BUSY … (primary).
  int last_code() const { return sqlite3_errcode(db_) & 0xff; }
  void set_busy_timeout(int milliseconds) {
    sqlite3_busy_timeout(db_, milliseconds);
  }
  /// The file is no longer what its path names: removed, moved, replaced.
  bool moved() const {
    int moved = 0;
    sqlite3_file_control(db_, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return moved != 0;
  }
  /// Closes without the checkpoint that would remove the log's files.
  void keep_log() {
    sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
  /// Throws what a result code means to a user: what happened, what to do.
  [[noreturn]] void raise(int code) const;
  /// Of SQL of ours, where nothing is wrong but the file.
  [[noreturn]] void raise_ours(int code) const {
    raise(code == SQLITE_ERROR ? SQLITE_CORRUPT : code);
  }
  sqlite3* handle() const { return db_; }
  const std::string& label() const { return label_; }
  /// Rows have the column `sum`: not in a file of schema 1 that is only read.
  bool has_sums = true;

 private:
  sqlite3* db_ = nullptr;
  std::string label_;
  std::unordered_map<const char*, sqlite3_stmt*> cache_;
};

/// Rolls back unless committed.
class Transaction {
 public:
  /// `begin`: "BEGIN" or "BEGIN IMMEDIATE".
  Transaction(Connection& connection, const char* begin);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Connection& connection_;
};

/// Reads and compares a BLOB column in place, row by row.
class BlobReader {
 public:
  BlobReader(Connection& connection, const char* table, const char* column)
      : connection_(connection), table_(table), column_(column) {}
  ~BlobReader() { sqlite3_blob_close(blob_); }
  BlobReader(const BlobReader&) = delete;
  BlobReader& operator=(const BlobReader&) = delete;

  /// Goes to a row; its size in bytes.
  std::size_t open(std::int64_t row);
  void read(std::span<std::byte> out, std::size_t offset = 0);

 private:
  Connection& connection_;
  const char* table_;
  const char* column_;
  sqlite3_blob* blob_ = nullptr;
};

}  // namespace ptutils::detail
