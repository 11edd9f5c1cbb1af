#include <pybind11/stl.h>

#include "data.h"
#include "ptutils/common/names.h"

// The options of a DataLoader as Python's arguments.

namespace ptutils::bindings {

namespace {

using data::DataLoader;

/// Arguments of torch's loader that are not there, with the value that asks
/// for nothing.
struct Unsupported {
  const char* name;
  const char* instead;
};
constexpr Unsupported kUnsupported[] = {
    {"batch_sampler", "give batch_size and sampler"},
    {"pin_memory", "call .pin_memory() on the batch"},
    {"pin_memory_device", "call .pin_memory() on the batch"},
    {"worker_init_fn", "workers are threads of this process"},
    {"multiprocessing_context", "workers are threads of this process"},
    {"generator", "give seed="},
    {"persistent_workers", "the threads persist as long as the loader"},
    {"in_order", "batches always come in order"},
};

void check_rest(const py::dict& rest, std::string_view where) {
  static const std::vector<std::string> known = {
      "dataset",   "batch_size",      "shuffle", "sampler",    "num_workers",
      "drop_last", "prefetch_factor", "timeout", "collate_fn", "output",
      "seed"};
  for (auto [key, value] : rest) {
    std::string name = py::str(key);
    for (const Unsupported& no : kUnsupported) {
      if (name != no.name) continue;
      bool off = value.is_none() || value.is(py::bool_(name == "in_order")) ||
                 (PyUnicode_Check(value.ptr()) && py::len(value) == 0);
      if (!off)
        fail(Kind::kType, where, name, "=",
             std::string(py::repr(value)).substr(0, 60),
             " of torch's loader is not supported (not part of this version): ",
             no.instead);
      name.clear();
      break;
    }
    if (!name.empty())
      fail(Kind::kType, where, "no argument '", name, "'",
           did_you_mean(name, known));
  }
}

template <class T>
constexpr const char* wanted(const T&) {
  if constexpr (std::is_same_v<T, bool>) return "True or False";
  if constexpr (std::is_same_v<T, std::string>) return "text";
  if constexpr (std::is_floating_point_v<T>) return "a number";
  return std::is_unsigned_v<T> ? "a whole number from 0 on" : "a whole number";
}
template <class T>
constexpr const char* wanted(const std::optional<T>&) {
  return wanted(T{});
}

template <class T>
void read_option(std::string_view where, const char* name,
                 const py::object& given, T& field) {
  py::detail::make_caster<T> caster;
  // Any object would convert to a bool.
  constexpr bool kIsFlag =
      std::is_same_v<T, bool> || std::is_same_v<T, std::optional<bool>>;
  if (!caster.load(given, !kIsFlag))
    fail(
        PyLong_CheckExact(given.ptr()) && !kIsFlag ? Kind::kValue : Kind::kType,
        where, name, " is ", wanted(T{}), ", not ",
        std::string(py::repr(given)).substr(0, 60), " (",
        Py_TYPE(given.ptr())->tp_name, ")");
  field = py::detail::cast_op<T>(std::move(caster));
}

}  // namespace

DataLoader::Options loader_options(py::dict& arguments,
                                   std::string_view where) {
  DataLoader::Options out;
  auto take = [&](const char* name) -> py::object {
    if (!arguments.contains(name)) return py::none();
    return arguments.attr("pop")(name);
  };
  auto option = [&](const char* name, auto& field) {
    py::object given = take(name);
    if (!given.is_none()) read_option(where, name, given, field);
  };
  if (arguments.contains("batch_size") &&
      py::object(arguments["batch_size"]).is_none())
    fail(Kind::kType, where,
         "batch_size=None (no batching) of torch's loader "
         "is not supported: give 1 or more");
  option("batch_size", out.batch_size);
  option("shuffle", out.shuffle);
  out.sampler = sampler_in(take("sampler"), where);
  option("num_workers", out.num_workers);
  option("drop_last", out.drop_last);
  option("prefetch_factor", out.prefetch_factor);
  option("timeout", out.timeout);
  option("output", out.output);
  option("seed", out.seed);
  check_rest(arguments, where);
  return out;
}

py::dict options_to_python(const DataLoader::Options& o) {
  py::dict out;
  out["batch_size"] = o.batch_size;
  out["shuffle"] =
      o.shuffle ? py::object(py::bool_(*o.shuffle)) : py::object(py::none());
  out["num_workers"] = o.num_workers ? py::object(py::int_(*o.num_workers))
                                     : py::object(py::none());
  out["drop_last"] = o.drop_last;
  out["prefetch_factor"] = o.prefetch_factor;
  out["timeout"] = o.timeout;
  out["output"] =
      o.output.empty() ? py::object(py::none()) : py::object(py::str(o.output));
  return out;
}

}  // namespace ptutils::bindings
