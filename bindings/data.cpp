#include "data.h"

#include <pybind11/stl.h>

#include <algorithm>

#include "areas.h"
#include "casters/tensor.h"
#include "casters/value.h"
#include "data_transforms.h"
#include "errors.h"
#include "gil.h"
#include "nn.h"
#include "ptutils/common/names.h"
#include "ptutils/data/readers.h"
#include "py_dataset.h"

// Data sets.

namespace ptutils::bindings {

namespace {

using data::Dataset;

/// torch's data set, or any object with __len__ and __getitem__.
class WrappedDataset final : public Dataset, public PyHolder {
 public:
  explicit WrappedDataset(py::object object) : PyHolder(std::move(object)) {
    if (is_torch_dataset(handle())) origin_.set(Origin::kTorch);
    many_ = py::hasattr(handle(), "__getitems__");
  }
  std::string class_name() const override {
    Gil gil;
    return python_class_name(object());
  }
  std::int64_t size() const override {
    Gil gil;
    return of_user("Dataset.__len__", [&] {
      return length_of(handle().attr("__len__")(), "Dataset.__len__");
    });
  }
  Value get(std::int64_t index, Random) override {
    check_running();
    Gil gil;
    return python_sample(index, origin_,
                         [&] { return py::object(handle()[py::int_(index)]); });
  }
  Value get_batch(std::span<const std::int64_t> indices,
                  const std::vector<Random>& random,
                  const Value& reuse) override {
    if (!many_) return Dataset::get_batch(indices, random, reuse);
    check_running();
    Gil gil;
    return python_batch(indices, origin_, reuse, [&](const py::list& list) {
      return handle().attr("__getitems__")(list);
    });
  }
  Value to_config() override { return config_of_source(handle()); }
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

/// A source in memory: a data set, arrays (a tuple or dict of them), anything
/// else with samples by index; null for paths.
std::shared_ptr<Dataset> dataset_of_source(const py::object& given) {
  if (PyUnicode_Check(given.ptr()) || py::hasattr(given, "__fspath__") ||
      PyBytes_Check(given.ptr()))
    return nullptr;
  if (PyDict_Check(given.ptr()) || PyTuple_Check(given.ptr())) {
    py::object arrays =
        py::module_::import("ptutils.data").attr("ArrayDataset");
    return py::cast<std::shared_ptr<Dataset>>(
        PyDict_Check(given.ptr()) ? arrays(given) : arrays(*given));
  }
  if (py::isinstance<Dataset>(given) || !PyList_Check(given.ptr()))
    return dataset_in(given, "Dataset: data_source");
  return nullptr;
}

Dataset::Options dataset_options(const py::object& source,
                                 const py::object& reader,
                                 const py::object& preprocessor) {
  Dataset::Options out;
  if (!reader.is_none()) {
    if (!py::isinstance<data::DataReader>(reader))
      fail(Kind::kType, "Dataset", "data_reader is a ",
           Py_TYPE(reader.ptr())->tp_name,
           PyType_Check(reader.ptr()) ? " (a class: call it)" : "",
           ", not a ptutils.data.DataReader");
    out.data_reader = py::cast<std::shared_ptr<data::DataReader>>(reader);
  }
  out.preprocessor = preprocessor_in(preprocessor, "Dataset: preprocessor");
  if (auto dataset = dataset_of_source(source)) {
    out.datasets.push_back(std::move(dataset));
  } else if (PyList_Check(source.ptr())) {
    for (py::handle item : source) {
      auto each =
          PyList_Check(item.ptr())
              ? dataset_in(item, "Dataset: data_source")
              : dataset_of_source(py::reinterpret_borrow<py::object>(item));
      if (each)
        out.datasets.push_back(std::move(each));
      else
        out.data_source.push_back(path_in(item));
    }
    if (!out.datasets.empty() && !out.data_source.empty())
      fail(Kind::kType, "Dataset",
           "data_source has paths and data sets: give either");
  } else {
    out.data_source.push_back(path_in(source));
  }
  if (!out.datasets.empty() && out.data_reader)
    fail(Kind::kType, "Dataset",
         "a data_reader reads files, and data_source is no path");
  return out;
}

void initialize(const py::object& object, const py::object& source,
                const py::object& reader, const py::object& preprocessor,
                const py::kwargs& rest) {
  if (source.is_none()) {
    if (!reader.is_none() || !preprocessor.is_none())
      fail(Kind::kType, "Dataset",
           "a reader or preprocessor without data_source");
    // As every class of ours: to the next one that is not.
    if (init_next(
            reinterpret_cast<PyTypeObject*>(py::type::of<Dataset>().ptr()),
            object.ptr(), py::tuple().ptr(), rest.ptr()) != 0)
      throw py::error_already_set();
    return;
  }
  if (!rest.empty())
    fail(Kind::kType, "Dataset", "no argument '",
         std::string(py::str(rest.begin()->first)), "'",
         did_you_mean(std::string(py::str(rest.begin()->first)),
                      {"data_source", "data_reader", "preprocessor"}));
  auto& self = py::cast<Dataset&>(object);
  Dataset::Options options = dataset_options(source, reader, preprocessor);
  py::gil_scoped_release release;
  self.open(std::move(options));
}

py::object extra_state(Dataset& self) {
  auto opened = self.opened();
  if (!opened) return py::none();
  py::list sources = paths_out(opened->data_source);
  for (const auto& dataset : opened->datasets)
    sources.append(child_out(dataset));
  return py::make_tuple(sources, child_out(opened->data_reader),
                        preprocessor_out(opened->preprocessor));
}

void set_extra_state(Dataset& self, const py::tuple& state) {
  Dataset::Options options = dataset_options(state[0], state[1], state[2]);
  py::gil_scoped_release release;
  self.open(std::move(options));
}

template <class Class>
void def_open(Class& cls) {
  // A plain method: the object is there already, whether or not it is called.
  cls.attr("__init__") = py::cpp_function(
      &initialize, py::name("initialize"), py::is_method(cls),
      py::arg("data_source") = py::none(), py::arg("data_reader") = py::none(),
      py::arg("preprocessor") = py::none());
  cls.def("_extra_state", &extra_state);
  cls.def_property_readonly(
      "_draws_random", [](Dataset& self) { return self.draws_random(); },
      "Whether a sample draws from its stream, or may, being made by Python.");
  cls.def("_set_extra_state", &set_extra_state);
  cls.def_property_readonly(
      "_blocks", [](Dataset& self) { return self.blocks(); },
      "The first sample of each block that is read as a whole.");
  cls.def_property_readonly(
      "field_names", [](Dataset& self) { return self.field_names(); },
      "The names of a sample's fields; empty where they have none.");
}

}  // namespace

Value config_of_source(py::handle source) {
  Gil gil;
  py::object config =
      py::module_::import("ptutils.registry").attr("built_from")(source);
  if (config.is_none())
    fail(Kind::kState, python_class_name(source.ptr()),
         "cannot say its configuration: it was built from none, and is no "
         "ptutils.data.Dataset");
  return to_value(config, "configuration");
}

bool is_torch_dataset(py::handle object) {
  return is_instance_of(object, "torch.utils.data", "Dataset");
}

void check_running() {
  if (finalizing()) fail(Kind::kState, "Dataset", "the process ends");
}

std::int64_t index_in(const py::object& index, const Dataset& dataset) {
  auto where = [&] {
    std::string type = dataset.class_name();
    return type.substr(type.rfind('.') + 1);
  };
  const auto refuse = [&] {
    fail(Kind::kType, where(), "a sample has an int as its index, not ",
         with_article(index),
         "; a slice gives a list of samples, Subset(data, indices) a data set");
  };
  if (!PyIndex_Check(index.ptr())) refuse();
  Py_ssize_t at = PyNumber_AsSsize_t(index.ptr(), PyExc_OverflowError);
  if (at != -1 || !PyErr_Occurred()) return at;
  py::error_already_set error;
  if (error.matches(PyExc_TypeError)) refuse();  // arrays seem to have one
  if (!error.matches(PyExc_OverflowError)) throw error;
  fail(Kind::kIndex, where(), "no sample ",
       std::string(py::str(index)).substr(0, 40), "; the data set has ",
       dataset.size());
}

/// Torch's workers have generators that differ; ours alone would be the same in
/// each of them.
Random stream_outside(Dataset& dataset) {
  if (!dataset.draws_random()) return Random();
  py::object torch =
      py::module_::import("sys").attr("modules").attr("get")("torch");
  if (torch.is_none() || !py::hasattr(torch, "default_generator"))
    return Random(default_random().next_u64());
  return Random(py::cast<std::uint64_t>(
      torch.attr("empty")(py::tuple(), py::arg("dtype") = torch.attr("int64"))
          .attr("random_")()
          .attr("item")()));
}

py::object samples_of(const py::object& slice, std::int64_t size) {
  py::object range = py::module_::import("builtins").attr("range")(size);
  return range[slice];
}

Value owned(Value sample) {
  if (sample.is_tensor()) {
    if (sample.as_tensor().storage().use_count() > 1) return sample.clone();
  } else if (sample.is_list()) {
    for (Value& item : sample.as_list().items) item = owned(std::move(item));
  } else if (sample.is_dict()) {
    for (auto& [key, item] : sample.as_dict()) item = owned(std::move(item));
  }
  return sample;
}

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

namespace {

/// Pillow's pictures, as those of files are: uint8 (3, H, W).
Value decoded(Value sample) {
  if (sample.is_list()) {
    for (Value& item : sample.as_list().items) item = decoded(std::move(item));
  } else if (sample.is_dict()) {
    for (auto& [key, item] : sample.as_dict()) item = decoded(std::move(item));
  } else if (sample.is_opaque()) {
    const auto* held = dynamic_cast<const PyOpaque*>(sample.as_opaque().get());
    if (!held || !is_instance_of(held->object(), "PIL.Image", "Image"))
      return sample;
    py::object rgb = py::handle(held->object()).attr("convert")("RGB");
    Tensor out =
        tensor_or_fail(py::module_::import("numpy").attr("asarray")(rgb),
                       "Pillow")
            .clone();
    return out.permute({2, 0, 1});
  }
  return sample;
}

}  // namespace

Value sample_in(py::handle given) { return decoded(to_value(given, "sample")); }

Value python_sample(std::int64_t index, SeenOrigin& origin,
                    const std::function<py::object()>& get) {
  try {
    Value sample = sample_in(get());
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
    for (py::handle item : given) samples.push_back(sample_in(item));
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
  if (auto iterable = iterable_in(object)) return iterable;
  for (const char* name : {"__len__", "__getitem__"})
    if (PyType_Check(object.ptr()) || !py::hasattr(object, name))
      fail(Kind::kType, where, with_article(object),
           " is no data set: it has no ", name);
  return std::make_shared<WrappedDataset>(
      py::reinterpret_borrow<py::object>(object));
}

void def_datasets(py::module_& m) {
  auto cls = bind_module<Dataset, Module, PyDataset<Dataset>, true>(
      m, "Dataset", "ptutils.data",
      "Samples by index: those of files, or a subclass's.\n\n"
      "data_source : a file, a folder, a pattern ('train-*.h5'), a list of "
      "them, one after another; or a data set, or a tuple or dict of arrays\n"
      "data_reader : how a file is read; None: by its format\n"
      "preprocessor : transforms (ptutils.data.transforms, or any functions): "
      "a "
      "dict of lists by field, or a list for the first field\n\n"
      "A subclass defines __len__ and __getitem__ (and __getitems__, for many "
      "at once). All are valid torch data sets too.\n\n"
      ">>> import numpy as np\n"
      ">>> from ptutils.data import DataLoader, Dataset, transforms as T\n"
      ">>> images = np.zeros((10, 4, 4, 3), np.uint8)\n"
      ">>> small = Dataset({'image': images}, preprocessor=[T.ToCHW(), "
      "T.ToFloat(1 / 255)])\n"
      ">>> small[3]['image'].shape, len(small)\n"
      "((3, 4, 4), 10)\n\n"
      ">>> class Squares(Dataset):\n"
      "...     def __len__(self):\n"
      "...         return 5\n"
      "...     def __getitem__(self, index):\n"
      "...         return index, index**2\n"
      ">>> for x, y in DataLoader(Squares(), batch_size=3):\n"
      "...     print(x, y)\n"
      "[0 1 2] [0 1 4]\n"
      "[3 4] [ 9 16]");
  def_get<Dataset>(cls);
  def_open(cls);
  cls.def("__bool__", [](const Dataset&) { return true; });
  cls.def(
      "__add__",
      [](const py::object& self, const py::object& other) -> py::object {
        const bool data =
            py::hasattr(other, "__getitem__") &&
            py::hasattr(other, "__len__") && !PyUnicode_Check(other.ptr()) &&
            !PyBytes_Check(other.ptr()) && !PyDict_Check(other.ptr());
        if (!data) return py::reinterpret_borrow<py::object>(Py_NotImplemented);
        Dataset::Options options;
        for (const py::object& each : {self, other})
          options.datasets.push_back(dataset_in(each, "Dataset"));
        const bool iterable =
            std::any_of(options.datasets.begin(), options.datasets.end(),
                        [](const auto& each) { return each->is_iterable(); });
        py::object both = iterable ? py::type::of<data::IterableDataset>()()
                                   : py::type::of<Dataset>()();
        py::cast<Dataset&>(both).open(std::move(options));
        return both;
      },
      py::is_operator(),
      "The samples of one data set after those of the other.");
}

void def_data(py::module_& m) {
  def_transforms(m);
  def_readers(m);
  def_datasets(m);
  def_iterable(m);
  def_ready_made(m);
  def_wrappers(m);
  def_samplers(m);
  def_loader(m);
  def_provider(m);
  def_processes(m);
  // A number of 63 bits for the generators of other libraries.
  m.def("_stream_key",
        [](std::uint64_t seed, const std::string& name, std::uint64_t index) {
          return Random::named(seed, name).at(index).next_u64() >> 1;
        });
  install_image_decoder();
  install_error_text();
}

}  // namespace ptutils::bindings
