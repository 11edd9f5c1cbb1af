#include "database.h"

#include <pybind11/stl.h>

#include <algorithm>

#include "areas.h"
#include "casters/states.h"
#include "ptutils/database/query.h"
#include "ptutils/database/sqlite.h"

// DBInterface and SQLiteInterface. What Python gives is made a Value, then the
// GIL is released around the call, then results are made Python's.

namespace ptutils::bindings {

namespace {

std::string name_of(const DBInterface& db) { return db.class_name(); }

[[noreturn]] void fail_undefined(const DBInterface& db, const char* method) {
  fail(Kind::kNotImplemented, name_of(db), "does not define ", method,
       "; a store defines save(document, background=False), "
       "find(query, projection, sort, skip, limit) and remove(id) at least");
}

/// The document of what is given: a dict, or the state of a module.
Value document_of(py::handle object, bool background) {
  Value value = with_states(to_value(object), false);
  if (!value.is_dict())
    fail(Kind::kType, "save", "a document is a dict, or a module (its state), ",
         "not a ", Py_TYPE(object.ptr())->tp_name);
  return background ? value.clone() : value;
}

std::vector<std::string> names_of(const py::object& names) {
  if (names.is_none()) return {};
  if (PyUnicode_Check(names.ptr())) return {py::cast<std::string>(names)};
  return py::cast<std::vector<std::string>>(py::list(names));
}

py::list documents(const std::vector<Value>& found) {
  py::list out;
  for (const Value& document : found) out.append(to_python(document));
  return out;
}

/// Runs a call of the core with the GIL released.
template <class F>
auto released(F&& call) {
  py::gil_scoped_release release;
  return call();
}

/// How many documents went: an id, a document (its _id), or a query.
std::int64_t delete_documents(DBInterface& db, const py::object& what,
                              bool many) {
  if (PyUnicode_Check(what.ptr())) {
    auto id = py::cast<std::string>(what);
    return released([&] { return db.remove(id) ? 1 : 0; });
  }
  Value query = query_of(what, {});
  if (many) return released([&] { return db.remove_many(query); });
  const Value* id = query.as_dict().find("_id");
  if (!id || !id->is_string())
    fail(Kind::kValue, "delete", "takes an id or a document with its \"_id\"; ",
         "delete(query, many=True) removes all that match");
  std::string key = id->as_string();
  return released([&] { return db.remove(key) ? 1 : 0; });
}

/// What `db.find` gives: the ids that match, in order; documents are read when
/// they are asked for.
struct Found {
  using Find = std::vector<Value> (*)(DBInterface&, const Value&,
                                      const FindOptions&);
  py::object owner;
  Find find;  // of the class itself: an override in Python may use it
  Value projection;
  std::vector<std::string> ids;

