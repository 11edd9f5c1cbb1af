#include <pybind11/stl.h>

#include "attributes.h"
#include "casters/tensor.h"
#include "casters/value.h"
#include "data.h"
#include "data_samplers.h"
#include "gil.h"
#include "nn.h"
#include "ptutils/common/names.h"
#include "py_data_loader.h"

// Loaders as Python iterates over them.

namespace ptutils::bindings {

namespace {

using data::DataLoader;
using data::Loader;

PyDataLoader& own(const py::object& self) {
  auto* found = dynamic_cast<PyDataLoader*>(&py::cast<DataLoader&>(self));
  if (!found) fail(Kind::kState, "DataLoader", "was not made in Python");
  return *found;
}

/// One `for` over a loader, or several of as many threads.
struct Iteration {
  explicit Iteration(const py::object& loader_)
      : loader(loader_), number(own(loader).begin()) {}

  py::object loader;
  std::uint64_t number;
  std::shared_ptr<DataLoader::Pass> pass = std::make_shared<DataLoader::Pass>();

  py::object next() {
    if (pass->ended) throw py::stop_iteration();
    PyDataLoader& self = own(loader);
    if (number != self.iterations())
      fail(Kind::kState, "DataLoader",
           "a newer iteration over this loader began: it has one position. "
           "Make a loader for each");
    return self.take(*pass);
  }
};

/// The collector follows an iteration to its loader.
py::custom_type_setup collected_iteration() {
  return py::custom_type_setup([](PyHeapTypeObject* heap) {
    PyTypeObject* type = &heap->ht_type;
    type->tp_flags |= Py_TPFLAGS_HAVE_GC;
    type->tp_traverse = [](PyObject* self, visitproc visit, void* arg) {
      Py_VISIT(Py_TYPE(self));
      if (py::detail::is_holder_constructed(self))
        Py_VISIT(py::cast<Iteration&>(py::handle(self)).loader.ptr());
      return 0;
    };
    type->tp_clear = [](PyObject* self) {
      if (py::detail::is_holder_constructed(self)) {
        auto& iteration = py::cast<Iteration&>(py::handle(self));
        iteration.pass->ended = true;
        py::object dropped = std::move(iteration.loader);
      }
      return 0;
    };
  });
}

void set_collate(PyDataLoader& self, const py::object& function) {
  if (function.is_none()) return;
  if (!PyCallable_Check(function.ptr()))
    fail(Kind::kType, "DataLoader", "collate_fn is a ",
         Py_TYPE(function.ptr())->tp_name, ", not a function");
  auto held = std::make_shared<PyOpaque>(function);
  self.collate = held;
  const bool batched = self.options().batched;
  self.set_collate([held, batched](std::vector<Value>&& samples) {
    if (finalizing()) fail(Kind::kState, "DataLoader", "the process ends");
    Gil gil;
    py::list list;
    for (Value& sample : samples)
      list.append(bindings::to_python(owned(std::move(sample))));
    return of_user("DataLoader: collate_fn", [&] {
      py::object given = batched ? py::object(list) : py::object(list[0]);
      return to_value(py::handle(held->object())(given), "collate_fn");
    });
  });
}

/// Where batches are to go; None: they stay.
py::object mover_of(DataLoader::Options& options) {
  if (!options.pin_memory && options.device.empty()) return py::none();
  if (options.output.empty()) options.output = "torch";
  if (options.output != "torch")
    fail(Kind::kValue, "DataLoader",
         options.pin_memory ? "pin_memory=True" : "device", " with output='",
         options.output, "': such batches are torch's");
  return py::module_::import("ptutils.data._torch")
      .attr("mover")(options.pin_memory, options.device);
}

PyDataLoader* loader_from(const py::object& dataset,
                          const py::object& batch_size,
                          const py::object& shuffle, const py::object& sampler,
                          const py::args& more, const py::kwargs& kwargs) {
  if (!more.empty())
    fail(Kind::kType, "DataLoader",
         "takes dataset, batch_size, shuffle and sampler by place; give the "
         "others by name (num_workers=2)");
  py::dict arguments(kwargs);
  py::object collate = py::none();
  if (arguments.contains("collate_fn"))
    collate = arguments.attr("pop")("collate_fn");
  arguments["batch_size"] = batch_size;
  arguments["shuffle"] = shuffle;
  arguments["sampler"] = sampler;
  DataLoader::Options options = loader_options(arguments, "DataLoader");
  py::object mover = mover_of(options);
  auto made = std::make_unique<PyDataLoader>(dataset_in(dataset, "DataLoader"),
                                             std::move(options));
  set_collate(*made, collate);
  made->mover = std::move(mover);
  made->set_process_factory([self = made.get()](
                                const std::shared_ptr<data::Dataset>& data,
                                int count) {
    Gil gil;
    const auto& o = self->options();
    const auto* init = o.worker_init.target<WorkerInit>();
    auto object = [](PyObject* given) {
      return given ? py::reinterpret_borrow<py::object>(given)
                   : py::object(py::none());
    };
    return processes_of(
        data, count, object(self->collate ? self->collate->object() : nullptr),
        object(init ? init->function->object() : nullptr), o.batched,
        o.start_method);
  });
  return made.release();
}

std::int64_t workers_of(const DataLoader& self) {
  return self.options().num_workers.value_or(self.workers());
}

using LoaderClass = py::classh<DataLoader, Loader, PyDataLoader>;

/// A child by its name; null where there is none.
ModulePtr child_of(DataLoader& loader, const char* wanted) {
  struct Find final : Fields {
    void child(std::string_view name, ChildSlot& slot) override {
      if (name == wanted) found = slot.share();
    }
    void value(std::string_view, ValueSlot&) override {}
    std::string_view wanted;
    ModulePtr found;
  } find;
  find.wanted = wanted;
  loader.DataLoader::fields(find);
  return find.found;
}

/// Attributes of torch's loader that are no options here.
void def_torch_attributes(LoaderClass& cls) {
  cls.def_property_readonly(
      "prefetch_factor",
      [](DataLoader& self) {
        const auto& o = self.options();
        return o.num_workers == 0 ? std::nullopt : o.prefetch_factor;
      },
      "Batches ahead per thread, as given.");
  cls.def_property_readonly(
      "batch_sampler",
      [](const py::object& self) {
        py::object given =
            child_out(child_of(py::cast<DataLoader&>(self), "batch_sampler"));
        if (!given.is_none() || !py::cast<DataLoader&>(self).options().batched)
          return given;
        return py::object(py::module_::import("ptutils.data._samplers")
                              .attr("LoaderBatches")(self));
      },
      "The one that was given, or the lists of indices that are the batches of "
      "this epoch; None with batch_size=None.");
  cls.def_property_readonly(
      "persistent_workers",
      [](const DataLoader& self) {
        return self.options().persistent_workers.value_or(true) &&
               workers_of(self) > 0;
      },
      "Threads persist from epoch to epoch.");
  cls.def_property_readonly("generator",
                            [](const DataLoader&) { return py::none(); });
}

void def_attributes(LoaderClass& cls) {
  cls.def_property_readonly(
      "dataset", [](DataLoader& self) { return child_out(self.dataset()); });
  cls.def_property_readonly("sampler", [](DataLoader& self) {
    return child_out(child_of(self, "sampler"));
  });
  cls.def_property_readonly("collate_fn", [](const py::object& self) {
    auto& held = own(self).collate;
    return held ? py::reinterpret_borrow<py::object>(held->object())
                : py::object(py::none());
  });
  auto option = [&](const char* name) {
    cls.def_property_readonly(name, [name](DataLoader& self) {
      py::dict options = options_to_python(self.options());
      return py::object(options[name]);
    });
  };
  for (const char* name :
       {"shuffle", "drop_last", "timeout", "output", "on_error", "pin_memory",
        "worker_init_fn", "workers", "lag", "device",
        "multiprocessing_context"})
    option(name);
  cls.def_property_readonly(
      "batch_size", [](DataLoader& self) -> std::optional<std::int64_t> {
        const auto& o = self.options();
        if (!o.batched || child_of(self, "batch_sampler")) return {};
        return o.batch_size;
      });
  cls.def_property_readonly(
      "skipped", &DataLoader::skipped,
      "Samples that on_error='skip' has left out so far.");
  cls.def_property_readonly("_is_iterable", [](const DataLoader& self) {
    return self.dataset()->is_iterable();
  });
  cls.def_property_readonly("_asked_workers", [](const DataLoader& self) {
    return self.options().num_workers;
  });
  cls.def_property_readonly("num_workers", &workers_of,
                            "Threads that were asked for, else those in use.");
  cls.def_property(
      "seed",
      [](DataLoader& self) {
        return self.DataLoader::state_dict().as_dict().at("seed");
      },
      &DataLoader::set_seed);
  cls.def_property_readonly("epoch", &DataLoader::epoch);
  cls.def_property_readonly("batch", &DataLoader::batch,
                            "Batches given of this epoch.");
}

/// Where it is, and what comes.
void def_position(LoaderClass& cls) {
  cls.def_property_readonly("_remaining", [](const DataLoader& self) {
    return self.DataLoader::remaining();
  });
  cls.def(
      "_order",
      [](DataLoader& self, std::optional<std::int64_t> epoch) {
        return tensor_to_numpy(self.order(epoch.value_or(self.epoch())));
      },
      py::arg("epoch") = py::none());
  cls.def("_batches", [](DataLoader& self, std::int64_t epoch) {
    return lists_of(self.batches(epoch));
  });
  cls.def("report", &DataLoader::report,
          "Where the time went, of the batches given so far.\n\n"
          ">>> from ptutils.data import DataLoader\n"
          ">>> loader = DataLoader(range(6), 4)\n"
          ">>> batches = list(loader)\n"
          ">>> report = loader.report()\n"
          ">>> report.batches, report.samples, report.skipped\n"
          "(2, 6, 0)");
  cls.def(
      "request",
      [](DataLoader& self, const Value& request) {
        self.DataLoader::request(request);
      },
      py::arg("request"),
      "What batches are to answer: code that makes samples finds it in "
      "batch_info().request, `lag` batches after the next. It is part of the "
      "state.\n\n"
      ">>> from ptutils.data import DataLoader, batch_info\n"
      ">>> def levels():\n"
      "...     while True:\n"
      "...         yield batch_info().request or 0\n"
      ">>> loader = DataLoader(levels, batch_size=2, lag=1)\n"
      ">>> batches = iter(loader)\n"
      ">>> next(batches).tolist()\n"
      "[0, 0]\n"
      ">>> loader.request(7)\n"
      ">>> next(batches).tolist(), next(batches).tolist()\n"
      "([0, 0], [7, 7])");
  cls.def(
      "rewind", [](DataLoader& self) { self.DataLoader::rewind(); },
      "Back to the begin of the epoch.");
  cls.def(
      "set_position",
      [](const py::object& self, std::int64_t epoch, std::int64_t batch) {
        own(self).set_position(epoch, batch);
        own(self).load_partial(Value(Dict()));  // the next loop goes on there
      },
      py::arg("epoch"), py::arg("batch") = 0);
}

void def_copies(LoaderClass& cls) {
  cls.def("__reduce_ex__", [](const py::object& self, int) {
    auto& loader = py::cast<DataLoader&>(self);
    py::dict arguments = options_to_python(loader.options());
    arguments["dataset"] = self.attr("dataset");
    py::object batches = child_out(child_of(loader, "batch_sampler"));
    arguments["batch_sampler"] = batches;
    if (py::object(arguments["shuffle"]).is_none() && batches.is_none() &&
        !loader.dataset()->is_iterable())
      arguments["sampler"] = self.attr("sampler");
    arguments["collate_fn"] = self.attr("collate_fn");
    return reduced(self, arguments,
                   bindings::to_python(loader.DataLoader::state_dict()));
  });
  cls.def("_set_extra_state", [](DataLoader& self, const Value& state) {
    self.load_partial(state);
  });
}

const char* const kLoaderDoc =
    "Batches of a data set, loaded by threads into recycled buffers; its "
    "position is its state. torch's arguments and attributes.\n\n"
    "Parameters\n"
    "----------\n"
    "dataset : ours, torch's, any object with __len__ and __getitem__; or any "
    "iterable, or a function that gives one (a generator), each epoch anew\n"
    "batch_size, shuffle, drop_last, timeout : as torch's; "
    "batch_size=None gives the samples one by one, as they are\n"
    "sampler : a Sampler, torch's, or any iterable of indices\n"
    "batch_sampler : a BatchSampler, torch's, or any iterable of lists of "
    "indices; in the place of batch_size, shuffle, sampler and drop_last\n"
    "num_workers : threads; 0 loads in the caller; None chooses, and loads in "
    "the caller what Python makes (samples, batches by collate_fn): threads "
    "would draw from the generators of Python, NumPy and torch in another "
    "order each time\n"
    "collate_fn : list of samples -> batch; None stacks\n"
    "pin_memory : torch tensors in page-locked memory, where there is CUDA\n"
    "device : where torch batches go: copied on a stream of their own, from "
    "page-locked memory, where it is a CUDA device\n"
    "persistent_workers : False ends the threads with each epoch; None and "
    "True keep them\n"
    "worker_init_fn : called with its number on each thread, once\n"
    "generator : a torch.Generator or an int, that seed is drawn from, once\n"
    "workers : 'thread', or 'process': num_workers processes, for samples that "
    "Python takes long to make (they are pickled for them; "
    "multiprocessing_context: 'forkserver' or 'spawn', which import the script "
    "anew, so that what it runs belongs below `if __name__ == '__main__':`, or "
    "'fork')\n"
    "on_error : 'raise', or 'skip': a sample that fails is left out of its "
    "batch, logged and counted (skipped)\n"
    "prefetch_factor : batches ahead per worker; None: one (a process: two), "
    "and 2 at least; of "
    "more than 8 MB that take long, which all threads make together, one in "
    "all\n"
    "lag : batches after which a request acts (see request); None: 2, or "
    "prefetch_factor\n"
    "output : 'numpy', 'torch' or 'native'; None: torch where the data set or "
    "its samples are torch's, native where they are native tensors, else "
    "NumPy\n"
    "seed : of the order; an epoch's order depends on (seed, epoch) alone\n\n"
    "A loop that was left by `break` is over: the next one begins a new epoch. "
    "After load_state_dict the next one goes on where the state was taken.\n\n"
    ">>> import numpy as np\n"
    ">>> from ptutils.data import ArrayDataset, DataLoader\n"
    ">>> loader = DataLoader(ArrayDataset(np.arange(5)), batch_size=2)\n"
    ">>> [batch.tolist() for (batch,) in loader]\n"
    "[[0, 1], [2, 3], [4]]";

}  // namespace

void def_loader(py::module_& m) {
  def_report(m);
  auto base = bind_module<Loader, Module, PyLoaderBase<Loader>, true>(
      m, "Loader", "ptutils.data",
      "Batches of one epoch after another. A subclass defines __next__ "
      "(StopIteration at an epoch's end), and __len__, rewind and close where "
      "they mean something.");
  base.def("__iter__", [](py::object self) { return self; });
  base.def("__bool__", [](const Loader&) { return true; });
  base.def("rewind", [](Loader& self) {
    if (!dynamic_cast<PySelf*>(&self)) self.rewind();
  });
  base.def("close", [](Loader& self) {
    if (!dynamic_cast<PySelf*>(&self)) self.close();
  });
  base.def(
      "request",
      [](Loader& self, const Value& request) { self.Loader::request(request); },
      py::arg("request"), "Refused: its batches answer no requests.");

  py::class_<Iteration>(m, "_LoaderIteration", collected_iteration())
      .def("__iter__", [](py::object self) { return self; })
      .def("__next__", &Iteration::next)
      .def("__len__", [](Iteration& self) { return py::len(self.loader); });

  auto cls = bind_module<DataLoader, Loader, PyDataLoader, false>(
      m, "DataLoader", "ptutils.data", kLoaderDoc);
  cls.def(py::init(&loader_from), py::arg("dataset"), py::arg("batch_size") = 1,
          py::arg("shuffle") = py::none(), py::arg("sampler") = py::none());
  def_attributes(cls);
  def_torch_attributes(cls);
  cls.def("__len__", [](DataLoader& self) {
    const std::int64_t length = self.DataLoader::length();
    if (length < 0) return self.dataset()->size();  // says that it has none
    return length;
  });
  cls.def("__iter__", [](const py::object& self) { return Iteration(self); });
  cls.def("__next__", [](const py::object& self) {
    DataLoader::Pass alone;
    return own(self).take(alone);
  });
  cls.def(
      "close",
      [](DataLoader& self) {
        py::gil_scoped_release release;
        self.DataLoader::close();
      },
      "Ends the threads; the next iteration starts them again.");
  def_position(cls);
  def_copies(cls);
}

}  // namespace ptutils::bindings
