#include "data.h"

#include <pybind11/stl.h>

#include "areas.h"
#include "casters/tensor.h"
#include "casters/value.h"
#include "errors.h"
#include "nn.h"

// Data sets.

namespace ptutils::bindings {

namespace {

using data::Dataset;

bool is_torch_dataset(py::handle object) {
  return is_instance_of(object, "torch.utils.data", "Dataset");
}

/// A Python thread state could not be had any more.
void check_running() {
  if (finalizing()) fail(Kind::kState, "Dataset", "the process ends");
}

/// `Base` as Python extends it.
template <class Base>
class PyDataset : public PyModule<Base> {
 public:
  using PyModule<Base>::PyModule;

  std::int64_t size() const override {
    if (!this->overrides(Method::kLen)) {
      if constexpr (std::is_abstract_v<Base>)
        fail(Kind::kNotImplemented, this->class_name(),
             "defines no __len__(self)");
      else
        return Base::size();
    }
    py::gil_scoped_acquire gil;
    return of_user("Dataset.__len__",
                   [&] { return this->int_from_python(Method::kLen); });
  }

  Value get(std::int64_t index, Random random) override {
    if (!this->overrides(Method::kGetItem)) {
      if constexpr (std::is_abstract_v<Base>)
        fail(Kind::kNotImplemented, this->class_name(),
             "defines no __getitem__(self, index)");
      else
        return Base::get(index, random);
    }
    check_running();
    py::gil_scoped_acquire gil;
    return python_sample(index, origin_, [&] {
      return this->call_python(Method::kGetItem, index);
    });
  }

  Value get_batch(std::span<const std::int64_t> indices,
                  const std::vector<Random>& random,
                  const Value& reuse) override {
    if (this->overrides(Method::kGetItems)) {
      check_running();
      py::gil_scoped_acquire gil;
      return python_batch(indices, origin_, reuse, [&](const py::list& list) {
        return this->call_python(Method::kGetItems, list);
      });
    }
    if (is_python()) return Dataset::get_batch(indices, random, reuse);
    return Base::get_batch(indices, random, reuse);
  }

  bool draws_random() const override {
    return !is_python() && Base::draws_random();
  }
  bool is_python() const override {
    return std::is_abstract_v<Base> || this->overrides(Method::kGetItem) ||
           this->overrides(Method::kGetItems);
  }
  Origin origin() const override {
    if (!is_python()) return Base::origin();
    if (!looked_) {
      py::gil_scoped_acquire gil;
      if (is_torch_dataset(this->self())) origin_.set(Origin::kTorch);
      looked_ = true;
    }
    return origin_.get();
  }

 private:
  mutable SeenOrigin origin_;
  mutable std::atomic<bool> looked_{false};
};

/// torch's data set, or any object with __len__ and __getitem__.
class WrappedDataset final : public Dataset, public PyHolder {
 public:
  explicit WrappedDataset(py::object object) : PyHolder(std::move(object)) {
    if (is_torch_dataset(handle())) origin_.set(Origin::kTorch);
    many_ = py::hasattr(handle(), "__getitems__");
  }
  std::string class_name() const override {
    py::gil_scoped_acquire gil;
    return python_class_name(object());
  }
  std::int64_t size() const override {
    py::gil_scoped_acquire gil;
    return of_user("Dataset.__len__", [&] {
      return length_of(handle().attr("__len__")(), "Dataset.__len__");
    });
  }
  Value get(std::int64_t index, Random) override {
    check_running();
    py::gil_scoped_acquire gil;
    return python_sample(index, origin_,
                         [&] { return py::object(handle()[py::int_(index)]); });
  }
  Value get_batch(std::span<const std::int64_t> indices,
                  const std::vector<Random>& random,
                  const Value& reuse) override {
    if (!many_) return Dataset::get_batch(indices, random, reuse);
    check_running();
    py::gil_scoped_acquire gil;
    return python_batch(indices, origin_, reuse, [&](const py::list& list) {
      return handle().attr("__getitems__")(list);
    });
  }
  Value to_config() override {
    fail(Kind::kState, class_name(),
         "cannot say its configuration: it is no ptutils.data.Dataset");
  }
  bool draws_random() const override { return false; }
  bool is_python() const override { return true; }
  Origin origin() const override { return origin_.get(); }

