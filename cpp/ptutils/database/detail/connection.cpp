#include "ptutils/database/detail/connection.h"

#include <cerrno>
#include <cstring>
#include <mutex>
#include <set>
#include <utility>

#include "ptutils/common/fork.h"

namespace ptutils::detail {
namespace {

// Every open handle with the generation that opened it. Leaky: used by other
// statics' destructors.
struct Handles {
  std::mutex mutex;
  std::set<std::pair<std::uint64_t, sqlite3*>> open;
};
Handles& handles() {
  static auto* all = new Handles;
  return *all;
}

// SQLite believes that an inherited handle still holds the parent's file locks,
// and would take none for a new one. So the child closes what it inherited
// before it opens anything, without the checkpoint that may remove the log
// under the parent. A fork waits for the gate: nothing is in mid-transaction.
void close_inherited(Handles& all) {
  const std::uint64_t now = fork_generation();
  while (!all.open.empty() && all.open.begin()->first < now) {
    sqlite3* db = all.open.begin()->second;
    all.open.erase(all.open.begin());
    while (sqlite3_stmt* statement = sqlite3_next_stmt(db, nullptr))
      sqlite3_finalize(statement);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    sqlite3_close(db);
  }
}

// SQLite does not keep the cause of every failed write: the limit of a file's
// size (EFBIG) comes as a plain IOERR_WRITE.
[[noreturn]] void raise_io(const std::string& label, int code, int error) {
  const bool full = (code & 0xff) == SQLITE_FULL || error == ENOSPC ||
                    error == EFBIG || error == EDQUOT;
  const char* cause = error ? std::strerror(error) : sqlite3_errstr(code);
  if (full || code == SQLITE_IOERR_WRITE)
    fail(Kind::kIO, "SQLiteInterface", label, ": no room to write (", cause,
         "): the disk, a quota or the limit of a file's size; this save is not "
         "stored, everything before it is: free space, or raise the limit");
  fail(Kind::kIO, "SQLiteInterface", label, ": ", cause,
       "; what was stored before is untouched: check the disk and its mount");
}

[[noreturn]] void raise_code(const std::string& label, int code, int error,
                             const char* message) {
  switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
      raise_io(label, code, error);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      fail(Kind::kBusy, "SQLiteInterface", label,
           ": another process keeps it locked for writing; try again, or end "
           "that process");
    case SQLITE_READONLY:
      fail(Kind::kIO, "SQLiteInterface", label,
           ": not writable; open it with read_only=True, or give this user "
           "the right to write the file and its folder");
    case SQLITE_CANTOPEN:
      fail(Kind::kIO, "SQLiteInterface", label, ": cannot be opened",
           error ? str(" (", std::strerror(error), ")") : "",
           "; the file, or its -wal and -shm beside it, may not be read or "
           "made by this user: check the rights of the file and its folder");
    case SQLITE_PERM:
    case SQLITE_AUTH:
      fail(Kind::kIO, "SQLiteInterface", label, ": ", message);
    case SQLITE_NOTADB:
      fail(Kind::kFormat, "SQLiteInterface", label,
           ": is no SQLite database; give the path of another file");
    case SQLITE_CORRUPT:
      fail(Kind::kFormat, "SQLiteInterface", label, ": is damaged (", message,
           "); take the file from a copy, or save what can be read by "
           "`sqlite3 FILE .recover`");
    case SQLITE_NOMEM:
      fail(Kind::kMemory, "SQLiteInterface", label, ": no memory");
    case SQLITE_TOOBIG:
      fail(Kind::kValue, "SQLiteInterface", label,
           ": the document without its arrays is larger than SQLite takes "
           "(1 GB); put large data into arrays");
    default:
      fail(Kind::kValue, "SQLiteInterface", label, ": ", message);
  }
}

}  // namespace

Connection::Connection(const std::string& file, int flags, std::string label)
    : label_(std::move(label)) {
  Handles& all = handles();
  std::lock_guard lock(all.mutex);
  close_inherited(all);
  int code = sqlite3_open_v2(
      file.c_str(), &db_, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      nullptr);
  if (code != SQLITE_OK) {
    int error = db_ ? sqlite3_system_errno(db_) : 0;
    sqlite3_close(db_);
    raise_code(label_, code, error, sqlite3_errstr(code));
  }
  all.open.insert({fork_generation(), db_});
}

