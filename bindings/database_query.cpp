#include "casters/value.h"
#include "database.h"

// Queries and the options of `find`, as Python writes them.

namespace ptutils::bindings {

namespace {

/// The compiled pattern that a value carries, or null.
py::object pattern_in(const Value& value) {
  if (!value.is_opaque()) return {};
  auto* held = dynamic_cast<PyOpaque*>(value.as_opaque().get());
  if (!held) return {};
  py::object object = py::reinterpret_borrow<py::object>(held->object());
  py::object type = py::module_::import("re").attr("Pattern");
  return py::isinstance(object, type) ? object : py::object();
}

/// Its flags as $options.
std::string options_in(const py::object& pattern) {
  struct Flag {
    const char* name;
    const char* option;  // null: not ours
  };
  static constexpr Flag kFlags[] = {{"IGNORECASE", "i"},
                                    {"MULTILINE", "m"},
                                    {"DOTALL", "s"},
                                    {"VERBOSE", nullptr},
                                    {"LOCALE", nullptr}};
  auto flags = py::cast<int>(pattern.attr("flags"));
  std::string out;
  for (const Flag& flag : kFlags) {
    auto bit = py::cast<int>(py::module_::import("re").attr(flag.name));
    if (!(flags & bit)) continue;
    if (!flag.option)
      fail(Kind::kValue, "query", "a pattern with re.", flag.name,
           " cannot be used: only IGNORECASE, MULTILINE and DOTALL");
    out += flag.option;
  }
  return out;
}

Dict regex_of(const py::object& pattern) {
  py::object text = pattern.attr("pattern");
  if (!PyUnicode_Check(text.ptr()))
    fail(Kind::kType, "query", "a pattern of bytes matches no text");
  Dict out{{"$regex", py::cast<std::string>(text)}};
  if (std::string options = options_in(pattern); !options.empty())
    out.set("$options", options);
  return out;
}

bool is_operator(const std::string& name) { return name.starts_with('$'); }

/// The dict is {"$gt": …}; else it is a value that a field is compared with.
bool is_expression(const Value& value) {
  return value.is_dict() && !value.as_dict().empty() &&
         is_operator(to_string(value.as_dict().begin()->first));
}

void put_patterns(Dict& query);

/// The value of a field or of an operator.
void put_pattern(const std::string& name, Value& item) {
  bool field = !is_operator(name);
  if (py::object pattern = pattern_in(item)) {
    if (field || name == "$not") item = regex_of(pattern);
  } else if (item.is_list() && (name == "$and" || name == "$or")) {
    for (Value& part : item.as_list().items)
      if (part.is_dict()) put_patterns(part.as_dict());
  } else if (field || name == "$not" ? is_expression(item)
                                     : name == "$elemMatch" && item.is_dict()) {
    put_patterns(item.as_dict());
  }
}

/// Patterns become $regex where a query may have one.
void put_patterns(Dict& query) {
  Value* regex = query.find("$regex");
  py::object pattern = regex ? pattern_in(*regex) : py::object();
  if (pattern)
    for (auto& [key, value] : regex_of(pattern))
      query.set(key, std::move(value));
  for (auto& [key, item] : query) put_pattern(to_string(key), item);
}

/// One of the names, or (name, number) pairs.
void add_field(Dict& out, py::handle item, std::string_view what) {
  bool pair = (PyTuple_Check(item.ptr()) || PyList_Check(item.ptr())) &&
              py::len(item) == 2;
  py::object name = pair ? py::object(item[py::int_(0)])
                         : py::reinterpret_borrow<py::object>(item);
  if (!PyUnicode_Check(name.ptr()))
    fail(Kind::kType, what, "takes a name, a list of names or of (name, ",
         what == "sort" ? "1 or -1" : "1 or 0", ") pairs, or a dict; not ",
         std::string(py::repr(item)).substr(0, 60));
  auto field = py::cast<std::string>(name);
  Value number = pair ? to_value(item[py::int_(1)]) : Value(1);
  if (!pair && what == "sort" && field.starts_with('-')) {
    field.erase(0, 1);
    number = -1;
  }
  if (out.contains(field))
    fail(Kind::kValue, what, "'", field, "' is given twice");
  out.set(field, std::move(number));
}

Value fields_of(const py::object& given, const char* what) {
  if (given.is_none()) return {};
  Dict out;
  if (PyList_Check(given.ptr()) || PyTuple_Check(given.ptr())) {
    for (py::handle item : given) add_field(out, item, what);
  } else if (PyDict_Check(given.ptr())) {
    return to_value(given, what);
  } else {
    add_field(out, given, what);
  }
  return out;
}

}  // namespace

Value query_of(const py::object& query, const py::kwargs& fields) {
  Value out = query.is_none() ? Value(Dict()) : to_value(query, "query");
  if (!out.is_dict())
    fail(Kind::kType, "query", "a dict such as {'epoch': {'$gt': 3}}, not ",
         out.repr());
  for (auto [key, item] : fields)
    out.as_dict().set(py::cast<std::string>(key), to_value(item));
  put_patterns(out.as_dict());
  return out;
}

FindOptions options_of(const py::object& projection, const py::object& sort,
                       std::int64_t skip, std::optional<std::int64_t> limit) {
  FindOptions out;
  out.projection = fields_of(projection, "projection");
  out.sort = fields_of(sort, "sort");
  out.skip = skip;
  out.limit = limit;
  return out;
}

}  // namespace ptutils::bindings
