#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ptutils/module/module.h"

namespace ptutils {

/// What find gives back, beside the query.
struct FindOptions {
  /// {field: 1} keeps these dotted fields (and _id), {field: 0} drops them;
  /// tensors outside the projection are never read.
  Value projection;
  /// {field: 1 | -1}, in order of importance.
  Value sort;
  std::int64_t skip = 0;
  std::optional<std::int64_t> limit;
};

/// A store of documents: nested dicts with tensors in, equal ones out. One
/// query language over all backends (MongoDB's: $eq $ne $gt $gte $lt $lte $in
/// $nin $exists $regex $and $or $not $elemMatch, dotted paths); one matcher in
/// database/ is the truth. Every document has a string "_id", made by the
/// client at once (new_id()) unless it brings one. Thread-safe.
class PTUTILS_API DBInterface : public Module {
 public:
  std::string class_name() const override {
    return "ptutils.database.DBInterface";
  }
  /// Stores a Dict whole; one with an existing _id replaces that document.
  /// The argument is not changed. background: returns at once (the value is
  /// taken as it is: tensors must not change until sync), errors surface at
  /// the next call or at sync.
  virtual std::string save(const Value& document, bool background = false) = 0;
  /// save() unless its _id exists: then false, and nothing is changed. Atomic;
  /// durable when it returns.
  virtual bool insert(const Value& document) = 0;
  /// Matches, in order of insertion unless sorted.
  virtual std::vector<Value> find(const Value& query,
                                  const FindOptions& options = {}) = 0;
  /// Kind::kNotFound naming the id.
  virtual Value load_from_id(const std::string& id) = 0;
  virtual std::vector<Value> load_from_ids(const std::vector<std::string>& ids);
  /// The newest match; Kind::kNotFound.
  Value load(const Value& query);
  /// Atomically sets dotted fields of the one document that `query` (with an
  /// _id) matches; false when it does not match (compare and set). A null
  /// value sets null; `unset` removes fields.
  virtual bool update(const Value& query, const Value& set,
                      const std::vector<std::string>& unset = {}) = 0;
  /// Removes one document, with blobs that nothing else uses. False: no such.
  virtual bool remove(const std::string& id) = 0;
  /// Removes every match; returns how many.
  virtual std::int64_t remove_many(const Value& query);
  /// Every save so far is durable when it returns; throws the first error.
  virtual void sync() = 0;
  /// Background saves wait for another process that keeps the store locked;
  /// they are not lost, and calls that wait for them may be Kind::kBusy.
  virtual bool is_locked() { return false; }
  /// Ends connections and the background queue (after sync). Idempotent.
  virtual void close() = 0;
  /// What identifies the store in messages, passwords hidden.
  virtual std::string location() const = 0;
};

/// Opens by location: "runs.db", "sqlite:///path" …; the schemes are registered
/// by database/. Kind::kValue for an unknown one.
using DBOpener = std::function<std::shared_ptr<DBInterface>(
    const std::string& location, bool read_only)>;
PTUTILS_API void set_db_opener(DBOpener opener);
PTUTILS_API std::shared_ptr<DBInterface> open_database(
    const std::string& location, bool read_only = false);

}  // namespace ptutils
