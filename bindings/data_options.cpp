#include <pybind11/stl.h>

#include "data.h"
#include "errors.h"
#include "gil.h"
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
    {"pin_memory_device", "pin_memory=True is for CUDA"},
    {"in_order", "batches always come in order, whatever num_workers"},
};

void check_rest(const py::dict& rest, std::string_view where) {
  static const std::vector<std::string> known = {"dataset",
                                                 "batch_size",
                                                 "shuffle",
                                                 "sampler",
                                                 "num_workers",
                                                 "drop_last",
                                                 "prefetch_factor",
                                                 "timeout",
                                                 "collate_fn",
                                                 "output",
                                                 "seed",
                                                 "batch_sampler",
                                                 "on_error",
                                                 "workers",
                                                 "multiprocessing_context",
                                                 "persistent_workers",
                                                 "pin_memory",
                                                 "worker_init_fn",
                                                 "lag",
                                                 "device",
                                                 "generator"};
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

/// A seed out of torch's generator, drawn as torch's loader draws its own; or
/// the number itself.
std::uint64_t seed_of(std::string_view where, const py::object& generator) {
  if (is_instance_of(generator, "torch", "Generator")) {
    py::module_ torch = py::module_::import("torch");
    py::object drawn = torch.attr("empty")(
        py::tuple(), py::arg("dtype") = torch.attr("int64"));
    return py::cast<std::uint64_t>(
        drawn.attr("random_")(py::arg("generator") = generator).attr("item")());
  }
  std::uint64_t seed = 0;
  if (!PyLong_Check(generator.ptr()) || PyBool_Check(generator.ptr()))
    fail(Kind::kType, where, "generator is ", with_article(generator),
         ", neither a torch.Generator nor an int");
  read_option(where, "generator", generator, seed);
  return seed;
}

/// A name, or a context of multiprocessing.
std::string start_method_in(const py::object& given) {
  if (given.is_none()) return {};
  if (py::hasattr(given, "get_start_method"))
    return py::str(given.attr("get_start_method")());
  return py::str(given);
}

std::function<void(int)> worker_init_of(std::string_view where,
                                        const py::object& function) {
  if (function.is_none()) return {};
  if (!PyCallable_Check(function.ptr()))
    fail(Kind::kType, where, "worker_init_fn is ", with_article(function),
         ", not a function");
  return WorkerInit{std::make_shared<PyOpaque>(function)};
}

}  // namespace

void WorkerInit::operator()(int worker) const {
  if (finalizing()) fail(Kind::kState, "DataLoader", "the process ends");
  Gil gil;
  of_user("DataLoader: worker_init_fn",
          [&] { return py::object(py::handle(function->object())(worker)); });
}

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
  out.batched = !arguments.contains("batch_size") ||
                !py::object(arguments["batch_size"]).is_none();
  option("batch_size", out.batch_size);
  option("shuffle", out.shuffle);
  out.sampler = sampler_in(take("sampler"), where);
  out.batch_sampler = batch_sampler_in(take("batch_sampler"), where);
  option("num_workers", out.num_workers);
  option("drop_last", out.drop_last);
  option("prefetch_factor", out.prefetch_factor);
  option("timeout", out.timeout);
  option("output", out.output);
  option("on_error", out.on_error);
  option("lag", out.lag);
  if (py::object device = take("device"); !device.is_none())
    out.device = py::str(device);  // a name, or torch's object
  option("workers", out.workers);
  out.start_method = start_method_in(take("multiprocessing_context"));
  option("persistent_workers", out.persistent_workers);
  option("pin_memory", out.pin_memory);
  out.worker_init = worker_init_of(where, take("worker_init_fn"));
  py::object seed = take("seed"), generator = take("generator");
  if (!seed.is_none()) read_option(where, "seed", seed, out.seed);
  if (!seed.is_none() && !generator.is_none())
    fail(Kind::kValue, where,
         "both seed and generator were given; either says the order");
  if (!generator.is_none()) out.seed = seed_of(where, generator);
  check_rest(arguments, where);
  return out;
}

py::dict options_to_python(const DataLoader::Options& o) {
  py::dict out;
  out["batch_size"] =
      o.batched ? py::object(py::int_(o.batch_size)) : py::object(py::none());
  out["shuffle"] =
      o.shuffle ? py::object(py::bool_(*o.shuffle)) : py::object(py::none());
  out["num_workers"] = o.num_workers ? py::object(py::int_(*o.num_workers))
                                     : py::object(py::none());
  out["drop_last"] = o.drop_last;
  out["prefetch_factor"] = o.prefetch_factor;
  out["timeout"] = o.timeout;
  out["output"] =
      o.output.empty() ? py::object(py::none()) : py::object(py::str(o.output));
  out["on_error"] = o.on_error;
  out["lag"] = o.lag;
  out["device"] =
      o.device.empty() ? py::object(py::none()) : py::object(py::str(o.device));
  out["workers"] = o.workers;
  out["multiprocessing_context"] = o.start_method.empty()
                                       ? py::object(py::none())
                                       : py::object(py::str(o.start_method));
  out["persistent_workers"] = o.persistent_workers;
  out["pin_memory"] = o.pin_memory;
  const auto* init = o.worker_init.target<WorkerInit>();
  out["worker_init_fn"] =
      init ? py::reinterpret_borrow<py::object>(init->function->object())
           : py::object(py::none());
  return out;
}

}  // namespace ptutils::bindings
