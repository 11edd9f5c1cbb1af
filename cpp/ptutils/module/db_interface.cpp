#include "ptutils/module/db_interface.h"

#include <mutex>

namespace ptutils {
namespace {

std::mutex& opener_mutex() {
  static std::mutex mutex;
  return mutex;
}
/// Never destroyed: it may hold objects of another language.
DBOpener& opener() {
  static auto& function = *new DBOpener();
  return function;
}

std::vector<std::string> ids_of(DBInterface& db, const Value& query) {
  FindOptions only_id;
  only_id.projection = Dict{{"_id", 1}};
  std::vector<std::string> ids;
  for (const Value& document : db.find(query, only_id))
    ids.push_back(document.as_dict("find").at("_id").as_string("_id"));
  return ids;
}

}  // namespace

std::vector<Value> DBInterface::load_from_ids(
    const std::vector<std::string>& ids) {
  std::vector<Value> out;
  out.reserve(ids.size());
  for (const std::string& id : ids) out.push_back(load_from_id(id));
  return out;
}

Value DBInterface::load(const Value& query) {
  // The ids alone first: no tensor of an older match is read.
  auto ids = ids_of(*this, query);
  while (!ids.empty()) {
    try {
      return load_from_id(ids.back());
    } catch (const Error& e) {
      if (e.kind() != Kind::kNotFound) throw;
      ids.pop_back();  // removed by somebody since
    }
  }
  fail(Kind::kNotFound, location(), "no document matches ", query.repr(),
       "; find({}) gives all there are");
}

std::int64_t DBInterface::remove_many(const Value& query) {
  std::int64_t removed = 0;
  for (const std::string& id : ids_of(*this, query)) removed += remove(id);
  return removed;
}

void set_db_opener(DBOpener function) {
  std::lock_guard lock(opener_mutex());
  opener().swap(function);
}

std::shared_ptr<DBInterface> open_database(const std::string& location,
                                           bool read_only) {
  DBOpener open;
  {
    std::lock_guard lock(opener_mutex());
    open = opener();
  }
  if (!open)
    fail(Kind::kState, "open_database",
         "no database is registered; call register_builtin(registry()) first");
  return open(location, read_only);
}

}  // namespace ptutils
