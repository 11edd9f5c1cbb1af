#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "gil.h"
#include "lifetime.h"
#include "ptutils/module/db_interface.h"

namespace ptutils::bindings {

/// What a store does where its class does not say: for stores in Python, which
/// need `save`, `find` and `remove` at least. In terms of the virtual methods.
namespace store_defaults {
std::string save(DBInterface& db, const Value&, bool);
bool insert(DBInterface& db, const Value& document);
std::vector<Value> find(DBInterface& db, const Value&, const FindOptions&);
Value load_from_id(DBInterface& db, const std::string& id);
bool update(DBInterface& db, const Value& query, const Value& set,
            const std::vector<std::string>& unset);
bool remove(DBInterface& db, const std::string&);
inline void sync(DBInterface&) {}
inline void close(DBInterface& db) { db.sync(); }
inline std::string location(const DBInterface& db) { return db.class_name(); }
}  // namespace store_defaults

/// A query of a dict and of fields by name. A compiled pattern of `re` is a
/// $regex, with its flags.
Value query_of(const py::object& query, const py::kwargs& fields);
/// `find`'s options. A sort or a projection: a name, a list of names or
/// (name, number) pairs, or a dict; "-name" sorts descending.
FindOptions options_of(const py::object& projection, const py::object& sort,
                       std::int64_t skip, std::optional<std::int64_t> limit);

/// Calls T's own method, past an override in Python; the default for a store
/// that is only in Python.
#define PTUTILS_OWN(T, self, method, ...)                             \
  [&]() -> decltype(auto) {                                           \
    if constexpr (std::is_abstract_v<T>)                              \
      return store_defaults::method(self __VA_OPT__(, ) __VA_ARGS__); \
    else                                                              \
      return (self).T::method(__VA_ARGS__);                           \
  }()

/// The trampoline of a store: a method defined in Python, else Base's.
template <class Base>
class PyDatabase : public PyModule<Base> {
 public:
  using PyModule<Base>::PyModule;

  std::string save(const Value& document, bool background = false) override {
    if (!this->overrides(Method::kSave))
      return PTUTILS_OWN(Base, *this, save, document, background);
    Gil gil;
    py::object id =
        this->call_python(Method::kSave, to_python(document), background);
    if (!PyUnicode_Check(id.ptr()))
      fail(Kind::kType, this->class_name(), "save gave a ",
           Py_TYPE(id.ptr())->tp_name, ", not the document's id (a str)");
    return py::cast<std::string>(id);
  }
  bool insert(const Value& document) override {
    {
      Gil gil;
      if (defines_insert())
        return py::cast<bool>(
            py::handle(this->self()).attr("insert")(to_python(document)));
    }
    return PTUTILS_OWN(Base, *this, insert, document);
  }
  std::vector<Value> find(const Value& query,
                          const FindOptions& options = {}) override {
    if (!this->overrides(Method::kFind))
      return PTUTILS_OWN(Base, *this, find, query, options);
    Gil gil;
    py::object limit =
        options.limit ? py::object(py::int_(*options.limit)) : py::none();
    py::object found = this->call_python(
        Method::kFind, to_python(query), to_python(options.projection),
        to_python(options.sort), options.skip, limit);
    std::vector<Value> out;
    for (py::handle document : found) out.push_back(to_value(document));
    return out;
  }
  Value load_from_id(const std::string& id) override {
    if (!this->overrides(Method::kLoadFromId))
      return PTUTILS_OWN(Base, *this, load_from_id, id);
    Gil gil;
    return to_value(this->call_python(Method::kLoadFromId, id));
  }
  bool update(const Value& query, const Value& set,
              const std::vector<std::string>& unset = {}) override {
    if (!this->overrides(Method::kDbUpdate))
      return PTUTILS_OWN(Base, *this, update, query, set, unset);
    Gil gil;
    py::list names;
    for (const std::string& name : unset) names.append(name);
    return py::cast<bool>(this->call_python(Method::kDbUpdate, to_python(query),
                                            to_python(set), names));
  }
  bool remove(const std::string& id) override {
    if (!this->overrides(Method::kRemove))
      return PTUTILS_OWN(Base, *this, remove, id);
    Gil gil;
    return py::cast<bool>(this->call_python(Method::kRemove, id));
  }
  void sync() override {
    if (!this->overrides(Method::kSync)) return PTUTILS_OWN(Base, *this, sync);
    Gil gil;
    this->call_python(Method::kSync);
  }
  void close() override {
    if (!this->overrides(Method::kClose))
      return PTUTILS_OWN(Base, *this, close);
    Gil gil;
    this->call_python(Method::kClose);
  }
  std::string location() const override {
    if (!this->overrides(Method::kLocation))
      return PTUTILS_OWN(Base, *this, location);
    Gil gil;
    return py::cast<std::string>(this->call_python(Method::kLocation));
  }

 private:
  bool defines_insert() {
    PyObject* self = this->self();
    if (!self || is_native_type(Py_TYPE(self))) return false;
    py::object found = py::type::handle_of(self).attr("insert");
    return PyFunction_Check(found.ptr());
  }
};

}  // namespace ptutils::bindings
