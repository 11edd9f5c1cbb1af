#include "ptutils/database/detail/schema.h"

#include <chrono>
#include <thread>

namespace ptutils::detail {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kApplicationId = 0x70747574;  // "ptut"
constexpr int kBusyMilliseconds = 10000;

// documents: exp_id and kind are copies of the document's own for the indices:
// its text, 0 for any other type, NULL where it has none.
// tensors: either a blob, or (up to 64 bytes) the bytes themselves.
// blobs: by content; in chunks, as one value may not exceed 1 GB.
// sum: see row_sum.h. Those of schema 1 have none, in rows of then not either.
constexpr const char* kSchema = R"sql(
CREATE TABLE documents(
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, exp_id, kind,
  skeleton TEXT NOT NULL, sum INTEGER);
CREATE INDEX documents_exp_id ON documents(exp_id, kind);
CREATE INDEX documents_kind ON documents(kind);
CREATE TABLE tensors(
  document INTEGER NOT NULL, name TEXT NOT NULL, dtype TEXT NOT NULL,
  shape TEXT NOT NULL, blob INTEGER, bytes BLOB, sum INTEGER,
  PRIMARY KEY(document, name)) WITHOUT ROWID;
CREATE INDEX tensors_blob ON tensors(blob) WHERE blob IS NOT NULL;
CREATE TABLE blobs(
  id INTEGER PRIMARY KEY, hash TEXT NOT NULL, size INTEGER NOT NULL);
CREATE INDEX blobs_hash ON blobs(hash, size);
CREATE TABLE chunks(
  id INTEGER PRIMARY KEY, blob INTEGER NOT NULL, part INTEGER NOT NULL,
  bytes BLOB NOT NULL);
CREATE UNIQUE INDEX chunks_blob ON chunks(blob, part);
)sql";

// True when the file holds our schema, false when it holds nothing at all.
// Wants a transaction: another process may be making the schema between two
// reads.
bool check_schema_within(Connection& db) {
  std::int64_t version = db.integer("PRAGMA user_version");
  std::int64_t application = db.integer("PRAGMA application_id");
  if (application == 0 && version == 0 &&
      db.integer("SELECT count(*) FROM sqlite_master") == 0)
    return false;
  if (application != kApplicationId)
    fail(Kind::kFormat, "SQLiteInterface", db.label(),
         ": is an SQLite database of another program; give another path");
  if (version > kSchemaVersion)
    fail(Kind::kState, "SQLiteInterface", db.label(),
         ": written by a newer ptutils (schema ", version,
         "); this one reads up to ", kSchemaVersion, ": upgrade ptutils");
  if (version < 1)
    fail(Kind::kFormat, "SQLiteInterface", db.label(), ": has no schema (",
         version, "); its file is damaged");
  db.has_sums = version > 1;
  return true;
}

bool check_schema(Connection& db) {
  Transaction one_moment(db, "BEGIN");
  return check_schema_within(db);
}

// Makes it, or adds what schema 1 had not.
void make_schema(Connection& db) {
  Transaction transaction(db, "BEGIN IMMEDIATE");
  if (check_schema_within(db) && db.has_sums) return;  // another was first
  if (db.has_sums) {
    db.exec(kSchema);
  } else {
    db.exec("ALTER TABLE documents ADD COLUMN sum INTEGER");
    db.exec("ALTER TABLE tensors ADD COLUMN sum INTEGER");
    db.has_sums = true;
  }
  db.exec(str("PRAGMA application_id=", kApplicationId).c_str());
  db.exec(str("PRAGMA user_version=", kSchemaVersion).c_str());
  transaction.commit();
}

