#include <pybind11/stl.h>

#include <algorithm>

#include "attributes.h"
#include "casters/value.h"
#include "data.h"
#include "errors.h"
#include "gil.h"
#include "nn.h"
#include "ptutils/common/names.h"
#include "ptutils/data/joined_loader.h"

// DataProvider: data by phase.

namespace ptutils::bindings {

namespace {

using data::DataLoader;
using data::DataProvider;
using data::Loader;

/// A loader for a phase: ours, or torch's in its wrapper.
std::shared_ptr<Loader> loader_in(py::handle object, std::string_view where) {
  if (py::isinstance<Loader>(object))
    return py::cast<std::shared_ptr<Loader>>(object);
  py::object wrapped =
      py::module_::import("ptutils.torch_loader").attr("wrap")(object);
  if (wrapped.is_none())
    fail(Kind::kType, where, with_article(object),
         " is neither a data set nor a loader");
  return py::cast<std::shared_ptr<Loader>>(wrapped);
}

bool is_loader(py::handle object) {
  if (py::isinstance<Loader>(object)) return true;
  PyObject* torch =
      PyDict_GetItemString(PyImport_GetModuleDict(), "torch.utils.data");
  return torch && py::isinstance(object, py::handle(torch).attr("DataLoader"));
}

class PyProvider final : public PyModule<DataProvider> {
 public:
  using PyModule::PyModule;
  std::shared_ptr<Loader> provide(const Value& request) override {
    if (!overrides(Method::kProvide)) return DataProvider::provide(request);
    Gil gil;
    py::object given =
        call_python(Method::kProvide, bindings::to_python(request));
    return loader_in(given, class_name() + ".provide");
  }
  bool makes_requests() const override { return overrides(Method::kRequest); }
  Value request(Module& session) override {
    if (!makes_requests()) return DataProvider::request(session);
    Gil gil;
    auto* python = dynamic_cast<PySelf*>(&session);
    if (!python || !python->self())
      fail(Kind::kState, class_name(),
           "request(session) takes a session made in Python");
    return of_user("DataProvider.request", [&] {
      return to_value(call_python(Method::kRequest, py::handle(python->self())),
                      "request");
    });
  }
};

/// One that was meant as a data set, and lacks something.
void refuse_half_a_dataset(const std::string& name, py::handle object) {
  const bool items = py::hasattr(object, "__getitem__");
  const bool length = py::hasattr(object, "__len__");
  if (PyType_Check(object.ptr()) || (items && length)) return;
  if (!items && name != "train") return;
  fail(Kind::kType, "DataProvider", name,
       " is no data set: ", with_article(object), " has no ",
       items ? "__len__" : "__getitem__");
}

/// A generator, a function that gives one, torch's data set that iterates.
bool gives_samples(py::handle object) {
  py::module_ inspect = py::module_::import("inspect");
  return PyGen_Check(object.ptr()) ||
         py::cast<bool>(inspect.attr("isgeneratorfunction")(object)) ||
         is_instance_of(object, "torch.utils.data", "IterableDataset");
}

/// Data under the name of a loader's option: values by phase were meant.
void refuse_option(const std::string& name) {
  const py::dict options = options_to_python(DataLoader::Options());
  if (options.contains(name.c_str()))
    fail(Kind::kType, "DataProvider", name,
         "= is one for all phases; a phase with its own: {phase}=DataLoader("
         "data, ",
         name, "=…)");
}

/// An option's name with a slip, and a value that could be data.
void refuse_misspelt(const std::string& name, py::handle value) {
  const bool plain = PyList_Check(value.ptr()) || PyDict_Check(value.ptr()) ||
                     PyTuple_Check(value.ptr());
  static const std::vector<std::string> others = {
      "transform",  "transforms", "preprocessor", "data_reader",
      "collate_fn", "options",    "datasets",     "target_transform"};
  if (!plain) return;
  const std::string near = did_you_mean(name, others);
  if (near.find("did you mean") == std::string::npos &&
      std::find(others.begin(), others.end(), name) == others.end())
    return;
  fail(Kind::kType, "DataProvider", "no argument '", name,
       "' (transforms belong to the data sets: Dataset(source, "
       "preprocessor=…)); a phase of this name: datasets={'",
       name, "': …}");
}

/// The phases: `datasets` and every argument that names a data set or loader.
py::dict phases_of(const py::object& datasets, py::dict& arguments) {
  py::dict out;
  if (!datasets.is_none()) {
    if (!PyDict_Check(datasets.ptr()))
      fail(Kind::kType, "DataProvider",
           "datasets is a dict of data sets by "
           "phase, {'train': …}, not ",
           with_article(datasets));
    out.attr("update")(datasets);
  }
  for (auto [key, value] : py::dict(arguments)) {
    std::string name = py::str(key);
    if (name == "sampler" || name == "batch_sampler") continue;
    bool data =
        is_loader(value) || py::isinstance<data::Dataset>(value) ||
        gives_samples(value) ||
        (py::hasattr(value, "__getitem__") && py::hasattr(value, "__len__") &&
         !PyUnicode_Check(value.ptr()));
    if (!data) continue;
    refuse_option(name);
    refuse_misspelt(name, value);
    if (out.contains(key))
      fail(Kind::kValue, "DataProvider", "the phase '", name,
           "' was given twice");
    out[key] = value;
    arguments.attr("pop")(key);
  }
  return out;
}

/// Attribute with the arguments as given, for copies: the collector sees it.
constexpr char kArguments[] = "_arguments";

/// What the loaders that are made on this thread collate with.
thread_local py::handle collate_of_loaders;
struct Collating {
  explicit Collating(py::object function) : function_(std::move(function)) {
    collate_of_loaders = function_;
  }
  ~Collating() { collate_of_loaders = py::handle(); }
  Collating(const Collating&) = delete;
  Collating& operator=(const Collating&) = delete;

