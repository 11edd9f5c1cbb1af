#include <pybind11/stl.h>

#include "casters/tensor.h"
#include "casters/value.h"
#include "data.h"
#include "data_transforms.h"
#include "ptutils/data/wrappers.h"
#include "py_dataset.h"

// Data sets made of others.

namespace ptutils::bindings {

namespace {

using data::CachedDataset;
using data::Dataset;
using data::MapDataset;
using data::Subset;
using data::ZipDataset;

py::list datasets_out(const std::vector<std::shared_ptr<Dataset>>& datasets) {
  py::list out;
  for (const auto& dataset : datasets) out.append(child_out(dataset));
  return out;
}

/// Any indices as i64.
Tensor indices_in(const py::object& given) {
  py::object array = py::module_::import("numpy").attr("asarray")(given);
  if (py::cast<py::ssize_t>(array.attr("size")) == 0)
    array = array.attr("astype")("int64");
  return tensor_or_fail(array, "Subset: indices");
}

template <class T>
auto def_wrapper(py::module_& m, const char* name, const char* doc) {
  auto cls = bind_module<T, Dataset, PyDataset<T>, false>(m, name,
                                                          "ptutils.data", doc);
  def_get<T>(cls);
  cls.attr("_extra_state") = py::none();
  return cls;
}

void def_subset(py::module_& m) {
  auto subset =
      def_wrapper<Subset>(m, "Subset",
                          "Some samples of a data set, in this order.\n\n"
                          ">>> from ptutils.data import Subset\n"
                          ">>> list(Subset(range(10, 20), [3, -1]))\n"
                          "[13, 19]");
  subset.def(py::init([](const py::object& dataset, const py::object& indices) {
               return new PyDataset<Subset>(dataset_in(dataset, "Subset"),
                                            indices_in(indices));
             }),
             py::arg("dataset"), py::arg("indices"));
  subset.def_property_readonly(
      "indices", [](Subset& self) { return tensor_to_numpy(self.indices()); });
  subset.def("_constructor", [](Subset& self) {
    py::dict out;
    out["dataset"] = child_out(self.dataset());
    out["indices"] = tensor_to_numpy(self.indices());
    return out;
  });
}

void def_zip(py::module_& m) {
  auto zip = def_wrapper<ZipDataset>(
      m, "ZipDataset",
      "Sample i of each data set, as a tuple; all have the same length. "
      "(datasets: all of them, as a file gives them.)");
  zip.def(py::init([](const py::args& given, const py::object& datasets) {
            const py::tuple all =
                datasets.is_none() ? py::tuple(given) : py::tuple(datasets);
            if (!datasets.is_none() && !given.empty())
              fail(Kind::kType, "ZipDataset",
                   "give data sets one by one, or datasets=, not both");
            std::vector<std::shared_ptr<Dataset>> out;
            for (py::handle each : all)
              out.push_back(dataset_in(each, "ZipDataset"));
            return new PyDataset<ZipDataset>(std::move(out));
          }),
          py::kw_only(), py::arg("datasets") = py::none());
  zip.def("__reduce_ex__", [](const py::object& self, int) {
    auto& zipped = py::cast<ZipDataset&>(self);
    return py::make_tuple(py::type::of(self),
                          py::tuple(datasets_out(zipped.datasets())));
  });
}

void def_map(py::module_& m) {
  auto map = def_wrapper<MapDataset>(
      m, "MapDataset",
      "function(sample) of each whole sample, a tuple or dict as it is there; "
      "a function that takes `random` too gets a NumPy generator of the "
      "sample's stream. (Of single fields: Dataset(data, preprocessor=…).)\n\n"
      ">>> import numpy as np\n"
      ">>> from ptutils.data import ArrayDataset, MapDataset\n"
      ">>> pairs = ArrayDataset(np.arange(3), np.arange(3) * 10)\n"
      ">>> MapDataset(pairs, lambda pair: {'both': pair})[2]['both'][1]\n"
      "np.int64(20)");
  map.def(py::init([](const py::object& dataset, const py::object& function) {
            return new PyDataset<MapDataset>(
                dataset_in(dataset, "MapDataset"),
                data::transforms::composed(chain_in(function, "MapDataset")));
          }),
          py::arg("dataset"), py::arg("function"));
  map.def("_constructor", [](MapDataset& self) {
    py::dict out;
    out["dataset"] = child_out(self.dataset());
    out["function"] = transform_out(self.function());
    return out;
  });
}

void def_cached(py::module_& m) {
  auto cached = def_wrapper<CachedDataset>(
      m, "CachedDataset",
      "Keeps the samples of a data set in memory once they were asked for, up "
      "to max_bytes (None: all). Random transforms go after it: "
      "Dataset(CachedDataset(data), preprocessor=...).");
  cached.def(py::init([](const py::object& dataset,
                         std::optional<std::size_t> max_bytes) {
               return new PyDataset<CachedDataset>(
                   dataset_in(dataset, "CachedDataset"), max_bytes);
             }),
             py::arg("dataset"), py::arg("max_bytes") = py::none());
  cached.def_property_readonly("cached_bytes", &CachedDataset::cached_bytes,
                               "Bytes that are kept.");
  cached.def("_constructor", [](CachedDataset& self) {
    py::dict out;
    out["dataset"] = child_out(self.dataset());
    if (self.max_bytes()) out["max_bytes"] = *self.max_bytes();
    return out;
  });
}

void def_split(py::module_& m) {
  m.def(
      "random_split",
      [](const py::object& dataset, const std::vector<double>& lengths,
         std::uint64_t seed) {
        py::list out;
        for (auto& part : data::random_split(
                 dataset_in(dataset, "random_split"), lengths, seed)) {
          // Through its class: what goes to Python has its Python side.
          out.append(py::type::of<Subset>()(dataset,
                                            tensor_to_numpy(part->indices())));
        }
        return out;
      },
      py::arg("dataset"), py::arg("lengths"), py::arg("seed") = 0,
      "Parts of a data set in a random order that depends on seed alone; "
      "lengths: shares up to 1, or numbers of samples.\n\n"
      ">>> from ptutils.data import random_split\n"
      ">>> [len(part) for part in random_split(range(10), [0.8, 0.2])]\n"
      "[8, 2]");
}

}  // namespace

void def_wrappers(py::module_& m) {
  def_subset(m);
  def_zip(m);
  def_map(m);
  def_cached(m);
  def_split(m);
}

}  // namespace ptutils::bindings
