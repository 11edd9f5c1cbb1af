#include "data_samplers.h"

#include <pybind11/stl.h>

#include <limits>

#include "casters/tensor.h"
#include "casters/value.h"
#include "data.h"
#include "errors.h"
#include "gil.h"
#include "nn.h"

// Samplers.

namespace ptutils::bindings {

namespace {

using data::BatchSampler;
using data::Sampler;

template <class Base>
class PySampler : public PyModule<Base> {
 public:
  using PyModule<Base>::PyModule;
  std::int64_t count(std::int64_t n) const override {
    if (!this->overrides(Method::kLen)) return Base::count(n);
    Gil gil;
    return of_user("Sampler.__len__",
                   [&] { return this->int_from_python(Method::kLen); });
  }
  data::Order order(std::int64_t n, std::uint64_t seed,
                    std::int64_t epoch) override {
    if (!this->overrides(Method::kOrder)) {
      if constexpr (std::is_abstract_v<Base>)
        fail(Kind::kNotImplemented, this->class_name(),
             "defines no order(self, n, seed, epoch)");
      else
        return Base::order(n, seed, epoch);
    }
    Gil gil;
    return of_user("Sampler.order", [&] {
      return indices_in(this->call_python(Method::kOrder, n, seed, epoch),
                        "Sampler.order");
    });
  }
  data::Order order_of(const data::Dataset& dataset, std::uint64_t seed,
                       std::int64_t epoch) override {
    if (this->overrides(Method::kOrder))
      return order(dataset.size(), seed, epoch);
    return Base::order_of(dataset, seed, epoch);
  }
};

/// torch's sampler, or any iterable of indices. Python does the drawing.
class WrappedSampler final : public Sampler, public PyHolder {
 public:
  explicit WrappedSampler(py::object object) : PyHolder(std::move(object)) {}
  std::string class_name() const override {
    Gil gil;
    return sampler_name(object());
  }
  std::int64_t count(std::int64_t n) const override {
    Gil gil;
    if (!py::hasattr(handle(), "__len__")) return n;
    return of_user("Sampler.__len__", [&] {
      return length_of(handle().attr("__len__")(), "Sampler.__len__");
    });
  }
  data::Order order(std::int64_t, std::uint64_t seed,
                    std::int64_t epoch) override {
    Gil gil;
    return of_user("Sampler.__iter__", [&] {
      return indices_in(py::module_::import("ptutils.data._samplers")
                            .attr("indices")(handle(), seed, epoch),
                        "Sampler.order");
    });
  }
};

}  // namespace

std::string sampler_name(PyObject* object) {
  const std::string name = python_class_name(object);
  constexpr std::string_view kBuiltin = "builtins.";
  if (!name.starts_with(kBuiltin)) return name;
  return "DataLoader: the sampler, a " + name.substr(kBuiltin.size());
}

/// Whatever gives indices, as an i64 tensor of our own.
Tensor indices_in(py::handle given, const std::string& where) {
  py::object array = py::module_::import("numpy").attr("asarray")(given);
  if (py::len(array) == 0) array = array.attr("astype")("int64");
  std::string kind = py::str(array.attr("dtype").attr("kind"));
  if (kind == "u")
    if (const auto most = py::cast<std::uint64_t>(array.attr("max")());
        most > std::numeric_limits<std::int64_t>::max())
      fail(Kind::kIndex, where, "gives index ", most,
           ", which no data set has");
  if (kind == "i" || kind == "u") array = array.attr("astype")("int64");
  return tensor_or_fail(array, where).clone();
}

/// Kind::kType for what is not to be iterated, or once only.
void check_iterable(py::handle object, std::string_view where, const char* name,
                    const char* ours, const char* of) {
  if (!py::hasattr(object, "__iter__") || PyType_Check(object.ptr()))
    fail(Kind::kType, where, name, " is a ", Py_TYPE(object.ptr())->tp_name,
         ", neither a ptutils.data.", ours, " nor an iterable of ", of);
  if (PyIter_Check(object.ptr()))
    fail(Kind::kType, where, name, " is a ", Py_TYPE(object.ptr())->tp_name,
         ", which can be iterated once only: a second epoch would be empty; "
         "give a list, or an object whose iter() begins again");
}

std::shared_ptr<Sampler> sampler_in(py::handle object, std::string_view where) {
  if (object.is_none()) return nullptr;
  if (py::isinstance<Sampler>(object))
    return py::cast<std::shared_ptr<Sampler>>(object);
  if (py::isinstance<BatchSampler>(object))
    fail(Kind::kType, where, "sampler is a ", Py_TYPE(object.ptr())->tp_name,
         ": give it as batch_sampler=");
  check_iterable(object, where, "sampler", "Sampler", "indices");
  return std::make_shared<WrappedSampler>(
      py::reinterpret_borrow<py::object>(object));
}

namespace {

// Arrays of the user's as tensors of our own.

py::object numpy_array(py::handle given, const std::string& where) {
  if (PyUnicode_Check(given.ptr()) || !py::hasattr(given, "__len__"))
    fail(Kind::kType, where, with_article(given), " is no list of numbers");
  return py::module_::import("numpy").attr("asarray")(given);
}

/// What NumPy makes of them, or an error of ours.
template <class Make>
py::object in_numbers(const std::string& where, const Make& make) {
  try {
    return make();
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_TypeError) && !error.matches(PyExc_ValueError))
      throw;
    fail(Kind::kType, where, std::string(py::str(error.value())),
         "; give one list of numbers, or of texts where they are labels");
  }
}

}  // namespace

