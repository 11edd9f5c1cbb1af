#include "casters/value.h"

#include <datetime.h>

#include <algorithm>
#include <vector>

#include "casters/child.h"
#include "casters/tensor.h"
#include "casters/variable.h"
#include "gil.h"
#include "ptutils/common/error.h"
#include "ptutils/module/codec.h"

namespace ptutils::bindings {

namespace {

constexpr int kMaxDepth = 500;

struct DictTypes {
  PyObject* state = nullptr;
  PyObject* configuration = nullptr;
  std::vector<PyObject*> plain;  // what plain dicts have become inside them
  PyObject* ordered = nullptr;
  PyObject* counter = nullptr;
};
DictTypes& dict_types() {
  static DictTypes types;
  return types;
}

std::string join_path(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : str(path, ".", name);
}
/// A long path has its first parts and its last: "a.b.c … z".
std::string where(const std::string& path) {
  constexpr std::ptrdiff_t kParts = 12, kFirst = 3;
  if (path.empty()) return "value";
  if (std::count(path.begin(), path.end(), '.') < kParts) return path;
  std::size_t end = 0;
  for (std::ptrdiff_t i = 0; i < kFirst; ++i) end = path.find('.', end + 1);
  return path.substr(0, end) + " … " + path.substr(path.rfind('.') + 1);
}

Value integer(py::handle object, const std::string& path) {
  int overflow = 0;
  long long small = PyLong_AsLongLongAndOverflow(object.ptr(), &overflow);
  if (overflow == 0) return Value(static_cast<std::int64_t>(small));
  // Through hexadecimal would be linear; decimal text is what files show. The
  // interpreter's limit on digits (sys.set_int_max_str_digits) is the bound.
  auto digits = py::reinterpret_steal<py::object>(PyObject_Str(object.ptr()));
  if (!digits) {
    PyErr_Clear();
    fail(Kind::kValue, where(path),
         "a whole number of more digits than Python writes; "
         "sys.set_int_max_str_digits() sets how many");
  }
  return Value(BigInt{py::str(digits)});
}

std::string text(py::handle object, const std::string& path) {
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(object.ptr(), &size);
  if (!data) {
    PyErr_Clear();
    fail(Kind::kValue, where(path),
         "text with a lone surrogate cannot be saved: ",
         std::string(py::repr(object)).substr(0, 80));
  }
  return {data, static_cast<std::size_t>(size)};
}

/// Nothing for what would come back as another.
Value time_of(py::handle object) {
  // Days from the proleptic Gregorian calendar, by Python's own count.
  auto* o = object.ptr();
  std::int64_t days =
      py::cast<std::int64_t>(object.attr("toordinal")()) - 719163;
  std::int64_t seconds = PyDateTime_DATE_GET_HOUR(o) * 3600 +
                         PyDateTime_DATE_GET_MINUTE(o) * 60 +
                         PyDateTime_DATE_GET_SECOND(o);
  Time out;
  out.microseconds =
      (days * 86400 + seconds) * 1000000 + PyDateTime_DATE_GET_MICROSECOND(o);
  out.fold = PyDateTime_DATE_GET_FOLD(o) != 0;
  py::object offset = object.attr("utcoffset")();
  if (!offset.is_none()) {
    // A zone with rules of its own would come back as one offset.
    if (!py::type::of(object.attr("tzinfo"))
             .is(py::module_::import("datetime").attr("timezone")))
      return Value();
    double total = py::cast<double>(offset.attr("total_seconds")());
    if (total != static_cast<std::int32_t>(total)) return Value();
    out.utc_offset = static_cast<std::int32_t>(total);
  }
  return Value(out);
}

py::object time_to(const Time& time) {
  std::int64_t micro = time.microseconds % 1000000;
  std::int64_t seconds = time.microseconds / 1000000;
  if (micro < 0) {
    micro += 1000000;
    seconds -= 1;
  }
  py::module_ module = py::module_::import("datetime");
  py::object naive =
      module.attr("datetime")(1970, 1, 1) +
      module.attr("timedelta")(0, py::int_(seconds), py::int_(micro));
  if (time.fold) naive = naive.attr("replace")(py::arg("fold") = 1);
  if (!time.utc_offset) return naive;
  py::object zone =
      module.attr("timezone")(module.attr("timedelta")(0, *time.utc_offset));
  return naive.attr("replace")(py::arg("tzinfo") = zone);
}

class Reader {
 public:
  Value read(py::handle object, const std::string& path, int depth) {
    if (depth > kMaxDepth)
      fail(Kind::kValue, where(path), "nested deeper than ", kMaxDepth,
           ": does it contain itself?");
    PyObject* o = object.ptr();
    if (o == Py_None) return Value();
    if (PyBool_Check(o)) return Value(o == Py_True);
    if (PyLong_CheckExact(o)) return integer(object, path);
    if (PyFloat_CheckExact(o)) return Value(PyFloat_AS_DOUBLE(o));
    if (PyUnicode_CheckExact(o)) return Value(text(object, path));
    if (PyList_CheckExact(o) || PyTuple_CheckExact(o))
      return sequence(object, path, depth);
    if (is_dict(o)) return dict(object, path, depth);
    return other(object);
  }

