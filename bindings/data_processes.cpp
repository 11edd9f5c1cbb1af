#include <pybind11/stl.h>

#include "casters/value.h"
#include "data.h"
#include "errors.h"
#include "gil.h"
#include "ptutils/data/process_workers.h"

// Worker processes of a loader.

namespace ptutils::bindings {

namespace {

py::object processes() {
  return py::module_::import("ptutils.data._processes");
}

/// Python's view of the exception that is being handled.
std::string describe_by(const py::object& describe) {
  Gil gil;
  auto of = [&](const py::object& error) {
    return py::cast<std::string>(py::bytes(describe(error)));
  };
  auto native = [&](Kind kind, const char* what) {
    return of(py::reinterpret_borrow<py::object>(error_class(kind))(what));
  };
  try {
    throw;
  } catch (py::error_already_set& error) {
    if (error.trace())
      PyException_SetTraceback(error.value().ptr(), error.trace().ptr());
    return of(error.value());
  } catch (const Error& error) {
    return native(error.kind(), error.what());
  } catch (const std::exception& error) {
    return native(Kind::kState, error.what());
  }
}

}  // namespace

std::shared_ptr<data::Dataset> processes_of(
    const std::shared_ptr<data::Dataset>& dataset, int count,
    const py::object& collate, const py::object& init, bool batched,
    const std::string& method) {
  Gil gil;
  const auto payload = std::make_shared<const std::string>(
      py::cast<std::string>(py::bytes(processes().attr("payload")(
          child_out(dataset), collate, init, batched))));
  data::ProcessHooks hooks;
  hooks.start = [payload, method](int id) {
    Gil inner;
    py::tuple started = processes().attr("start")(
        py::bytes(*payload), id,
        method.empty() ? py::object(py::none()) : py::object(py::str(method)));
    return data::ProcessHooks::Started{py::cast<int>(started[0]),
                                       py::cast<std::int64_t>(started[1])};
  };
  hooks.end = [](std::int64_t pid) -> std::string {
    if (finalizing()) return {};  // multiprocessing ends those that are left
    Gil inner;
    try {
      return py::cast<std::string>(processes().attr("end")(pid));
    } catch (py::error_already_set& error) {  // called by destructors
      if (error.matches(PyExc_KeyboardInterrupt))
        PyErr_SetInterrupt();  // once more, where it can be raised
      else
        error.discard_as_unraisable("DataLoader: the end of a worker process");
      return {};
    }
  };
  hooks.raise = [](const std::string& error) {
    Gil inner;
    processes().attr("raise_")(py::bytes(error));
  };
  return data::process_dataset(dataset, count, std::move(hooks));
}

void def_processes(py::module_& m) {
  m.def("_serve_batches", [](int socket, std::int64_t parent,
                             const py::object& given, const py::object& collate,
                             bool batched, const py::object& describe,
                             const py::object& seed) {
    auto dataset = dataset_in(given, "DataLoader");
    auto make = [&](std::span<const std::int64_t> indices,
                    const std::vector<Random>& random, const Value& reuse) {
      {
        Gil gil;
        if (!random.empty()) seed(random[0].key());
      }
      if (collate.is_none() && batched)
        return dataset->get_batch(indices, random, reuse);
      Gil gil;
      py::list samples;
      for (std::size_t i = 0; i < indices.size(); ++i) {
        Value sample;
        {
          py::gil_scoped_release release;
          data::check_wanted();
          sample = dataset->get(indices[i],
                                i < random.size() ? random[i] : Random());
        }
        samples.append(bindings::to_python(owned(std::move(sample))));
      }
      py::object given = batched ? py::object(samples) : py::object(samples[0]);
      return to_value(collate.is_none() ? given : collate(given), "collate_fn");
    };
    py::gil_scoped_release release;
    data::serve_batches(socket, parent, make,
                        [&] { return describe_by(describe); });
  });
  m.def("_refuse_batches",
        [](int socket, std::int64_t parent, const py::bytes& error) {
          const std::string text = error;
          auto refuse = [](std::span<const std::int64_t>,
                           const std::vector<Random>&, const Value&) -> Value {
            fail(Kind::kState, "DataLoader", "the worker could not begin");
          };
          py::gil_scoped_release release;
          data::serve_batches(socket, parent, refuse, [&] { return text; });
        });
}

}  // namespace ptutils::bindings