 private:
  py::object function_;
};

void init(const py::object& object, const py::object& datasets,
          const py::kwargs& kwargs) {
  auto& self = py::cast<DataProvider&>(object);
  py::dict arguments(kwargs);
  py::dict phases = phases_of(datasets, arguments);
  for (auto [key, value] : arguments)
    if (!py::isinstance<data::Sampler>(value))
      refuse_half_a_dataset(py::str(key), value);
  py::dict rest(arguments);
  const Collating collating(rest.attr("pop")("collate_fn", py::none()));
  DataLoader::Options options = loader_options(rest, "DataProvider");
  DataProvider::Datasets sets;
  std::vector<std::pair<std::string, std::shared_ptr<Loader>>> loaders;
  for (auto [key, value] : phases) {
    std::string phase = py::str(key);
    std::string where = "DataProvider: " + phase;
    if (is_loader(value))
      loaders.emplace_back(phase, loader_in(value, where));
    else
      sets.emplace_back(phase, dataset_in(value, where));
  }
  self.assign(std::move(sets), std::move(options));
  for (auto& [phase, loader] : loaders) self.set_loader(phase, loader);
  arguments["datasets"] = phases;
  py::setattr(object, kArguments, arguments);
}

py::dict loaders_of(DataProvider& self) {
  py::dict out;
  for (const std::string& phase : self.phases())
    out[py::str(phase)] = child_out(self.DataProvider::provide(Value(phase)));
  return out;
}

/// Loaders of a provider are Python's DataLoader.
std::shared_ptr<DataLoader> make_loader(std::shared_ptr<data::Dataset> dataset,
                                        DataLoader::Options options) {
  Gil gil;
  py::dict arguments = options_to_python(options);
  arguments["dataset"] = child_out(dataset);
  arguments["sampler"] = child_out(options.sampler);
  arguments["batch_sampler"] = child_out(options.batch_sampler);
  if (collate_of_loaders) arguments["collate_fn"] = collate_of_loaders;
  return py::cast<std::shared_ptr<DataLoader>>(
      py::type::of<DataLoader>()(**arguments));
}

/// A loader in Python's hands that has no Python side of its own.
void def_joined(py::module_& m) {
  auto cls = py::classh<data::JoinedLoader, Loader>(m, "JoinedLoader");
  cls.attr("__module__") = "ptutils.data";
  cls.doc() =
      "A batch of each of several loaders at once, as a dict by name. The "
      "epoch is the first one's; the others begin again where they end.";
  // Not by its class: what Python makes has a Python side.
  m.def("_joined_loader", [](const py::dict& loaders) {
    data::JoinedLoader::Parts parts;
    for (auto [name, loader] : loaders)
      parts.emplace_back(py::str(name), loader_in(loader, "JoinedLoader"));
    return std::make_shared<data::JoinedLoader>(std::move(parts));
  });
  py::object rebuilt = m.attr("_joined_loader");
  cls.def("__reduce_ex__", [rebuilt](const py::object& self, int) {
    py::dict loaders;
    for (const auto& [name, loader] :
         py::cast<data::JoinedLoader&>(self).parts())
      loaders[py::str(name)] = child_out(loader);
    return py::make_tuple(rebuilt, py::make_tuple(loaders));
  });
  cls.def("__len__", [](data::JoinedLoader& self) {
    return py::len(child_out(self.parts()[0].second));
  });
  cls.def("__next__", [](data::JoinedLoader& self) {
    Value batch;
    bool more = false;
    {
      py::gil_scoped_release release;
      more = self.next(batch);
    }
    if (!more) throw py::stop_iteration();
    return bindings::to_python(batch);
  });
  cls.def("__getitem__", [](data::JoinedLoader& self, const std::string& name) {
    for (const auto& [phase, loader] : self.parts())
      if (phase == name) return child_out(loader);
    fail(Kind::kKey, "JoinedLoader", "no loader '", name, "'");
  });
  cls.def_property_readonly("names", [](data::JoinedLoader& self) {
    py::list out;
    for (const auto& [phase, loader] : self.parts()) out.append(phase);
    return out;
  });
  cls.def_property_readonly("_remaining", &data::JoinedLoader::remaining);
  cls.def("rewind", &data::JoinedLoader::rewind);
  cls.def("close", &data::JoinedLoader::close);
  cls.def("request", &data::JoinedLoader::request, py::arg("request"));
}

const char* const kDoc =
    "Data sets (or loaders: ours, torch's) by phase, and the loaders over "
    "them: DataProvider(train=…, val=…, batch_size=64), or datasets={'train': "
    "…}. The other arguments are DataLoader's, for all phases; shuffling and a "
    "sampler (batch_sampler) are for 'train' alone, which is shuffled unless "
    "told otherwise (shuffle=True for all phases where none is 'train'). A "
    "subclass may override provide(request).\n\n"
    ">>> import numpy as np\n"
    ">>> from ptutils.data import ArrayDataset, DataProvider\n"
    ">>> data = DataProvider(train=ArrayDataset(np.arange(4)), batch_size=2)\n"
    ">>> len(data.provide('train'))\n"
    "2";

}  // namespace

void def_provider(py::module_& m) {
  auto cls = bind_module<DataProvider, Module, PyProvider, true>(
      m, "DataProvider", "ptutils.data", kDoc);
  def_joined(m);
  data::set_loader_factory(&make_loader);
  // A plain method: the object is there already, whether or not it is called.
  cls.attr("__init__") =
      py::cpp_function(&init, py::name("initialize"), py::is_method(cls),
                       py::arg("datasets") = py::none());
  auto provide = [](DataProvider& self, const Value& request) -> py::object {
    return child_out(self.DataProvider::provide(request));
  };
  cls.def("provide", provide, py::arg("request"),
          "The loader for {'phase': 'train'}, or 'train'; the same each time. "
          "Of several phases at once, ['labelled', 'unlabelled'], a loader "
          "whose batches are dicts by phase. What else the request says goes "
          "to DataLoader.request.\n\n"
          ">>> from ptutils.data import DataProvider\n"
          ">>> data = DataProvider(train=range(4), noise=range(100, 102))\n"
          ">>> for batch in data.provide(['noise', 'train']):\n"
          "...     print(sorted(batch))\n"
          "['noise', 'train']\n"
          "['noise', 'train']");
  cls.def(
      "request",
      [](DataProvider& self, Module& session) {
        return self.DataProvider::request(session);
      },
      py::arg("session"),
      "What to provide for a session's next step: 'train'. A subclass may make "
      "it depend on anything of the session (session.model.outputs are the "
      "last step's); it is asked after each step, and the answer is saved. An "
      "epoch is then that of the loader in use.");
  cls.def(
      "get_dataloader",
      [](DataProvider& self, const Value& request, bool as_torch) {
        py::object loader = child_out(self.provide(request));
        if (!as_torch) return loader;
        return py::object(
            py::module_::import("ptutils.data._torch").attr("loader")(loader));
      },
      py::arg("request"), py::arg("as_torch") = false,
      "provide(request); as_torch=True: a torch DataLoader over the same data "
      "set with the same batches in the same order.");
  cls.def_property_readonly("phases", &DataProvider::phases);
  cls.def("set_seed", &DataProvider::set_seed, py::arg("seed"));
  cls.def("set_output", &DataProvider::set_output, py::arg("output"));
  cls.def(
      "set_loader",
      [](DataProvider& self, const std::string& phase,
         const py::object& loader) {
        self.set_loader(phase, loader_in(loader, "set_loader"));
      },
      py::arg("phase"), py::arg("loader"));
  cls.def("__reduce_ex__", [](const py::object& self, int) {
    auto& provider = py::cast<DataProvider&>(self);
    return reduced(self, py::getattr(self, kArguments, py::dict()),
                   loaders_of(provider));
  });
  cls.def("_set_extra_state", [](DataProvider& self, const py::dict& loaders) {
    for (auto [phase, loader] : loaders)
      self.set_loader(py::str(phase), loader_in(loader, "DataProvider"));
  });
}

}  // namespace ptutils::bindings
