#include <pybind11/stl.h>

#include "attributes.h"
#include "casters/tensor.h"
#include "casters/value.h"
#include "data.h"
#include "data_transforms.h"
#include "errors.h"
#include "gil.h"
#include "nn.h"
#include "ptutils/data/readers.h"
#include "py_dataset.h"

// Data sets that are there: arrays, folders of pictures, FashionMNIST, MNIST.

namespace ptutils::bindings {

namespace {

using data::Dataset;

template <class T>
void def_images(py::module_& m, const char* name, const char* doc) {
  auto cls = bind_module<T, Dataset, PyDataset<T>, false>(m, name,
                                                          "ptutils.data", doc);
  cls.def(
      py::init([name](const py::object& root, bool train, bool download,
                      const std::string& url, const py::object& preprocessor) {
        data::IdxImages::Options options;
        options.root = py::str(py::module_::import("os").attr("fspath")(root));
        options.train = train;
        options.download = download;
        options.url = url;
        options.preprocessor =
            preprocessor_in(preprocessor, str(name, ": preprocessor"));
        py::gil_scoped_release release;
        return new PyDataset<T>(std::move(options));
      }),
      py::arg("root") = "data", py::arg("train") = true,
      py::arg("download") = false, py::arg("url") = "",
      py::arg("preprocessor") = py::none());
  def_get<T>(cls);
  cls.attr("_extra_state") = py::none();
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
    const data::IdxImages::Options& given = self.options();
    py::dict arguments;
    arguments["root"] = given.root;
    arguments["train"] = given.train;
    arguments["download"] = given.download;
    arguments["url"] = given.url;
    arguments["preprocessor"] = preprocessor_out(given.preprocessor);
    return arguments;
  });
}

template <class Class>
void def_folder(Class& cls) {
  using data::ImageFolder;
  cls.attr("__init__") = py::cpp_function(
      [](const py::object& object, const py::object& root,
         const py::object& preprocessor, bool dct_scaling) {
        auto& self = py::cast<ImageFolder&>(object);
        data::Preprocessor chains =
            preprocessor_in(preprocessor, "ImageFolder: preprocessor");
        const std::string path = path_in(root);
        py::gil_scoped_release release;
        self.open_folder(path, std::move(chains), dct_scaling);
      },
      py::name("initialize"), py::is_method(cls), py::arg("root"),
      py::arg("preprocessor") = py::none(), py::arg("dct_scaling") = false);
  cls.def("_constructor", [](ImageFolder& self) {
    auto opened = self.opened();
    py::dict arguments;
    arguments["root"] = path_out(opened.value().data_source.at(0));
    arguments["preprocessor"] = preprocessor_out(opened->preprocessor);
    arguments["dct_scaling"] = self.dct_scaling();
    return arguments;
  });
  cls.attr("_extra_state") = py::none();
  cls.def_property_readonly(
      "classes", [](ImageFolder& self) { return paths_out(self.classes()); },
      "The names of the labels: those of the folders, sorted.");
  cls.def_property_readonly(
      "class_to_idx",
      [](ImageFolder& self) {
        py::dict out;
        for (py::handle name : paths_out(self.classes()))
          out[name] = py::len(out);
        return out;
      },
      "The labels by their names.");
  cls.def_property_readonly(
      "samples",
      [](ImageFolder& self) {
        std::vector<std::pair<std::string, std::int64_t>> samples;
        {
          py::gil_scoped_release release;
          samples = self.samples();
        }
        py::typing::List<py::typing::Tuple<py::str, py::int_>> out;
        for (const auto& [path, label] : samples)
          out.append(py::make_tuple(path_out(path), label));
        return out;
      },
      "[(path, label)] of all pictures; the folder is listed for it.");
  cls.def_property_readonly(
      "targets",
      [](ImageFolder& self) {
        std::vector<std::pair<std::string, std::int64_t>> samples;
        {
          py::gil_scoped_release release;
          samples = self.samples();
        }
        Tensor out = Tensor::empty({static_cast<std::int64_t>(samples.size())},
                                   DType::kI64);
        auto* to = out.data<std::int64_t>();
        for (const auto& sample : samples) *to++ = sample.second;
        return tensor_to_numpy(out);
      },
      "All labels, int64 (n), for a sampler; the folder is listed for it.");
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
        Gil gil;
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

void def_ready_made(py::module_& m) {
  def_arrays(m);
  auto folder = bind_module<data::ImageFolder, Dataset,
                            PyDataset<data::ImageFolder>, true>(
      m, "ImageFolder", "ptutils.data",
      "Pictures in folders, one a class (torchvision's layout): samples (uint8 "
      "(3, height, width), int label). preprocessor is for the picture; "
      "dct_scaling=True decodes JPEG at 1/2, 1/4 or 1/8 where a Resize or "
      "RandomResizedCrop allows: faster, and not to the bit what full decoding "
      "gives.");
  def_get<data::ImageFolder>(folder);
  def_folder(folder);
  def_images<data::FashionMNIST>(
      m, "FashionMNIST",
      "Xiao, Rasul, Vollgraf 2017: 60 000 training and 10 000 test images. A "
      "sample: (float32 (1, 28, 28) in [0, 1], int label). Files in root or "
      "root/FashionMNIST/raw, plain or .gz; else Debian's package "
      "dataset-fashion-mnist; else fetched when download=True (url: another "
      "source), with checksums. preprocessor: of the image, or a dict by field "
      "(0, 1).");
  def_images<data::MNIST>(
      m, "MNIST",
      "LeCun, Cortes, Burges 1998, with the same items and arguments as "
      "FashionMNIST; files in root or root/MNIST/raw.");
  install_fetcher();
}

}  // namespace ptutils::bindings