// Changing the journal's mode does not wait for other connections by itself.
void enter_wal_mode(Connection& db) {
  auto deadline = std::chrono::steady_clock::now() +
                  std::chrono::milliseconds(kBusyMilliseconds);
  for (;;) {
    int code = sqlite3_exec(db.handle(), "PRAGMA journal_mode=WAL", nullptr,
                            nullptr, nullptr);
    if (code == SQLITE_OK) return;
    bool busy = (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED;
    if (!busy || std::chrono::steady_clock::now() > deadline) db.raise(code);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void check_place(const Place& place) {
  fs::path file(place.file);
  std::error_code ignored;
  if (fs::is_directory(file, ignored))
    fail(Kind::kIO, "SQLiteInterface", place.label,
         ": is a folder; give the path of a file in it, such as ", place.label,
         "/runs.db");
  if (!fs::is_directory(file.parent_path(), ignored))
    fail(Kind::kIO, "SQLiteInterface", place.label, ": there is no folder ",
         file.parent_path().string(), "; make it first (mkdir -p)");
  if (place.read_only && !fs::exists(file, ignored))
    fail(Kind::kIO, "SQLiteInterface", place.label,
         ": no such file; a database to read from must exist");
}

// A path as a URI that says that nobody writes the file.
std::string immutable_uri(const std::string& file) {
  std::string uri = "file:";
  constexpr char kHex[] = "0123456789ABCDEF";
  for (char c : file) {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '/' || c == '.' ||
        c == '-' || c == '_') {
      uri += c;
    } else {
      uri += '%';
      uri += kHex[static_cast<unsigned char>(c) >> 4];
      uri += kHex[static_cast<unsigned char>(c) & 15];
    }
  }
  return uri + "?immutable=1";
}

bool has_log(const std::string& file) {
  std::error_code error;
  auto size = fs::file_size(file + "-wal", error);
  return !error && size > 0;
}

void require_schema(Connection& db) {
  if (!check_schema(db))
    fail(Kind::kFormat, "SQLiteInterface", db.label(),
         ": is empty, no ptutils database; open it for writing once");
}

}  // namespace

std::unique_ptr<Connection> open_writer(const Place& place) {
  check_place(place);
  auto db = std::make_unique<Connection>(
      place.file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, place.label);
  db->set_busy_timeout(kBusyMilliseconds);
  // SQLite opens a file that it may not write without a word.
  if (sqlite3_db_readonly(db->handle(), "main") == 1)
    db->raise(SQLITE_READONLY);
  bool ours = check_schema(*db);
  // Pages of 16 KB: a large array is written in half the time of 4 KB ones, a
  // small update still writes few bytes.
  if (!ours) db->exec("PRAGMA page_size=16384");
  enter_wal_mode(*db);
  // FULL: a commit is on the disk when it returns, which sync() promises.
  db->exec("PRAGMA synchronous=FULL");
  db->exec("PRAGMA cache_size=-16384");
  db->exec("PRAGMA journal_size_limit=67108864");
  if (!ours || !db->has_sums) make_schema(*db);
  return db;
}

void close_moved(std::unique_ptr<Connection> writer) {
  writer->set_busy_timeout(1000);
  // Through handles, not the path; an empty log belongs to nobody. It is not
  // removed: who opened the new file may use it by now.
  sqlite3_wal_checkpoint_v2(writer->handle(), "main",
                            SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  writer->keep_log();
}

Reader::Reader(Place place) : place_(std::move(place)) { open(); }

void Reader::open() {
  check_place(place_);
  connection_.reset();
  immutable_ = false;
  auto db = std::make_unique<Connection>(place_.file, SQLITE_OPEN_READONLY,
                                         place_.label);
  db->set_busy_timeout(kBusyMilliseconds);
  int code = sqlite3_exec(db->handle(), "PRAGMA user_version", nullptr, nullptr,
                          nullptr);
  int primary = code & 0xff;
  if (primary == SQLITE_CANTOPEN || primary == SQLITE_READONLY) {
    if (has_log(place_.file))
      fail(Kind::kIO, "SQLiteInterface", place_.label,
           ": its last saves are in ", place_.label,
           "-wal, which this user cannot use (the folder is not writable, and "
           "no process has the database open); copy the file and its -wal "
           "into a writable folder and open that");
    // The moment before opening: a later write is then seen as a change.
    written_ = std::filesystem::last_write_time(place_.file);
    size_ = std::filesystem::file_size(place_.file);
    db = std::make_unique<Connection>(immutable_uri(place_.file),
                                      SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
                                      place_.label);
    immutable_ = true;
  } else if (code != SQLITE_OK) {
    db->raise(code);
  }
  require_schema(*db);
  connection_ = std::move(db);
}

bool Reader::changed() const {
  std::error_code error;
  return has_log(place_.file) ||
         fs::last_write_time(place_.file, error) != written_ ||
         fs::file_size(place_.file, error) != size_;
}

Connection& Reader::connection() {
  if (!connection_ || (immutable_ && changed())) open();
  return *connection_;
}

}  // namespace ptutils::detail
