#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ptutils/data/dataset.h"

/// Batches made by other processes. To a loader they are a data set: each of
/// its threads asks one process, whose batches lie in memory that both share,
/// and are used again when nobody holds them. So order, errors and resume are
/// what they are with threads.
namespace ptutils::data {

/// How a batch is made: Dataset::get_batch, or with a collate_fn around it.
using MakeBatch =
    std::function<Value(std::span<const std::int64_t> indices,
                        const std::vector<Random>& random, const Value& reuse)>;

/// The other language's part: the core starts no processes.
struct ProcessHooks {
  /// Starts worker `id`, which serves the other end of a new stream socket;
  /// gives this end, and the process's id.
  struct Started {
    int socket = -1;
    std::int64_t pid = 0;
  };
  std::function<Started(int id)> start;
  /// Waits for the end of a process whose socket was shut, and ends it where it
  /// is too busy to see that; tells how it ended, where that is known.
  std::function<std::string(std::int64_t pid)> end;
  /// Throws what the worker sent of an error.
  std::function<void(const std::string& error)> raise;
};

/// The data set whose batches `count` processes make; `like` is the one that
/// they have (its size and origin are asked here).
PTUTILS_API std::shared_ptr<Dataset> process_dataset(
    std::shared_ptr<Dataset> like, int count, ProcessHooks hooks);

/// In the worker: answers on the socket until the other end shuts it, or, where
/// others may hold that end too (after a fork), until `parent` has gone; 0:
/// nobody does. `describe` turns the exception that is being handled into the
/// text for ProcessHooks::raise.
PTUTILS_API void serve_batches(int socket, std::int64_t parent,
                               const MakeBatch& make,
                               const std::function<std::string()>& describe);

}  // namespace ptutils::data