Tensor floats_in(py::handle given, const std::string& where) {
  py::object array = numpy_array(given, where);
  return tensor_or_fail(
             in_numbers(where, [&] { return array.attr("astype")("float64"); }),
             where)
      .clone();
}

namespace {

Tensor whole_numbers_in(py::handle given, const std::string& where) {
  Tensor out = indices_in(numpy_array(given, where), where);
  if (out.dtype() != DType::kI64)
    fail(Kind::kType, where, "whole numbers are wanted, not ",
         name(out.dtype()));
  return out;
}

/// Labels of any kind as numbers.
Tensor labels_in(py::handle given, const std::string& where) {
  py::object array = numpy_array(given, where);
  std::string kind = py::str(array.attr("dtype").attr("kind"));
  if (kind == "i" || kind == "u") return whole_numbers_in(array, where);
  py::tuple found = in_numbers(where, [&] {
    return py::module_::import("numpy").attr("unique")(
        array, py::arg("return_inverse") = true);
  });
  return whole_numbers_in(found[1], where);
}

template <class T, class Class>
void def_order(Class& cls) {
  cls.def(
      "order",
      [](T& self, std::int64_t n, std::uint64_t seed, std::int64_t epoch) {
        return tensor_to_numpy(self.T::order(n, seed, epoch).tensor());
      },
      py::arg("n"), py::arg("seed") = 0, py::arg("epoch") = 0);
  def_constructor<T>(cls);
}

template <class T>
auto bind_sampler(py::module_& m, const char* name, const char* doc) {
  auto cls = bind_module<T, Sampler, PySampler<T>, false>(m, name,
                                                          "ptutils.data", doc);
  def_order<T>(cls);
  return cls;
}

void def_random_samplers(py::module_& m) {
  using data::RandomSampler;
  bind_sampler<RandomSampler>(
      m, "RandomSampler",
      "A permutation of all samples, or num_samples of them (None: as "
      "many as there are), with or without replacement.")
      .def(py::init([](const py::object& replacement,
                       std::optional<std::int64_t> count) {
             if (!PyBool_Check(replacement.ptr()))
               fail(Kind::kType, "RandomSampler", "replacement is a bool, not ",
                    with_article(replacement),
                    " (samplers take no data set: the loader has it)");
             return new PySampler<RandomSampler>(
                 replacement.is(py::bool_(true)), count);
           }),
           py::arg("replacement") = false, py::arg("num_samples") = py::none());
  using data::SubsetRandomSampler;
  bind_sampler<SubsetRandomSampler>(
      m, "SubsetRandomSampler",
      "The samples at these indices, in a new order each epoch.\n\n"
      ">>> from ptutils.data import DataLoader, SubsetRandomSampler\n"
      ">>> loader = DataLoader(range(100), sampler=SubsetRandomSampler([3, 5, "
      "9]))\n"
      ">>> sorted(int(x) for (x,) in loader)\n"
      "[3, 5, 9]")
      .def(py::init([](const py::object& indices) {
             return new PySampler<SubsetRandomSampler>(
                 whole_numbers_in(indices, "SubsetRandomSampler: indices"));
           }),
           py::arg("indices"))
      .def("_constructor", [](SubsetRandomSampler& self) {
        return py::dict(py::arg("indices") = tensor_to_numpy(self.indices()));
      });
  using data::WeightedRandomSampler;
  bind_sampler<WeightedRandomSampler>(
      m, "WeightedRandomSampler",
      "num_samples draws, each sample as often as its weight says (weights of "
      "any sum, one for each sample). Without replacement: Efraimidis and "
      "Spirakis, Weighted random sampling with a reservoir, 2006: the samples "
      "with the largest u^(1 / weight), u uniform.\n\n"
      ">>> from ptutils.data import WeightedRandomSampler\n"
      ">>> sampler = WeightedRandomSampler([0, 1, 1, 0], 2, "
      "replacement=False)\n"
      ">>> sorted(sampler.order(4).tolist())\n"
      "[1, 2]")
      .def(py::init([](const py::object& weights, std::int64_t num_samples,
                       bool replacement) {
             return new PySampler<WeightedRandomSampler>(
                 floats_in(weights, "WeightedRandomSampler: weights"),
                 num_samples, replacement);
           }),
           py::arg("weights"), py::arg("num_samples"),
           py::arg("replacement") = true)
      .def("_constructor", [](WeightedRandomSampler& self) {
        return py::dict(py::arg("weights") = tensor_to_numpy(self.weights()),
                        py::arg("num_samples") = self.num_samples(),
                        py::arg("replacement") = self.replacement());
      });
}

void def_grouping_samplers(py::module_& m) {
  using data::StratifiedSampler;
  bind_sampler<StratifiedSampler>(
      m, "StratifiedSampler",
      "Every sample once an epoch, each batch with the classes in the data "
      "set's proportion: of each class its quota, rounded up or down. labels: "
      "one for each sample, of any kind; batch_size: the loader's.\n\n"
      ">>> from ptutils.data import DataLoader, StratifiedSampler\n"
      ">>> labels = [0] * 6 + [1] * 3\n"
      ">>> loader = DataLoader(labels, 3, sampler=StratifiedSampler(labels, "
      "3))\n"
      ">>> [sorted(batch.tolist()) for batch in loader]\n"
      "[[0, 0, 1], [0, 0, 1], [0, 0, 1]]")
      .def(py::init([](const py::object& labels, std::int64_t batch_size) {
             return new PySampler<StratifiedSampler>(
                 labels_in(labels, "StratifiedSampler: labels"), batch_size);
           }),
           py::arg("labels"), py::arg("batch_size"))
      .def("_constructor", [](StratifiedSampler& self) {
        return py::dict(py::arg("labels") = tensor_to_numpy(self.labels()),
                        py::arg("batch_size") = self.batch_size());
      });
  using data::BlockShuffleSampler;
  bind_sampler<BlockShuffleSampler>(
      m, "BlockShuffleSampler",
      "Shuffles blocks of neighbours that a file decodes together (the chunks "
      "of an HDF5 file), then the samples of each `window` blocks. A reader "
      "whose cache holds two windows (one that threads end, one that they "
      "begin) decodes each block once an epoch, where "
      "shuffle=True would decode one for nearly every sample. block: samples "
      "a block; None: as the data set says.\n\n"
      ">>> from ptutils.data import BlockShuffleSampler\n"
      ">>> order = BlockShuffleSampler(window=2, block=4).order(8)\n"
      ">>> sorted(order.tolist())\n"
      "[0, 1, 2, 3, 4, 5, 6, 7]")
      .def(py::init([](std::int64_t window, std::optional<std::int64_t> block) {
             if (block == 0)
               fail(Kind::kValue, "BlockShuffleSampler",
                    "block=0; give the samples of a block, or None for the "
                    "data set's own");
             return new PySampler<BlockShuffleSampler>(window,
                                                       block.value_or(0));
           }),
           py::arg("window") = 8, py::arg("block") = py::none());
}

/// (number of processes, own rank) of torch.distributed, where it is in use.
std::optional<std::pair<std::int64_t, std::int64_t>> torch_world() {
  Gil gil;
  PyObject* torch =
      PyDict_GetItemString(PyImport_GetModuleDict(), "torch.distributed");
  if (!torch) return {};
  py::handle group(torch);
  if (!py::cast<bool>(group.attr("is_available")()) ||
      !py::cast<bool>(group.attr("is_initialized")()))
    return {};
  return std::pair(py::cast<std::int64_t>(group.attr("get_world_size")()),
                   py::cast<std::int64_t>(group.attr("get_rank")()));
}

void def_distributed(py::module_& m) {
  data::set_world(&torch_world);
  using data::DistributedSampler;
  bind_sampler<DistributedSampler>(
      m, "DistributedSampler",
      "The share of one of num_replicas processes: disjoint shares of one "
      "length. What is missing to that is repeated from the order's begin, as "
      "torch's does, or the rest is left out (drop_last). num_replicas, rank: "
      "None takes those of torch.distributed where it is initialised, else of "
      "WORLD_SIZE and RANK. The order depends on (seed, epoch); seed=None is "
      "the loader's, which must be the same in all processes. No set_epoch is "
      "needed.\n\n"
      ">>> from ptutils.data import DistributedSampler\n"
      ">>> [DistributedSampler(2, rank, shuffle=False).order(5).tolist() for "
      "rank in (0, 1)]\n"
      "[[0, 2, 4], [1, 3, 0]]")
      .def(py::init([](std::optional<std::int64_t> num_replicas,
                       std::optional<std::int64_t> rank, bool shuffle,
                       std::optional<std::uint64_t> seed, bool drop_last) {
             return new PySampler<DistributedSampler>(
                 DistributedSampler::Options{num_replicas, rank, shuffle,
                                             drop_last, seed});
           }),
           py::arg("num_replicas") = py::none(), py::arg("rank") = py::none(),
           py::arg("shuffle") = true, py::arg("seed") = py::none(),
           py::arg("drop_last") = false)
      .def_property_readonly("num_replicas", &DistributedSampler::num_replicas)
      .def_property_readonly("rank", &DistributedSampler::rank);
}

}  // namespace

