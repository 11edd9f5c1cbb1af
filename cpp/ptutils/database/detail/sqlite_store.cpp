#include "ptutils/database/detail/sqlite_store.h"

#include <algorithm>
#include <thread>

#include "ptutils/common/log.h"
#include "ptutils/common/shutdown.h"
#include "ptutils/database/detail/raw.h"

namespace ptutils {
namespace {

// Of one attempt; Store::write makes many.
constexpr int kBusyMilliseconds = 50;
// Between two of the queue's: direct calls want their turn, too.
constexpr std::chrono::milliseconds kPause{20};
constexpr std::chrono::seconds kSayAfter{2};
constexpr std::chrono::seconds kSayEvery{30};

}  // namespace

SQLiteInterface::Store::Store(detail::Place where, const SQLiteOptions& options)
    : place(std::move(where)),
      busy(std::chrono::duration_cast<Clock::duration>(
          std::chrono::duration<double>(options.busy_seconds))),
      queue(
          [this](const std::vector<detail::Document>& group) {
            write(From::kQueue, [&](detail::Connection& db) {
              for (const auto& document : group)
                detail::put_document(db, document);
              return true;
            });
          },
          options.max_pending, options.max_pending_bytes) {
  {
    detail::ForkGate gate;
    if (!place.read_only) {
      writer = detail::open_writer(place);
      writer->set_busy_timeout(kBusyMilliseconds);
    }
    reader = std::make_unique<detail::Reader>(place);
  }
  shutdown_id = shutdown::add([this] { close(); });
}

SQLiteInterface::Store::~Store() {
  shutdown::remove(shutdown_id);
  try {
    close();
  } catch (const std::exception& error) {
    log::error(error.what());
  }
}

void SQLiteInterface::Store::fail_closed() const {
  if (abandoned)
    fail(Kind::kIO, "SQLiteInterface", place.label,
         ": the file was removed, moved or replaced while it was open, and "
         "nothing more is written there; what was saved before is in the file "
         "that was moved, if it was: put that back, or take another path; then "
         "open the database again and save once more");
  fail(Kind::kState, "SQLiteInterface", place.label,
       ": is closed; open it again");
}

void SQLiteInterface::Store::fail_locked() {
  fail(Kind::kBusy, "SQLiteInterface", place.label,
       ": another process keeps it locked for writing; end that process, or "
       "try again (in the background: ",
       queue.waiting(), " waiting)");
}

void SQLiteInterface::Store::check_open() const {
  if (closed || abandoned) fail_closed();
}

bool SQLiteInterface::Store::has_moved() const {
  return writer && writer->moved();
}

void SQLiteInterface::Store::check_file() {
  {
    detail::Turn::Holder turn(write_turn);
    detail::ForkGate gate;
    if (!has_moved()) return;
  }
  abandon();
}

/// The file at the path is not ours any more, but the log beside it is, and
/// would be read into that file: it goes into our own, wherever that is now.
void SQLiteInterface::Store::abandon() {
  {
    detail::Turn::Holder writing(write_turn, false);
    detail::Turn::Holder reading(read_turn, false);
    detail::ForkGate gate;
    abandoned = true;
    reader.reset();
    if (writer) detail::close_moved(std::move(writer));
  }
  fail_closed();
}

/// A direct call waits for the queue no longer than for the lock itself.
detail::SaveQueue::GiveUp SQLiteInterface::Store::patience() const {
  return [this, begin = Clock::now()] {
    return is_locked() &&
           Clock::now() - std::max(locked_since.load(), begin) >= busy;
  };
}

void SQLiteInterface::Store::push(detail::Document document) {
  if (!queue.push(std::move(document), patience())) fail_locked();
}

void SQLiteInterface::Store::wait_all() {
  if (!queue.wait_all(patience())) fail_locked();
}

void SQLiteInterface::Store::wait_for(const std::string& id) {
  if (!queue.wait_for(id, patience())) fail_locked();
}

/// On the queue's thread, between two attempts.
void SQLiteInterface::Store::wait_for_lock() {
  const auto now = Clock::now();
  if (!is_locked()) locked_since = now;
  if (now >= last_try.load()) fail_locked();
  if (now - locked_since.load() >= kSayAfter && now - last_said >= kSayEvery) {
    last_said = now;
    log::warning(place.label, ": ", queue.waiting(),
                 " waiting in the background: another process keeps the "
                 "database locked; they are stored when it is free");
  }
  std::this_thread::sleep_for(kPause);
}

Value SQLiteInterface::Store::execute(const std::string& sql,
                                      const Value& params) {
  if (place.read_only)
    return read([&](detail::Connection& db) {
      return detail::execute_raw(db, sql, params);
    });
  Value rows = execute_here(sql, params);
  check_file();
  return rows;
}

Value SQLiteInterface::Store::execute_here(const std::string& sql,
                                           const Value& params) {
  detail::Turn::Holder turn(write_turn);
  detail::ForkGate gate;
  if (!writer) fail_closed();
  struct Patience {
    detail::Connection& db;
    ~Patience() { db.set_busy_timeout(kBusyMilliseconds); }
  } patience{*writer};
  writer->set_busy_timeout(static_cast<int>(
      std::chrono::duration_cast<std::chrono::milliseconds>(busy).count()));
  Value rows = detail::execute_raw(*writer, sql, params);
  if (writer->in_transaction()) {
    writer->exec("ROLLBACK");
    fail(Kind::kValue, "SQLiteInterface.execute", place.label,
         ": each statement is its own transaction; BEGIN was taken back");
  }
  return rows;
}

void SQLiteInterface::Store::close() {
  // At exit a forked child meets its parent's store: not its to close.
  if (generation != fork_generation()) return;
  last_try = Clock::now() + busy;
  queue.stop();
  {
    detail::Turn::Holder writing(write_turn, false);
    detail::Turn::Holder reading(read_turn, false);
    detail::ForkGate gate;
    closed = true;
    reader.reset();
    if (has_moved()) detail::close_moved(std::move(writer));
    writer.reset();  // the last to close removes the log
  }
  queue.raise_error();
}

}  // namespace ptutils
