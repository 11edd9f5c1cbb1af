#include <pybind11/stl.h>

#include <algorithm>
#include <utility>

#include "casters/value.h"
#include "data.h"
#include "errors.h"
#include "gil.h"
#include "ptutils/formats/flatten.h"
#include "py_dataset.h"

// Data sets whose samples come one after another.

namespace ptutils::bindings {

namespace {

using data::Dataset;
using data::IterableDataset;
using data::SampleStream;

/// An iterator of Python's. One with state_dict and load_state_dict is put back
/// by these; others begin again, and skip.
class PythonStream final : public SampleStream {
 public:
  PythonStream(py::object iterator, SeenOrigin& origin)
      : iterator_(std::make_shared<PyOpaque>(std::move(iterator))),
        origin_(origin) {}

  bool next(Value& sample) override {
    check_running();
    Gil gil;
    PyObject* given = PyIter_Next(iterator_->object());
    if (given) {
      sample = sample_in(py::reinterpret_steal<py::object>(given));
      origin_.note(sample);
      ++given_;
      return true;
    }
    if (!PyErr_Occurred()) return false;
    py::error_already_set error;
    error.value().attr("add_note")(str("in sample ", given_));
    throw error;
  }
  bool skip(std::int64_t count) override {
    given_ += count;
    check_running();
    Gil gil;
    while (count-- > 0) {
      PyObject* given = PyIter_Next(iterator_->object());
      if (!given && PyErr_Occurred()) throw py::error_already_set();
      if (!given) return false;
      Py_DECREF(given);
    }
    return true;
  }
  Value state() override {
    check_running();
    Gil gil;
    py::handle iterator = iterator_->object();
    if (!py::hasattr(iterator, "state_dict") ||
        !py::hasattr(iterator, "load_state_dict"))
      return {};
    Value out = to_value(iterator.attr("state_dict")(), "state_dict").clone();
    flatten(out, "the state of a data source: ", false);  // data alone
    return out;
  }
  void load_state(const Value& state) override {
    Gil gil;
    py::handle iterator = iterator_->object();
    if (!py::hasattr(iterator, "load_state_dict"))
      return SampleStream::load_state(state);
    iterator.attr("load_state_dict")(bindings::to_python(state.clone()));
  }

 private:
  std::shared_ptr<PyOpaque> iterator_;
  SeenOrigin& origin_;
  std::int64_t given_ = 0;
};

/// Any iterable, or a function of no arguments that gives one.
class WrappedIterable final : public IterableDataset, public PyHolder {
 public:
  explicit WrappedIterable(py::object object) : PyHolder(std::move(object)) {
    if (is_torch_dataset(handle())) origin_.set(Origin::kTorch);
    once_ = PyIter_Check(handle().ptr()) &&
            py::object(handle().attr("__iter__")()).is(handle()) &&
            !py::hasattr(handle(), "load_state_dict");
  }
  std::string class_name() const override {
    Gil gil;
    return python_class_name(object());
  }
  std::unique_ptr<SampleStream> iterate(const Random&, std::int64_t) override {
    check_running();
    Gil gil;
    if (once_ && begun_)
      fail(Kind::kState, "IterableDataset", "a ",
           Py_TYPE(handle().ptr())->tp_name,
           " gives its samples once, and an iteration over it has begun: give "
           "the function that makes it, or an object whose iter() begins "
           "again");
    begun_ = true;
    return of_user("data source", [&] {
      const bool iterable = py::hasattr(handle(), "__iter__");
      return python_stream(iterable ? py::object(handle().attr("__iter__")())
                                    : py::object(handle()()),
                           origin_);
    });
  }
  Value to_config() override { return config_of_source(handle()); }
  bool is_python() const override { return true; }
  Origin origin() const override { return origin_.get(); }

 private:
  SeenOrigin origin_;
  bool once_ = false;
  bool begun_ = false;  // under the GIL
};

/// torch's loader asks isinstance whether it may iterate.
class PyIterableDataset final : public PyDataset<IterableDataset> {
 public:
  PyIterableDataset() { tell_torch(); }
  explicit PyIterableDataset(Options options)
      : PyDataset<IterableDataset>(std::move(options)) {
    tell_torch();
  }

 private:
  static void tell_torch() {
    Gil gil;
    PyObject* torch =
        PyDict_GetItemString(PyImport_GetModuleDict(), "torch.utils.data");
    if (torch)
      py::handle(torch)
          .attr("IterableDataset")
          .attr("register")(py::type::of<IterableDataset>());
  }
};

/// A `for` over samples outside of a loader: with their preprocessor.
struct SampleIteration {
  std::shared_ptr<Dataset> dataset;
  std::unique_ptr<SampleStream> samples;
  Random stream;
  std::uint64_t every = 1;  // of torch's workers each has its share
  std::uint64_t given = 0;