  DBInterface& db() const { return py::cast<DBInterface&>(owner); }
  py::object at(std::int64_t index) const {
    auto n = static_cast<std::int64_t>(ids.size());
    if (index < -n || index >= n)
      fail(Kind::kIndex, "find", "no document ", index, " of ", n);
    const std::string& id =
        ids[static_cast<std::size_t>(index < 0 ? index + n : index)];
    FindOptions options;
    options.projection = projection;
    DBInterface& store = db();
    auto read = released([&] {
      return find(store, Dict{{"_id", id}}, options);
    });
    if (read.empty())
      fail(Kind::kNotFound, db().location(), "the document '", id,
           "' was found, and has been removed since");
    return to_python(read[0]);
  }
};

template <class T>
std::vector<Value> find_past(DBInterface& db, const Value& query,
                             const FindOptions& options) {
  return PTUTILS_OWN(T, static_cast<T&>(db), find, query, options);
}

template <class T>
Found find(py::object self, const py::object& query,
           const py::object& projection, const py::object& sort,
           std::int64_t skip, std::optional<std::int64_t> limit) {
  Value wanted = query_of(query, {});
  FindOptions options = options_of(projection, sort, skip, limit);
  Value shown = std::move(options.projection);
  const Projection check(shown);  // a wrong one is an error at once
  options.projection = Dict{{"_id", 1}};
  auto& db = py::cast<DBInterface&>(self);
  auto found = released([&] { return find_past<T>(db, wanted, options); });
  Found out{std::move(self), find_past<T>, std::move(shown), {}};
  for (const Value& document : found)
    out.ids.push_back(document.as_dict().at("_id").as_string());
  return out;
}

void def_found(py::module_& m) {
  py::class_<Found> cls(
      m, "Documents",
      "Documents that match a query, read when asked for: len, index, slice, "
      "iterate.");
  cls.attr("__module__") = "ptutils.database";
  cls.def("__len__", [](const Found& self) { return self.ids.size(); });
  cls.def("__getitem__", &Found::at);
  cls.def("__getitem__", [](const Found& self, const py::slice& slice) {
    std::size_t start = 0, stop = 0, step = 0, n = 0;
    if (!slice.compute(self.ids.size(), &start, &stop, &step, &n))
      throw py::error_already_set();
    Found out{self.owner, self.find, self.projection, {}};
    for (std::size_t i = 0; i < n; ++i, start += step)
      out.ids.push_back(self.ids[start]);
    return out;
  });
  cls.def_readonly("ids", &Found::ids, "Their ids, in order.");
  cls.def("__repr__", [](const Found& self) {
    return str(self.ids.size(),
               self.ids.size() == 1 ? " document" : " documents", " of ",
               self.db().location());
  });
}

/// `with db.access() as raw:` the backend's own handle.
struct RawAccess {
  py::object owner;
};

void def_raw(py::module_& m) {
  py::class_<RawAccess> cls(m, "SQLiteAccess",
                            "SQL statements on the database's file.");
  cls.attr("__module__") = "ptutils.database";
  cls.def("__enter__", [](py::object self) { return self; });
  cls.def("__exit__", [](RawAccess&, const py::args&) {});
  cls.def(
      "execute",
      [](RawAccess& self, const std::string& sql, const py::object& params) {
        auto& db = py::cast<SQLiteInterface&>(self.owner);
        Value bound = to_value(params, "params");
        Value rows = released([&] { return db.execute(sql, bound); });
        return to_python(rows);
      },
      py::arg("sql"), py::arg("params") = py::none(),
      "One statement; its values are bound, never pasted: a sequence for ?, "
      "a dict for :name. Rows as dicts.");
}

/// Methods that are the same for every store: in terms of the virtual ones.
template <class Class>
void def_shared(Class& cls) {
  cls.def(
      "load",
      [](DBInterface& self, const py::object& query,
         const py::kwargs& fields) -> py::object {
        py::kwargs rest(fields.attr("copy")());
        bool has_default = rest.contains("default");
        py::object fallback =
            has_default ? rest.attr("pop")("default") : py::none();
        Value wanted = query_of(query, rest);
        try {
          return to_python(released([&] { return self.load(wanted); }));
        } catch (const Error& e) {
          if (e.kind() != Kind::kNotFound || !has_default) throw;
        }
        return fallback;
      },
      py::arg("query") = py::none(),
      "The newest document that matches the query or the fields given by "
      "name; `default=…` where there is none, else NotFound (a KeyError).");
  cls.def(
      "load_from_ids",
      [](DBInterface& self, const std::vector<std::string>& ids) {
        return documents(released([&] { return self.load_from_ids(ids); }));
      },
      py::arg("ids"), "The documents of these ids, in this order.");
  cls.def("delete", &delete_documents, py::arg("what"), py::arg("many") = false,
          "Removes the document of an id, a document (by its _id), or, with "
          "many=True, all that match a query. Returns how many there were.");
  cls.def("__enter__", [](py::object self) { return self; });
  cls.def("__exit__", [](DBInterface& self, const py::args&) {
    released([&] { self.close(); });
  });
  cls.def("__repr__", [](DBInterface& self) {
    std::string type = self.class_name();
    return str(type.substr(type.rfind('.') + 1), "('", self.location(), "')");
  });
}

/// The virtual methods of a class: `Base`'s own, past any override in Python.
template <class T, class Class>
void def_store(Class& cls) {
  cls.def(
      "save",
      [](T& self, const py::object& document, bool background) {
        Value value = document_of(document, background);
        return released(
            [&] { return PTUTILS_OWN(T, self, save, value, background); });
      },
      py::arg("document"), py::arg("background") = false,
      "Stores a dict of anything that files take, or a module's state, and "
      "returns its id (its \"_id\", or a new one). One with the same _id is "
      "replaced. What is given is never changed. background=True: a copy "
      "is written later; sync() waits for it and raises its error.");
  cls.def(
      "find", &find<T>, py::arg("query") = py::none(),
      py::arg("projection") = py::none(), py::arg("sort") = py::none(),
      py::arg("skip") = 0, py::arg("limit") = py::none(),
      "Documents that match, in order of insertion unless sorted: a list "
      "that reads them when asked for. projection: names, or {name: 1 | 0}; "
      "sort: a name ('-name' descends), or [(name, -1), …].");
  cls.def(
      "insert",
      [](T& self, const py::object& document) {
        Value value = document_of(document, false);
        return released([&] { return PTUTILS_OWN(T, self, insert, value); });
      },
      py::arg("document"),
      "save, unless there is one of its _id: then False, nothing changed.");
  cls.def(
      "load_from_id",
      [](T& self, const std::string& id) {
        return to_python(
            released([&] { return PTUTILS_OWN(T, self, load_from_id, id); }));
      },
      py::arg("id"), "The document of an id; NotFound.");
  cls.def(
      "update",
      [](T& self, const py::object& query, const py::object& set,
         const py::object& unset) {
        Value wanted = PyUnicode_Check(query.ptr())
                           ? Value(Dict{{"_id", to_value(query)}})
                           : query_of(query, {});
        Value changes = with_states(to_value(set, "set"), false);
        auto names = names_of(unset);
        return released([&] {
          return PTUTILS_OWN(T, self, update, wanted, changes, names);
        });
      },
      py::arg("query"), py::arg("set") = py::none(),
      py::arg("unset") = py::none(),
      "Sets dotted fields of the one document that the query (with its _id, "
      "or just the id) matches, and removes those of `unset`, at once. "
      "False, and nothing changed, where it does not match.");
  cls.def(
      "remove",
      [](T& self, const std::string& id) {
        return released([&] { return PTUTILS_OWN(T, self, remove, id); });
      },
      py::arg("id"), "Removes one document. False: there was none.");
  cls.def(
      "sync", [](T& self) { released([&] { PTUTILS_OWN(T, self, sync); }); },
      "Waits until every save so far is on the disk; raises the first "
      "error of one in the background.");
  cls.def(
      "close", [](T& self) { released([&] { PTUTILS_OWN(T, self, close); }); },
      "Writes what waits and ends the connections.");
  cls.def(
      "location", [](T& self) { return PTUTILS_OWN(T, self, location); },
      "What names the store, without passwords.");
}

using PySQLite = PyDatabase<SQLiteInterface>;

void def_sqlite(py::module_& m) {
  auto cls = bind_module<SQLiteInterface, DBInterface, PySQLite, false>(
      m, "SQLiteInterface", "ptutils.database",
      "The embedded database: documents and their arrays in one SQLite file, "
      "with no server. Several processes may use it at once, on a local disk.");
  cls.def(py::init([](const py::object& path, bool read_only) {
            std::string file = py::cast<std::string>(
                py::module_::import("os").attr("fspath")(path));
            SQLiteOptions options;
            options.read_only = read_only;
            py::gil_scoped_release release;
            return std::make_unique<PySQLite>(file, options);
          }),
          py::arg("path"), py::arg("read_only") = false);
  def_store<SQLiteInterface>(cls);
  cls.def_property_readonly("read_only", &SQLiteInterface::read_only);
  cls.def(
      "access", [](py::object self) { return RawAccess{std::move(self)}; },
      "`with db.access() as raw: raw.execute('SELECT …', [values])`.");
  cls.def("_constructor", [](const SQLiteInterface& self) {
    py::dict out;
    out["path"] = self.location();
    out["read_only"] = self.read_only();
    return out;
  });
}

}  // namespace

namespace store_defaults {

std::string save(DBInterface& db, const Value&, bool) {
  fail_undefined(db, "save");
}
std::vector<Value> find(DBInterface& db, const Value&, const FindOptions&) {
  fail_undefined(db, "find");
}
bool remove(DBInterface& db, const std::string&) {
  fail_undefined(db, "remove");
}

bool insert(DBInterface& db, const Value& document) {
  const Value* id = document.as_dict("insert").find("_id");
  FindOptions first;
  first.limit = 1;
  if (id && !db.find(Dict{{"_id", *id}}, first).empty()) return false;
  db.save(document, false);
  db.sync();
  return true;
}

Value load_from_id(DBInterface& db, const std::string& id) {
  auto found = db.find(Dict{{"_id", id}}, {});
  if (found.empty())
    fail(Kind::kNotFound, db.location(), "no document '", id, "'");
  return std::move(found.back());
}

bool update(DBInterface& db, const Value& query, const Value& set,
            const std::vector<std::string>& unset) {
  auto found = db.find(query, {});
  if (found.empty()) return false;
  Value document = std::move(found.back());
  if (!set.is_null())
    for (const auto& [path, value] : set.as_dict("update"))
      document.set_path(to_string(path), value);
  for (const std::string& path : unset) remove_path(document, path);
  db.save(document, false);
  return true;
}

}  // namespace store_defaults

void def_database(py::module_& m) {
  auto cls = bind_module<DBInterface, Module, PyDatabase<DBInterface>, true>(
      m, "DBInterface", "ptutils.database",
      "A store of documents: nested dicts with arrays in, equal ones out. A "
      "store of your own derives from it and defines save(document, "
      "background=False) -> id, find(query, projection, sort, skip, limit) and "
      "remove(id); load, delete, insert and update follow.");
  def_store<DBInterface>(cls);
  def_shared(cls);
  def_found(m);
  def_raw(m);
  def_sqlite(m);
  m.def(
      "open_database",
      [](const py::object& location, bool read_only) {
        std::string text = py::cast<std::string>(
            py::module_::import("os").attr("fspath")(location));
        auto db = released([&] { return open_database(text, read_only); });
        return child_out(db);
      },
      py::arg("location"), py::arg("read_only") = false,
      "Opens a store by its location: 'runs.db', 'sqlite:///path'.");
  m.def("_matches", [](const py::object& query, const Value& document) {
    return matches(query_of(query, {}), document);
  });
}
}  // namespace ptutils::bindings