void def_samplers(py::module_& m) {
  auto cls = bind_module<Sampler, Module, PySampler<Sampler>, true>(
      m, "Sampler", "ptutils.data",
      "The order of an epoch's samples. A subclass defines order(n, seed, "
      "epoch) -> indices, a function of these alone, and __len__ where it is "
      "not n.\n\n"
      ">>> from ptutils.data import Sampler\n"
      ">>> class Backwards(Sampler):\n"
      "...     def order(self, n, seed, epoch):\n"
      "...         return range(n - 1, -1, -1)");
  cls.def(
      "order",
      [](Sampler& self, std::int64_t n, std::uint64_t seed,
         std::int64_t epoch) {
        if (dynamic_cast<PySampler<Sampler>*>(&self))
          fail(Kind::kNotImplemented, self.class_name(),
               "defines no order(self, n, seed, epoch)");
        return tensor_to_numpy(self.order(n, seed, epoch).tensor());
      },
      py::arg("n"), py::arg("seed") = 0, py::arg("epoch") = 0);

  using data::SequentialSampler;
  auto sequential =
      bind_module<SequentialSampler, Sampler, PySampler<SequentialSampler>,
                  true>(m, "SequentialSampler", "ptutils.data", "0, 1, 2, …");
  def_order<SequentialSampler>(sequential);
  def_random_samplers(m);
  def_grouping_samplers(m);
  def_distributed(m);
  def_batch_samplers(m);
}

}  // namespace ptutils::bindings
