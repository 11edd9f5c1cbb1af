#include "ptutils/database/detail/sqlite_store.h"

#include "ptutils/common/log.h"
#include "ptutils/common/shutdown.h"
#include "ptutils/database/detail/raw.h"

namespace ptutils {
namespace {

// Of one attempt; Store::write makes many.
constexpr int kBusyMilliseconds = 50;

}  // namespace

SQLiteInterface::Store::Store(detail::Place where, const SQLiteOptions& options)
    : place(std::move(where)),
      busy(options.busy_seconds),
      queue(
          [this](const std::vector<detail::Document>& group) {
            write(false, [&](detail::Connection& db) {
              for (const auto& document : group)
                detail::put_document(db, document);
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
  fail(Kind::kState, "SQLiteInterface", place.label,
       ": is closed; open it again");
}

void SQLiteInterface::Store::check_open() const {
  if (closed) fail_closed();
}

void SQLiteInterface::Store::check_writer() const {
  if (writer && writer->moved())
    fail(Kind::kIO, "SQLiteInterface", place.label,
         ": the file was removed, moved or replaced while it was open; what is "
         "saved now is lost: put it back, or open the database again and save "
         "once more");
}

void SQLiteInterface::Store::check_file() {
  detail::Turn::Holder turn(write_turn);
  detail::ForkGate gate;
  check_writer();
}

Value SQLiteInterface::Store::execute(const std::string& sql,
                                      const Value& params) {
  if (place.read_only)
    return read([&](detail::Connection& db) {
      return detail::execute_raw(db, sql, params);
    });
  detail::Turn::Holder turn(write_turn);
  detail::ForkGate gate;
  if (!writer) fail_closed();
  struct Patience {
    detail::Connection& db;
    ~Patience() { db.set_busy_timeout(kBusyMilliseconds); }
  } patience{*writer};
  writer->set_busy_timeout(static_cast<int>(busy.count() * 1000));
  Value rows = detail::execute_raw(*writer, sql, params);
  if (writer->in_transaction()) {
    writer->exec("ROLLBACK");
    fail(Kind::kValue, "SQLiteInterface.execute", place.label,
         ": each statement is its own transaction; BEGIN was taken back");
  }
  check_writer();
  return rows;
}

void SQLiteInterface::Store::close() {
  // At exit a forked child meets its parent's store: not its to close.
  if (generation != fork_generation()) return;
  queue.stop();
  {
    detail::Turn::Holder writing(write_turn, false);
    detail::Turn::Holder reading(read_turn, false);
    detail::ForkGate gate;
    closed = true;
    reader.reset();
    writer.reset();  // the last to close removes the log
  }
  queue.raise_error();
}

}  // namespace ptutils