 private:
  static bool is_dict(PyObject* o) {
    if (PyDict_CheckExact(o)) return true;
    if (!PyDict_Check(o)) return false;
    auto* type = reinterpret_cast<PyObject*>(Py_TYPE(o));
    DictTypes& types = dict_types();
    return type == types.state || type == types.configuration ||
           type == of_collections("OrderedDict", types.ordered) ||
           type == of_collections("Counter", types.counter) ||
           std::find(types.plain.begin(), types.plain.end(), type) !=
               types.plain.end();
  }
  static PyObject* of_collections(const char* name, PyObject*& type) {
    if (!type)
      type = py::object(py::module_::import("collections").attr(name))
                 .release()
                 .ptr();
    return type;
  }

  Value sequence(py::handle object, const std::string& path, int depth) {
    List out;
    out.tuple = PyTuple_CheckExact(object.ptr());
    Py_ssize_t n = PySequence_Fast_GET_SIZE(object.ptr());
    out.items.reserve(static_cast<std::size_t>(n));
    for (Py_ssize_t i = 0; i < n; ++i)
      out.items.push_back(read(PySequence_Fast_GET_ITEM(object.ptr(), i),
                               join_path(path, str(i)), depth + 1));
    return Value(std::move(out));
  }

  Value dict(py::handle object, const std::string& path, int depth) {
    Dict out;
    auto* type = reinterpret_cast<PyObject*>(Py_TYPE(object.ptr()));
    const DictTypes& types = dict_types();
    if (type == types.state) out.kind = DictKind::kState;
    if (type == types.configuration) out.kind = DictKind::kConfiguration;
    if (type == types.ordered) out.kind = DictKind::kOrdered;
    if (type == types.counter) out.kind = DictKind::kCounter;
    for (auto [key, item] : py::reinterpret_borrow<py::dict>(object)) {
      Key name;
      if (PyUnicode_CheckExact(key.ptr())) {
        name = text(key, path);
      } else if (PyLong_CheckExact(key.ptr())) {
        Value number = integer(key, path);
        if (!number.is_int())
          fail(Kind::kKey, where(path), "the key ", std::string(py::repr(key)),
               " does not fit in 64 bits");
        name = number.as_int();
      } else {
        fail(Kind::kKey, where(path), "the key ", std::string(py::repr(key)),
             " is a ", Py_TYPE(key.ptr())->tp_name,
             ": keys are text or integers");
      }
      out.set(name, read(item, join_path(path, to_string(name)), depth + 1));
    }
    return Value(std::move(out));
  }