  py::object next() {
    Value sample;
    {
      py::gil_scoped_release release;
      if (!samples->next(sample)) throw py::stop_iteration();
      sample = dataset->processed(std::move(sample), stream.at(0, given));
      given += every;
      if (every > 1) samples->skip(static_cast<std::int64_t>(every) - 1);
    }
    return bindings::to_python(owned(std::move(sample)));
  }
};

/// Its samples are those of files and of data sets that have indices.
bool gives_alike(const Dataset& dataset) {
  const auto given = dataset.opened();
  return given &&
         std::all_of(given->datasets.begin(), given->datasets.end(),
                     [](const std::shared_ptr<Dataset>& part) {
                       return !part->is_iterable() ||
                              (!part->is_python() && gives_alike(*part));
                     });
}

/// Where a worker of torch's loader iterates over the data set: every so
/// many-th sample is its, from this one on. Who iterates in Python's own code,
/// an __iter__ or a generator, divides the samples there.
std::pair<std::uint64_t, std::uint64_t> share_of(const py::object& self) {
  PyObject* torch =
      PyDict_GetItemString(PyImport_GetModuleDict(), "torch.utils.data");
  if (!torch) return {1, 0};
  py::object worker = py::handle(torch).attr("get_worker_info")();
  if (worker.is_none() || !py::object(worker.attr("dataset")).is(self) ||
      !py::type::of(self)
           .attr("__iter__")
           .is(py::type::of<IterableDataset>().attr("__iter__")) ||
      !gives_alike(py::cast<Dataset&>(self)))
    return {1, 0};
  return {py::cast<std::uint64_t>(worker.attr("num_workers")),
          py::cast<std::uint64_t>(worker.attr("id"))};
}

/// The batch that the thread that asks makes; where it makes none, the last one
/// that was told.
struct BatchNow {
  data::BatchInfo last;
  const data::BatchInfo& now() {
    if (const data::BatchInfo* info = data::batch_info()) last = *info;
    return last;
  }
};

const char* const kDoc =
    "Samples that come one after another, and have no index: a subclass's "
    "__iter__, begun anew each epoch, or those of data_source (files, data "
    "sets, iterables, generator functions) in order. A valid torch "
    "IterableDataset, too: its workers share the samples where all sources are "
    "files and indexed data sets; an __iter__ or a generator of yours gives "
    "all of them in each worker, unless it asks torch's get_worker_info(). A "
    "loader of "
    "ours with workers='process' takes none.\n\n"
    "One thread draws them, ahead of the loop. A loader that is put back in "
    "mid-epoch begins the epoch again and skips, unless the iterator has "
    "state_dict and load_state_dict. batch_info() tells seed and epoch.\n\n"
    ">>> from ptutils.data import DataLoader, IterableDataset\n"
    ">>> class Squares(IterableDataset):\n"
    "...     def __iter__(self):\n"
    "...         for i in range(5):\n"
    "...             yield i * i\n"
    ">>> [batch.tolist() for batch in DataLoader(Squares(), batch_size=2)]\n"
    "[[0, 1], [4, 9], [16]]";

}  // namespace

std::unique_ptr<SampleStream> python_stream(const py::object& iterable,
                                            SeenOrigin& origin) {
  if (!py::hasattr(iterable, "__iter__") && !PyIter_Check(iterable.ptr()))
    fail(Kind::kType, "IterableDataset", "gave ", with_article(iterable),
         ", which cannot be iterated");
  return std::make_unique<PythonStream>(
      PyIter_Check(iterable.ptr()) ? iterable
                                   : py::object(iterable.attr("__iter__")()),
      origin);
}

std::shared_ptr<Dataset> iterable_in(py::handle object) {
  const bool torchs =
      is_instance_of(object, "torch.utils.data", "IterableDataset");
  const bool indexed = py::hasattr(object, "__getitem__");
  const bool gives = py::hasattr(object, "__iter__") ||
                     PyFunction_Check(object.ptr()) ||
                     PyMethod_Check(object.ptr()) ||
                     is_instance_of(object, "functools", "partial");
  if (PyType_Check(object.ptr()) || (!torchs && (indexed || !gives)))
    return nullptr;
  return std::make_shared<WrappedIterable>(
      py::reinterpret_borrow<py::object>(object));
}

void def_iterable(py::module_& m) {
  py::class_<BatchNow>(
      m, "BatchInfo",
      "What a loader is making: seed, epoch, batch, and the request that it "
      "answers (None: none was made). A generator may keep it: it tells of the "
      "batch that is made when it is asked.")
      .def_property_readonly("seed",
                             [](BatchNow& self) { return self.now().seed; })
      .def_property_readonly("epoch",
                             [](BatchNow& self) { return self.now().epoch; })
      .def_property_readonly("batch",
                             [](BatchNow& self) { return self.now().batch; })
      .def_property_readonly("request",
                             [](BatchNow& self) {
                               return bindings::to_python(self.now().request);
                             })
      .def("__repr__",
           [](BatchNow& self) {
             const data::BatchInfo& now = self.now();
             return str("BatchInfo(seed=", now.seed, ", epoch=", now.epoch,
                        ", batch=", now.batch,
                        ", request=", now.request.repr(60), ")");
           })
      .attr("__module__") = "ptutils.data";
  m.def(
      "batch_info",
      []() -> std::optional<BatchNow> {
        const data::BatchInfo* info = data::batch_info();
        if (!info) return {};
        return BatchNow{*info};
      },
      "Of the batch that this thread makes, for data sets, transforms and "
      "collate functions; None outside of a loader.");

  py::class_<SampleIteration>(m, "_SampleIteration")
      .def("__iter__", [](py::object self) { return self; })
      .def("__next__", &SampleIteration::next);
  auto cls = bind_module<IterableDataset, Dataset, PyIterableDataset, true>(
      m, "IterableDataset", "ptutils.data", kDoc);
  auto iterate = [](const py::object& self) {
    auto dataset = py::cast<std::shared_ptr<Dataset>>(self);
    const auto [every, first] = share_of(self);
    SampleIteration out{dataset, nullptr, stream_outside(*dataset), every,
                        first};
    out.samples = dataset->Dataset::iterate(out.stream, 0);
    if (first > 0) out.samples->skip(static_cast<std::int64_t>(first));
    return out;
  };
  cls.def("__iter__", iterate);
  cls.attr("__init__") = py::type::of<Dataset>().attr("__init__");
}

}  // namespace ptutils::bindings
