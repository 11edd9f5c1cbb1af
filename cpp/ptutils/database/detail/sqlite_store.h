#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "ptutils/common/fork.h"
#include "ptutils/common/interrupt.h"
#include "ptutils/database/detail/fork_gate.h"
#include "ptutils/database/detail/save_queue.h"
#include "ptutils/database/detail/schema.h"
#include "ptutils/database/detail/turn.h"
#include "ptutils/database/sqlite.h"

namespace ptutils {

/// What a SQLiteInterface has open in one process. After a fork the child makes
/// a new one and leaves this one alone: its thread, mutexes and handles are the
/// parent's. Private to this folder.
struct SQLiteInterface::Store {
  Store(detail::Place place, const SQLiteOptions& options);
  ~Store();

  /// body(connection) in a write transaction; waits for other writers, the
  /// caller for busy_seconds, the queue's thread as long as they are.
  enum class From { kCaller, kQueue };
  template <class F>
  auto write(From from, F&& body);
  /// body(connection) on one snapshot.
  template <class F>
  auto read(F&& body);
  /// Statements that may not stand in a transaction.
  Value execute(const std::string& sql, const Value& params);
  /// Background saves. Kind::kBusy where another process keeps the database
  /// locked for busy_seconds of the wait; they stay in the queue.
  void push(detail::Document document);
  void wait_all();
  void wait_for(const std::string& id);
  /// The queue waits for another process.
  bool is_locked() const { return locked_since.load() != Clock::time_point(); }
  void check_open() const;
  /// Kind::kIO when the file was removed or replaced.
  void check_file();
  /// Writes what waits and closes; throws the queue's error.
  void close();

  using Clock = std::chrono::steady_clock;
  const std::uint64_t generation = fork_generation();
  const detail::Place place;
  const Clock::duration busy;
  std::atomic<bool> closed{false};
  std::atomic<bool> abandoned{false};  // the file is no longer at its path
  std::atomic<Clock::time_point> locked_since{};  // for the queue; or epoch
  std::atomic<Clock::time_point> last_try{Clock::time_point::max()};

  detail::Turn write_turn, read_turn;
  std::unique_ptr<detail::Connection> writer;  // by write_turn and the gate
  std::unique_ptr<detail::Reader> reader;      // by read_turn and the gate
  detail::SaveQueue queue;                     // after what its thread uses
  std::uint64_t shutdown_id = 0;

 private:
  [[noreturn]] void fail_closed() const;
  [[noreturn]] void fail_locked();
  bool has_moved() const;  // by the turn and the gate
  [[noreturn]] void abandon();
  detail::SaveQueue::GiveUp patience() const;
  void wait_for_lock();
  Value execute_here(const std::string& sql, const Value& params);
  template <class F>
  auto try_write(From from, bool& moved, F&& body);

  Clock::time_point last_said;  // of the queue's thread
};

/// One attempt: nothing where another process has the lock, or `moved`.
template <class F>
auto SQLiteInterface::Store::try_write(From from, bool& moved, F&& body) {
  using Result = decltype(body(*writer));
  detail::Turn::Holder turn(write_turn, from == From::kCaller);
  detail::ForkGate gate;
  if (!writer) fail_closed();
  std::optional<detail::Transaction> transaction;
  std::optional<Result> result;
  try {
    transaction.emplace(*writer, "BEGIN IMMEDIATE");
  } catch (const Error& error) {
    if (error.kind() != Kind::kBusy) throw;
    return result;
  }
  if (from == From::kQueue) locked_since = Clock::time_point();
  // Before, lest a log grow beside another file; after, as what was committed
  // may be nowhere.
  if ((moved = has_moved())) return result;
  result = body(*writer);
  transaction->commit();
  if ((moved = has_moved())) result.reset();
  return result;
}

template <class F>
auto SQLiteInterface::Store::write(From from, F&& body) {
  const auto deadline = Clock::now() + busy;
  if (from == From::kQueue && is_locked() && deadline - busy >= last_try.load())
    fail_locked();  // for the rest of them, too, at once
  for (;;) {
    bool moved = false;
    // Nothing is held after an attempt: Ctrl-C and a fork come through.
    if (auto result = try_write(from, moved, body)) return *result;
    if (moved) abandon();
    if (from == From::kQueue) {
      wait_for_lock();
    } else {
      if (Clock::now() >= deadline) fail_locked();
      check_interrupt();
    }
  }
}

template <class F>
auto SQLiteInterface::Store::read(F&& body) {
  detail::Turn::Holder turn(read_turn);
  detail::ForkGate gate;
  if (!reader) fail_closed();
  detail::Connection& db = reader->connection();
  detail::Transaction transaction(db, "BEGIN");
  return body(db);  // ends by a rollback: nothing was written
}

}  // namespace ptutils
