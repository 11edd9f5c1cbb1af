#include "ptutils/database/sqlite.h"

#include <filesystem>

#include "ptutils/database/detail/sqlite_store.h"

namespace ptutils {
namespace {

detail::Place place_of(const std::string& path, const std::string& file,
                       const SQLiteOptions& options) {
  return {file, path, options.read_only};
}

std::string absolute_path(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos)
    fail(Kind::kValue, "SQLiteInterface",
         "takes the path of a file, such as 'runs.db', not '", path, "'");
  return std::filesystem::absolute(path).lexically_normal().string();
}

std::string id_of(const Value& query, const std::string& label) {
  const Value* id = query.is_dict() ? query.as_dict().find("_id") : nullptr;
  if (!id || !id->is_string())
    fail(Kind::kValue, "SQLiteInterface", label,
         ": update takes a query with the document's \"_id\", not ",
         query.repr());
  return id->as_string();
}

}  // namespace

SQLiteInterface::SQLiteInterface(std::string path, SQLiteOptions options)
    : path_(std::move(path)), file_(absolute_path(path_)), options_(options) {
  store_ = new Store(place_of(path_, file_, options_), options_);
}

SQLiteInterface::~SQLiteInterface() {
  Store* store = store_;
  if (store->generation == fork_generation()) delete store;
}

// A parent's store is left as it is for ever: its mutexes may be locked by
// threads that do not exist here.
SQLiteInterface::Store& SQLiteInterface::store() {
  Store* known = store_.load();
  if (known->generation != fork_generation()) {
    known->check_open();
    auto fresh =
        std::make_unique<Store>(place_of(path_, file_, options_), options_);
    if (store_.compare_exchange_strong(known, fresh.get()))
      known = fresh.release();
  }
  known->check_open();
  known->queue.raise_error();
  return *known;
}

template <class F>
auto SQLiteInterface::write(F&& body) {
  Store& open = store();
  if (options_.read_only)
    fail(Kind::kState, "SQLiteInterface", path_,
         ": was opened with read_only=True; open it without to write");
  return body(open);
}

Value SQLiteInterface::to_config() {
  Dict config{{"func", class_name()}, {"path", path_}};
  if (options_.read_only) config.set("read_only", true);
  return config;
}

std::string SQLiteInterface::save(const Value& document, bool background) {
  return write([&](Store& open) {
    detail::Document ready = detail::make_document(document, path_);
    std::string id = ready.id;
    if (background) {
      open.push(std::move(ready));
      return id;
    }
    open.wait_all();
    return open.write(Store::From::kCaller, [&](detail::Connection& db) {
      detail::put_document(db, ready);
      return id;
    });
  });
}

bool SQLiteInterface::insert(const Value& document) {
  return write([&](Store& open) {
    const detail::Document ready = detail::make_document(document, path_);
    open.wait_all();
    return open.write(Store::From::kCaller, [&](detail::Connection& db) {
      if (detail::has_document(db, ready.id)) return false;
      detail::put_document(db, ready);
      return true;
    });
  });
}

std::vector<Value> SQLiteInterface::find(const Value& query,
                                         const FindOptions& options) {
  return store().read([&](detail::Connection& db) {
    return detail::find_documents(db, query, options);
  });
}

Value SQLiteInterface::load_from_id(const std::string& id) {
  Store& open = store();
  open.wait_for(id);
  open.queue.raise_error();
  std::vector<Value> found = find(Dict{{"_id", id}});
  if (found.empty())
    fail(Kind::kNotFound, "SQLiteInterface", path_, ": no document '", id, "'");
  return std::move(found[0]);
}

bool SQLiteInterface::update(const Value& query, const Value& set,
                             const std::vector<std::string>& unset) {
  return write([&](Store& open) {
    const Query compiled(query);
    const std::string id = id_of(query, path_);
    const Value changes = set.is_null() ? Value(Dict()) : set;
    if (!changes.is_dict())
      fail(Kind::kType, "SQLiteInterface", path_,
           ": update sets a dict of fields, not ", set.repr());
    open.wait_for(id);
    return open.write(Store::From::kCaller, [&](detail::Connection& db) {
      return detail::update_document(db, compiled, id, changes, unset);
    });
  });
}

bool SQLiteInterface::remove(const std::string& id) {
  return write([&](Store& open) {
    open.wait_for(id);
    return open.write(Store::From::kCaller, [&](detail::Connection& db) {
      return detail::remove_document(db, id);
    });
  });
}

std::int64_t SQLiteInterface::remove_many(const Value& query) {
  return write([&](Store& open) {
    check_query(query);
    open.wait_all();
    return open.write(Store::From::kCaller, [&](detail::Connection& db) {
      std::int64_t count = 0;
      for (const std::string& id : detail::find_ids(db, query))
        count += detail::remove_document(db, id);
      return count;
    });
  });
}

bool SQLiteInterface::is_locked() {
  Store* known = store_.load();
  return known->generation == fork_generation() && known->is_locked();
}

void SQLiteInterface::sync() {
  Store& open = store();
  open.wait_all();
  open.queue.raise_error();
  open.check_file();
}

void SQLiteInterface::close() {
  Store* known = store_.load();
  if (known->closed) return;
  if (known->generation != fork_generation()) {
    known->closed = true;  // inherited: nothing is open here
    return;
  }
  known->close();
}

Value SQLiteInterface::execute(const std::string& sql, const Value& params) {
  Store& open = store();
  open.wait_all();
  open.queue.raise_error();
  return open.execute(sql, params);
}

}  // namespace ptutils