Connection::~Connection() {
  for (auto& [_, statement] : cache_) sqlite3_finalize(statement);
  Handles& all = handles();
  std::lock_guard lock(all.mutex);
  all.open.erase({fork_generation(), db_});
  sqlite3_close(db_);
}

void Connection::raise(int code) const {
  std::string message = sqlite3_errmsg(db_);
  raise_code(label_, code, sqlite3_system_errno(db_), message.c_str());
}

void Connection::exec(const char* sql) {
  int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) raise(code);
}

Cursor Connection::query(const char* sql) {
  sqlite3_stmt*& statement = cache_[sql];
  if (!statement) {
    int code = sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                  &statement, nullptr);
    if (code != SQLITE_OK) raise_ours(code);
  }
  return Cursor(*this, statement, false);
}

Cursor Connection::query_once(const std::string& sql, bool ours) {
  sqlite3_stmt* statement = nullptr;
  const char* tail = nullptr;
  int code = sqlite3_prepare_v2(db_, sql.data(), static_cast<int>(sql.size()),
                                &statement, &tail);
  if (code != SQLITE_OK && ours) raise_ours(code);
  if (code != SQLITE_OK) raise(code);
  Cursor cursor(*this, statement, true);
  if (!statement)
    fail(Kind::kValue, "SQLiteInterface", label_, ": an empty statement");
  std::string_view rest(tail, sql.data() + sql.size());
  if (rest.find_first_not_of(" \t\r\n;") != std::string_view::npos)
    fail(Kind::kValue, "SQLiteInterface", label_,
         ": one statement at a time, not also '", rest.substr(0, 60), "'");
  return cursor;
}

std::int64_t Connection::integer(const char* sql) {
  Cursor cursor = query(sql);
  return cursor.step() ? cursor.integer(0) : 0;
}

Cursor::Cursor(Cursor&& other) noexcept
    : connection_(other.connection_),
      statement_(std::exchange(other.statement_, nullptr)),
      owned_(other.owned_) {}

Cursor::~Cursor() {
  if (owned_) {
    sqlite3_finalize(statement_);
  } else if (statement_) {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
}

void Cursor::check(int code) {
  if (code != SQLITE_OK) connection_->raise(code);
}

Cursor& Cursor::bind(int index, std::int64_t value) {
  check(sqlite3_bind_int64(statement_, index, value));
  return *this;
}

Cursor& Cursor::bind(int index, std::string_view text) {
  check(sqlite3_bind_text64(statement_, index, text.data(), text.size(),
                            SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

Cursor& Cursor::bind(int index, std::span<const std::byte> bytes) {
  // A null address would bind NULL.
  const void* data =
      bytes.empty() ? static_cast<const void*>("") : bytes.data();
  check(sqlite3_bind_blob64(statement_, index, data, bytes.size(),
                            SQLITE_STATIC));
  return *this;
}

Cursor& Cursor::bind_null(int index) {
  check(sqlite3_bind_null(statement_, index));
  return *this;
}

bool Cursor::step() {
  int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  connection_->raise(code);
}

void Cursor::run() {
  while (step()) {
  }
}

bool Cursor::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::int64_t Cursor::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string_view Cursor::text(int column) const {
  auto* data =
      reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (!data) return {};
  return {data,
          static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::span<const std::byte> Cursor::bytes(int column) const {
  auto* data =
      static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
  return {data,
          static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

Transaction::Transaction(Connection& connection, const char* begin)
    : connection_(connection) {
  connection_.query(begin).run();
}

Transaction::~Transaction() {
  // A full disk may have rolled it back already.
  if (connection_.in_transaction())
    sqlite3_exec(connection_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() { connection_.query("COMMIT").run(); }

std::size_t BlobReader::open(std::int64_t row) {
  int code = blob_ ? sqlite3_blob_reopen(blob_, row)
                   : sqlite3_blob_open(connection_.handle(), "main", table_,
                                       column_, row, 0, &blob_);
  if (code != SQLITE_OK) connection_.raise_ours(code);
  return static_cast<std::size_t>(sqlite3_blob_bytes(blob_));
}

void BlobReader::read(std::span<std::byte> out, std::size_t offset) {
  int code = sqlite3_blob_read(blob_, out.data(), static_cast<int>(out.size()),
                               static_cast<int>(offset));
  if (code != SQLITE_OK) connection_.raise(code);
}

}  // namespace ptutils::detail