  Value other(py::handle object) {
    PyObject* o = object.ptr();
    if (PyComplex_CheckExact(o))
      return Value(std::complex<double>(PyComplex_RealAsDouble(o),
                                        PyComplex_ImagAsDouble(o)));
    if (PyBytes_CheckExact(o))
      return Value(
          Bytes{std::string(PyBytes_AS_STRING(o),
                            static_cast<std::size_t>(PyBytes_GET_SIZE(o)))});
    if (!PyDateTimeAPI) PyDateTime_IMPORT;
    if (PyDateTime_CheckExact(o)) {
      Value time = time_of(object);
      if (!time.is_null()) return time;
    }
    std::string why;
    if (auto tensor = tensor_from(object, why)) return Value(*tensor);
    if (auto variable = variable_from(object)) return *variable;
    if (py::isinstance<Module>(object))
      return handle(py::cast<ModulePtr>(object));
    if (py::isinstance<Deferred>(object))
      return Value(py::cast<std::shared_ptr<Deferred>>(object)->get());
    return Value(std::shared_ptr<Opaque>(std::make_shared<PyOpaque>(
        py::reinterpret_borrow<py::object>(object))));
  }
};

py::object dict_to(const Dict& dict) {
  py::dict plain;
  for (const auto& [key, item] : dict) {
    py::object name = std::holds_alternative<std::string>(key)
                          ? py::object(py::str(std::get<std::string>(key)))
                          : py::object(py::int_(std::get<std::int64_t>(key)));
    if (PyDict_SetItem(plain.ptr(), name.ptr(), to_python(item).ptr()) != 0)
      throw py::error_already_set();
  }
  const DictTypes& types = dict_types();
  PyObject* type = nullptr;
  if (dict.kind == DictKind::kState) type = types.state;
  if (dict.kind == DictKind::kConfiguration) type = types.configuration;
  if (dict.kind == DictKind::kOrdered)
    return py::module_::import("collections").attr("OrderedDict")(plain);
  if (dict.kind == DictKind::kCounter)
    return py::module_::import("collections").attr("Counter")(plain);
  if (!type) return plain;
  return py::handle(type)(plain);
}

py::object list_to(const List& list) {
  auto n = static_cast<Py_ssize_t>(list.items.size());
  if (list.tuple) {
    py::tuple out(n);
    for (Py_ssize_t i = 0; i < n; ++i)
      out[static_cast<std::size_t>(i)] =
          to_python(list.items[static_cast<std::size_t>(i)]);
    return out;
  }
  py::list out(n);
  for (Py_ssize_t i = 0; i < n; ++i)
    out[static_cast<std::size_t>(i)] =
        to_python(list.items[static_cast<std::size_t>(i)]);
  return out;
}

py::object opaque_to(const std::shared_ptr<Opaque>& opaque) {
  if (!opaque) return py::none();
  if (auto object = std::dynamic_pointer_cast<PyOpaque>(opaque))
    return py::reinterpret_borrow<py::object>(object->object());
  if (auto module = std::dynamic_pointer_cast<ModuleHandle>(opaque))
    return child_out(module->module);
  if (auto variable = variable_to(opaque)) return *variable;
  if (auto deferred = std::dynamic_pointer_cast<Deferred>(opaque))
    return py::cast(deferred);
  fail(Kind::kType, "value", "a ", opaque->type_name(),
       " has no Python counterpart");
}

}  // namespace

bool finalizing() {
#if PY_VERSION_HEX >= 0x030D0000
  return !Py_IsInitialized() || Py_IsFinalizing();
#else
  return !Py_IsInitialized() || _Py_IsFinalizing();
#endif
}

PyOpaque::~PyOpaque() {
  if (finalizing()) return;
  Gil gil;
  Py_DECREF(object_);
}

std::string PyOpaque::type_name() const {
  Gil gil;
  py::handle type(reinterpret_cast<PyObject*>(Py_TYPE(object_)));
  std::string module = py::str(type.attr("__module__"));
  std::string name = py::str(type.attr("__qualname__"));
  if (module == "numpy" && py::hasattr(py::handle(object_), "dtype"))
    name +=
        str("[", std::string(py::str(py::handle(object_).attr("dtype"))), "]");
  if (module == "torch" && py::hasattr(py::handle(object_), "layout"))
    name +=
        str("[", std::string(py::str(py::handle(object_).attr("dtype"))), ", ",
            std::string(py::str(py::handle(object_).attr("layout"))), "]");
  return module == "builtins" ? name : module + "." + name;
}

std::string PyOpaque::advice() const {
  Gil gil;
  std::string why;
  if (!tensor_from(object_, why, false) && !why.empty()) return why;
  return "a pickle (.pkl) may hold it; else leave it out, or give its state";
}

Value to_value(py::handle object, const std::string& path) {
  return Reader().read(object, path, 0);
}

py::object to_python(const Value& value) {
  switch (value.type()) {
    case Value::Type::kNull:
      return py::none();
    case Value::Type::kBool:
      return py::bool_(value.as_bool());
    case Value::Type::kInt:
      return py::int_(value.as_int());
    case Value::Type::kDouble:
      return py::float_(value.as_double());
    case Value::Type::kComplex: {
      auto c = value.as_complex();
      return py::reinterpret_steal<py::object>(
          PyComplex_FromDoubles(c.real(), c.imag()));
    }
    case Value::Type::kString:
      return py::str(value.as_string());
    case Value::Type::kBytes:
      return py::bytes(value.as_bytes().data);
    case Value::Type::kBigInt: {
      PyObject* big =
          PyLong_FromString(value.as_bigint().digits.c_str(), nullptr, 10);
      if (!big) {
        PyErr_Clear();
        fail(Kind::kValue, "value", "a whole number of ",
             value.as_bigint().digits.size(),
             " digits, more than Python reads; sys.set_int_max_str_digits() "
             "sets how many");
      }
      return py::reinterpret_steal<py::object>(big);
    }
    case Value::Type::kTime:
      return time_to(value.as_time());
    case Value::Type::kTensor:
      return tensor_to(value.as_tensor());
    case Value::Type::kList:
      return list_to(value.as_list());
    case Value::Type::kDict:
      return dict_to(value.as_dict());
    case Value::Type::kOpaque:
      return opaque_to(value.as_opaque());
  }
  return py::none();
}

bool is_plain(const Value& value) {
  if (value.is_opaque()) return false;
  if (value.is_list()) {
    for (const Value& item : value.as_list().items)
      if (!is_plain(item)) return false;
  } else if (value.is_dict()) {
    for (const auto& [key, item] : value.as_dict())
      if (!is_plain(item)) return false;
  }
  return true;
}

void set_dict_types(py::object state, py::object configuration,
                    const py::tuple& plain) {
  dict_types().state = state.release().ptr();
  dict_types().configuration = configuration.release().ptr();
  for (py::handle type : plain)
    dict_types().plain.push_back(type.inc_ref().ptr());
}

}  // namespace ptutils::bindings