 private:
  SeenOrigin origin_;
  bool many_ = false;
};

void note(py::error_already_set& error, const std::string& text) {
  error.value().attr("add_note")(text);
}

/// The index of a sample; one beyond 64 bits is out of bounds too.
std::int64_t index_in(const py::object& index, const Dataset& dataset) {
  auto where = [&] {
    std::string type = dataset.class_name();
    return type.substr(type.rfind('.') + 1);
  };
  if (!PyIndex_Check(index.ptr()))
    fail(Kind::kType, where(), "a sample has an int as its index, not ",
         with_article(index), "; a slice gives a list of samples");
  Py_ssize_t at = PyNumber_AsSsize_t(index.ptr(), PyExc_OverflowError);
  if (at != -1 || !PyErr_Occurred()) return at;
  py::error_already_set error;
  if (!error.matches(PyExc_OverflowError)) throw error;
  fail(Kind::kIndex, where(), "no sample ",
       std::string(py::str(index)).substr(0, 40), "; the data set has ",
       dataset.size());
}

/// The range of indices that a slice means.
py::object samples_of(const py::object& slice, std::int64_t size) {
  py::object range = py::module_::import("builtins").attr("range")(size);
  return range[slice];
}

template <class T, class Class>
void def_get(Class& cls) {
  cls.def("__len__", [](T& self) { return self.T::size(); });
  cls.def("__getitem__", [](T& self, const py::object& index) -> py::object {
    auto get = [&](std::int64_t i) {
      return bindings::to_python(self.T::get(i, Random()));
    };
    if (!PySlice_Check(index.ptr())) return get(index_in(index, self));
    py::list out;
    for (py::handle each : samples_of(index, self.T::size()))
      out.append(get(py::cast<std::int64_t>(each)));
    return out;
  });
}

template <class T>
void def_images(py::module_& m, const char* name, const char* doc) {
  auto cls = bind_module<T, Dataset, PyDataset<T>, false>(m, name,
                                                          "ptutils.data", doc);
  cls.def(py::init([](const py::object& root, bool train, bool download,
                      const std::string& url) {
            data::IdxImages::Options options;
            options.root =
                py::str(py::module_::import("os").attr("fspath")(root));
            options.train = train;
            options.download = download;
            options.url = url;
            py::gil_scoped_release release;
            return new PyDataset<T>(std::move(options));
          }),
          py::arg("root") = "data", py::arg("train") = true,
          py::arg("download") = false, py::arg("url") = "");
  def_get<T>(cls);
  cls.def_property_readonly(
      "images", [](T& self) { return tensor_to_numpy(self.images()); },
      "All images, uint8 (n, 28, 28).");
  cls.def_property_readonly(
      "labels", [](T& self) { return tensor_to_numpy(self.labels()); },
      "All labels, uint8 (n).");
  cls.def_property_readonly(
      "data", [](T& self) { return tensor_to_numpy(self.images()); },
      "torchvision's name of images.");
  cls.def_property_readonly(
      "targets",
      [](T& self) {
        return tensor_to_numpy(self.labels()).attr("astype")("int64");
      },
      "All labels, int64 (n): torchvision's name.");
  cls.def_property_readonly(
      "classes", [](T& self) { return self.classes(); },
      "The names of the labels.");
  cls.def("_constructor", [](T& self) {
    py::dict arguments = bindings::to_python(self.T::to_config());
    arguments.attr("pop")("func");
    return arguments;
  });
}

/// An array that is no tensor says why, and what to do.
Value all_tensors(Value arrays) {
  auto check = [](const Value& item, const std::string& name) {
    if (item.is_opaque())
      tensor_or_fail(bindings::to_python(item), str("ArrayDataset: ", name));
  };
  if (arrays.is_list())
    for (std::size_t i = 0; i < arrays.as_list().items.size(); ++i)
      check(arrays.as_list().items[i], str("array ", i));
  if (arrays.is_dict())
    for (const auto& [key, item] : arrays.as_dict())
      check(item, str("'", to_string(key), "'"));
  return arrays;
}

PyDataset<data::ArrayDataset>* make_arrays(const py::args& arrays,
                                           const py::object& given) {
  if (!given.is_none())
    return new PyDataset<data::ArrayDataset>(to_value(given));
  if (arrays.size() == 1 && PyDict_Check(py::object(arrays[0]).ptr()))
    return new PyDataset<data::ArrayDataset>(
        all_tensors(to_value(py::dict(py::object(arrays[0])), "arrays")));
  return new PyDataset<data::ArrayDataset>(
      all_tensors(to_value(arrays, "arrays")));
}

void def_arrays(py::module_& m) {
  using data::ArrayDataset;
  auto cls = bind_module<ArrayDataset, Dataset, PyDataset<ArrayDataset>, false>(
      m, "ArrayDataset", "ptutils.data",
      "Arrays (or one dict of them) of the same length; a sample is a "
      "tuple (or dict) of their rows. Memory is shared.\n\n"
      ">>> import numpy as np\n"
      ">>> from ptutils.data import ArrayDataset\n"
      ">>> data = ArrayDataset(np.arange(6).reshape(3, 2), np.arange(3))\n"
      ">>> len(data), data[1][0]\n"
      "(3, array([2, 3]))");
  cls.def(py::init(&make_arrays), py::kw_only(),
          py::arg("_arrays") = py::none());
  def_get<ArrayDataset>(cls);
  cls.def_property_readonly("arrays", [](ArrayDataset& self) {
    return bindings::to_python(self.arrays());
  });
  cls.def("__reduce_ex__", [](const py::object& self, int) {
    py::dict arguments;
    arguments["_arrays"] =
        bindings::to_python(py::cast<ArrayDataset&>(self).arrays());
    return reduced(self, arguments);
  });
}

/// Downloads go through Python (ptutils.data._fetch).
void install_fetcher() {
  data::set_fetcher(
      [](const std::string& url, const std::filesystem::path& to) {
        py::gil_scoped_acquire gil;
        try {
          py::module_::import("ptutils.data._fetch")
              .attr("fetch")(url, to.string());
        } catch (py::error_already_set& error) {
          if (!error.matches(error_class(Kind::kIO))) throw;
          throw Error(Kind::kIO, py::cast<std::string>(py::str(error.value())));
        }
      });
}

}  // namespace

void SeenOrigin::note(const Value& sample) {
  if (sample.is_tensor()) {
    Origin origin = sample.as_tensor().origin;
    if (origin != Origin::kNumpy && get() != Origin::kTorch) set(origin);
  } else if (sample.is_list()) {
    for (const Value& item : sample.as_list().items) note(item);
  } else if (sample.is_dict()) {
    for (const auto& [key, item] : sample.as_dict()) note(item);
  }
}

void rethrow_of_user(py::error_already_set& error, const std::string& what) {
  if (!error.matches(PyExc_StopIteration)) throw;
  py::raise_from(error, error_class(Kind::kState),
                 str("[", what, "] the code raised StopIteration").c_str());
  throw py::error_already_set();
}

std::int64_t length_of(py::handle given, const std::string& what) {
  if (std::optional<std::int64_t> number = index_in(given)) return *number;
  fail(Kind::kValue, what, "gave ", std::string(py::repr(given)).substr(0, 60),
       ", not a number of 64 bits");
}

Value python_sample(std::int64_t index, SeenOrigin& origin,
                    const std::function<py::object()>& get) {
  try {
    Value sample = to_value(get(), "sample");
    origin.note(sample);
    return sample;
  } catch (py::error_already_set& error) {
    note(error, str("in sample ", index));
    rethrow_of_user(error, str("Dataset: sample ", index));
  }
}

Value python_batch(std::span<const std::int64_t> indices, SeenOrigin& origin,
                   const Value& reuse,
                   const std::function<py::object(const py::list&)>& get) {
  py::list wanted;
  for (std::int64_t index : indices) wanted.append(index);
  std::vector<Value> samples;
  try {
    py::object given = get(wanted);
    for (py::handle item : given) samples.push_back(to_value(item, "sample"));
  } catch (py::error_already_set& error) {
    auto which = "samples " + std::string(py::str(wanted)).substr(0, 200);
    note(error, "in " + which);
    rethrow_of_user(error, "Dataset: " + which);
  }
  if (samples.size() != indices.size())
    fail(Kind::kValue, "Dataset.__getitems__", "gave ", samples.size(),
         " samples for ", indices.size(), " indices");
  for (const Value& sample : samples) origin.note(sample);
  return data::collate(std::move(samples), reuse);
}

std::shared_ptr<Dataset> dataset_in(py::handle object, std::string_view where) {
  if (py::isinstance<Dataset>(object))
    return py::cast<std::shared_ptr<Dataset>>(object);
  for (const char* name : {"__len__", "__getitem__"})
    if (PyType_Check(object.ptr()) || !py::hasattr(object, name))
      fail(Kind::kType, where, with_article(object),
           " is no data set: it has no ", name,
           py::hasattr(object, "__iter__")
               ? " (data sets that only iterate are not supported)"
               : "");
  return std::make_shared<WrappedDataset>(
      py::reinterpret_borrow<py::object>(object));
}

void def_datasets(py::module_& m) {
  auto cls = bind_module<Dataset, Module, PyDataset<Dataset>, true>(
      m, "Dataset", "ptutils.data",
      "Samples by index: a subclass defines __len__ and __getitem__ (and "
      "__getitems__, for many at once). It is a valid torch data set too.\n\n"
      ">>> from ptutils.data import DataLoader, Dataset\n"
      ">>> class Squares(Dataset):\n"
      "...     def __len__(self):\n"
      "...         return 5\n"
      "...     def __getitem__(self, index):\n"
      "...         return index, index**2\n"
      ">>> for x, y in DataLoader(Squares(), batch_size=3):\n"
      "...     print(x, y)\n"
      "[0 1 2] [0 1 4]\n"
      "[3 4] [ 9 16]");
  cls.def("__len__", [](Dataset& self) -> std::int64_t {
    if (dynamic_cast<PySelf*>(&self))
      fail(Kind::kNotImplemented, self.class_name(),
           "defines no __len__(self)");
    return self.size();
  });
  cls.def("__getitem__", [](Dataset& self, const py::object& index) {
    if (dynamic_cast<PySelf*>(&self))
      fail(Kind::kNotImplemented, self.class_name(),
           "defines no __getitem__(self, index)");
    return bindings::to_python(
        self.get(py::cast<std::int64_t>(index), Random()));
  });
  cls.def("__bool__", [](const Dataset&) { return true; });
  cls.def(
      "__add__",
      [](const py::object& self, const py::object& other) {
        return py::module_::import("ptutils.data._concat")
            .attr("concatenated")(self, other);
      },
      py::is_operator(),
      "The samples of one data set after those of the other.");
  def_arrays(m);
  def_images<data::FashionMNIST>(
      m, "FashionMNIST",
      "Xiao, Rasul, Vollgraf 2017: 60 000 training and 10 000 test images. A "
      "sample: (float32 (1, 28, 28) in [0, 1], int label). Files in root or "
      "root/FashionMNIST/raw, plain or .gz; else Debian's package "
      "dataset-fashion-mnist; else fetched when download=True (url: another "
      "source), with checksums.");
  def_images<data::MNIST>(
      m, "MNIST",
      "LeCun, Cortes, Burges 1998, with the same items and arguments as "
      "FashionMNIST; files in root or root/MNIST/raw.");
}

void def_data(py::module_& m) {
  def_datasets(m);
  def_samplers(m);
  def_loader(m);
  def_provider(m);
  // A number of 63 bits for the generators of other libraries.
  m.def("_stream_key",
        [](std::uint64_t seed, const std::string& name, std::uint64_t index) {
          return Random::named(seed, name).at(index).next_u64() >> 1;
        });
  install_fetcher();
}

}  // namespace ptutils::bindings
