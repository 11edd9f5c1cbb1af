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

  /// body(connection) in a write transaction; waits for other writers.
  template <class F>
  auto write(bool interruptible, F&& body);
  /// body(connection) on one snapshot.
  template <class F>
  auto read(F&& body);
  /// Statements that may not stand in a transaction.
  Value execute(const std::string& sql, const Value& params);
  void check_open() const;
  /// Kind::kIO when the file was removed or replaced: what is written to it
  /// then is gone with its last connection.
  void check_file();
  /// Writes what waits and closes; throws the queue's error.
  void close();

  const std::uint64_t generation = fork_generation();
  const detail::Place place;
  const std::chrono::duration<double> busy;
  std::atomic<bool> closed{false};

  detail::Turn write_turn, read_turn;
  std::unique_ptr<detail::Connection> writer;  // by write_turn and the gate
  std::unique_ptr<detail::Reader> reader;      // by read_turn and the gate
  detail::SaveQueue queue;                     // after what its thread uses
  std::uint64_t shutdown_id = 0;

 private:
  [[noreturn]] void fail_closed() const;
  void check_writer() const;  // check_file, by the turn and the gate
};

template <class F>
auto SQLiteInterface::Store::write(bool interruptible, F&& body) {
  const auto deadline = std::chrono::steady_clock::now() + busy;
  for (;;) {
    {
      detail::Turn::Holder turn(write_turn, interruptible);
      detail::ForkGate gate;
      if (!writer) fail_closed();
      std::optional<detail::Transaction> transaction;
      try {
        transaction.emplace(*writer, "BEGIN IMMEDIATE");
      } catch (const Error& error) {
        // Tried again with nothing held, so that Ctrl-C and a fork come
        // through.
        if (error.kind() != Kind::kBusy ||
            std::chrono::steady_clock::now() >= deadline)
          throw;
      }
      if (transaction) {
        if constexpr (std::is_void_v<decltype(body(*writer))>) {
          body(*writer);
          transaction->commit();
          check_writer();
          return;
        } else {
          auto result = body(*writer);
          transaction->commit();
          check_writer();
          return result;
        }
      }
    }
    if (interruptible) check_interrupt();
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
