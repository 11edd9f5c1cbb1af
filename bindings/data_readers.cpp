#include <pybind11/stl.h>

#include "casters/tensor.h"
#include "casters/value.h"
#include "data.h"
#include "data_transforms.h"
#include "gil.h"
#include "ptutils/data/readers.h"
#include "ptutils/formats/records.h"

// Readers, and the data sets over files.

namespace ptutils::bindings {

namespace {

using data::DataReader;
using data::Dataset;
using data::FieldChoice;

template <class Base>
class PyReader : public PyModule<Base> {
 public:
  using PyModule<Base>::PyModule;
  std::shared_ptr<Dataset> read(const std::string& source) override {
    if (!this->overrides(Method::kRead)) {
      if constexpr (std::is_abstract_v<Base>)
        fail(Kind::kNotImplemented, this->class_name(),
             "defines no read(self, source)");
      else
        return Base::read(source);
    }
    Gil gil;
    return of_user("DataReader.read", [&] {
      return samples_in(this->call_python(Method::kRead, path_out(source)),
                        this->class_name() + ".read");
    });
  }
  /// What read() may give: a data set, anything with samples by index, or a
  /// dict of arrays.
  static std::shared_ptr<Dataset> samples_in(const py::object& given,
                                             const std::string& where) {
    if (!PyDict_Check(given.ptr())) return dataset_in(given, where);
    return py::cast<std::shared_ptr<Dataset>>(
        py::module_::import("ptutils.data").attr("ArrayDataset")(given));
  }
};

FieldChoice fields_in(const py::object& given, const char* where) {
  FieldChoice out;
  if (given.is_none()) return out;
  out.one = PyUnicode_Check(given.ptr());
  const py::list names =
      out.one ? py::list(py::make_tuple(given)) : py::list(given);
  for (py::handle name : names) {
    if (!PyUnicode_Check(name.ptr()))
      fail(Kind::kType, where, "fields are names, not ",
           std::string(py::repr(name)).substr(0, 60));
    out.names.push_back(py::cast<std::string>(name));
  }
  if (out.names.empty())
    fail(Kind::kValue, where,
         "fields is empty; give names, or None for all of them");
  return out;
}

template <class T>
auto def_reader(py::module_& m, const char* name, const char* doc) {
  auto cls = bind_module<T, DataReader, PyReader<T>, false>(
      m, name, "ptutils.data", doc);
  def_constructor<T>(cls);
  return cls;
}

void def_record_readers(py::module_& m) {
  using data::JSONLinesReader;
  using data::LMDBReader;
  using data::TFRecordReader;
  def_reader<TFRecordReader>(
      m, "TFRecordReader",
      "The tf.train.Examples of a TFRecord file, plain or gzip.\n\n"
      "features : what becomes of a feature, by its name: 'int64', 'float32' "
      "or another dtype (its numbers: one as a number, several as an array); "
      "(dtype, shape) (an array of that shape, of its numbers or of the memory "
      "that its bytes are); 'image' (JPEG, PNG); 'bytes'; 'text'. Others come "
      "as they are: numbers, or bytes (a list of several)\n"
      "fields : one name (a sample is that feature), a list (a tuple); None: a "
      "dict of those in features, else of those of the first record\n\n"
      "A plain file is mapped; where its records begin is kept in NAME.index "
      "beside it, or, where that cannot be written, in $PTUTILS_CACHE "
      "(~/.cache/ptutils).\n\n"
      ">>> from ptutils.data import TFRecordReader\n"
      ">>> reader = TFRecordReader({'image': ('uint8', (96, 96, 3)), 'label': "
      "'int64'}, fields=['image', 'label'])\n"
      ">>> reader.to_config()['fields']\n"
      "['image', 'label']")
      .def(py::init([](const py::object& features, const py::object& fields) {
             Value given = features.is_none() ? Value(Dict())
                                              : to_value(features, "features");
             if (!given.is_dict())
               fail(Kind::kType, "TFRecordReader",
                    "features is a dict of formats by name, not ",
                    given.repr());
             return new PyReader<TFRecordReader>(
                 std::move(given.as_dict()),
                 fields_in(fields, "TFRecordReader"));
           }),
           py::arg("features") = py::none(), py::arg("fields") = py::none());
  def_reader<LMDBReader>(
      m, "LMDBReader",
      "The values of an LMDB database (a file, or a folder with data.mdb), in "
      "the order of their keys. decode: None (bytes), 'text', 'image' (JPEG, "
      "PNG) or (dtype, shape) for values that are an array's memory; for "
      "anything else give a function of the bytes as the preprocessor. "
      "keys=True: samples are (key, value). 8 bytes of memory a record.")
      .def(py::init([](const py::object& decode, bool keys) {
             if (PyCallable_Check(decode.ptr()))
               fail(Kind::kType, "LMDBReader",
                    "decode is a format; give a function as the preprocessor "
                    "of the Dataset",
                    keys ? ": {'value': function}" : "");
             return new PyReader<LMDBReader>(to_value(decode, "decode"), keys);
           }),
           py::arg("decode") = py::none(), py::arg("keys") = false);
  def_reader<JSONLinesReader>(
      m, "JSONLinesReader",
      "A JSON value a line (.jsonl, .ndjson), plain or gzip; blank lines are "
      "no samples. fields: one name (a sample is that entry of the line's "
      "object), a list (a tuple of them), None (the value as it is). 8 bytes "
      "of memory a line.\n\n"
      ">>> import pathlib, tempfile\n"
      ">>> from ptutils.data import Dataset\n"
      ">>> path = pathlib.Path(tempfile.mkdtemp()) / 'a.jsonl'\n"
      ">>> _ = path.write_text('{\"x\": 1}\\n{\"x\": 2}\\n')\n"
      ">>> Dataset(path)[1]\n"
      "{'x': 2}")
      .def(py::init([](const py::object& fields) {
             return new PyReader<JSONLinesReader>(
                 fields_in(fields, "JSONLinesReader"));
           }),
           py::arg("fields") = py::none());
}

/// bytes, an int or text as a feature of one value.
TfFeature feature_in(const Value& given, const std::string& name) {
  if (given.is_int()) return std::vector<std::int64_t>{given.as_int()};
  if (given.is_bytes())
    return std::vector<std::string_view>{given.as_bytes().data};
  if (given.is_string())
    return std::vector<std::string_view>{given.as_string()};
  fail(Kind::kType, "tfrecord", "'", name, "' is ", given.summary(),
       ", no bytes, text or int");
}

py::bytes tfrecord_of_features(const Value& features) {
  TfExample example;
  std::vector<std::string> names = features.as_dict().keys();
  for (const std::string& name : names)
    example.emplace_back(name, feature_in(features.as_dict().at(name), name));
  return tfrecord_of(example);
}

}  // namespace

std::string path_in(py::handle given) {
  // Bytes are of any encoding; text has those that are not UTF-8 as os does.
  return py::cast<py::bytes>(py::module_::import("os").attr("fsencode")(given));
}

py::str path_out(const std::string& path) {
  return py::reinterpret_steal<py::str>(PyUnicode_DecodeFSDefaultAndSize(
      path.data(), static_cast<py::ssize_t>(path.size())));
}

py::typing::List<py::str> paths_out(const std::vector<std::string>& paths) {
  py::typing::List<py::str> out;
  for (const std::string& path : paths) out.append(path_out(path));
  return out;
}

void def_readers(py::module_& m) {
  auto base = bind_module<DataReader, Module, PyReader<DataReader>, true>(
      m, "DataReader", "ptutils.data",
      "Opens data of one format. A subclass defines read(self, source) -> the "
      "samples of one file or folder: a Dataset, anything with __len__ and "
      "__getitem__, or a dict of arrays.\n\n"
      ">>> import pathlib, tempfile\n"
      ">>> from ptutils.data import Dataset, DataReader\n"
      ">>> class Lines(DataReader):\n"
      "...     def read(self, source):\n"
      "...         return pathlib.Path(source).read_text().splitlines()\n"
      ">>> path = pathlib.Path(tempfile.mkdtemp()) / 'a.txt'\n"
      ">>> _ = path.write_text('one\\ntwo\\n')\n"
      ">>> Dataset(data_source=path, data_reader=Lines())[1]\n"
      "'two'");
  base.def(
      "read",
      [](DataReader& self, const py::object& source) {
        if (dynamic_cast<PyReader<DataReader>*>(&self))
          fail(Kind::kNotImplemented, self.class_name(),
               "defines no read(self, source)");
        return child_out(self.read(path_in(source)));
      },
      py::arg("source"), "The samples of a file or a folder, as a Dataset.");

  m.def("_class_folders", [](const py::object& root) {
    return paths_out(data::class_folders(path_in(root)));
  });
  // For the command line.
  m.def("_reader_for", [](const py::object& path) {
    return child_out(data::reader_for(path_in(path)));
  });
  m.def("_tfrecord_of",
        [](const Value& features) { return tfrecord_of_features(features); });

  using data::ArrayReader;
  using data::HDF5Reader;
  using data::ImageFolderReader;
  def_reader<HDF5Reader>(
      m, "HDF5Reader",
      "The rows of an HDF5 file's data sets. fields: one name (a sample is "
      "that "
      "row), a list (a tuple of rows), None (all of the group, as a dict). "
      "Chunks are decoded by the loader's threads, and kept in a cache of "
      "cache_bytes (0: up to 1 GiB, a quarter of the free memory).")
      .def(py::init([](const py::object& fields, const std::string& group,
                       std::size_t cache_bytes) {
             return new PyReader<HDF5Reader>(fields_in(fields, "HDF5Reader"),
                                             group, cache_bytes);
           }),
           py::arg("fields") = py::none(), py::arg("group") = "",
           py::arg("cache_bytes") = 0);
  def_reader<ArrayReader>(
      m, "ArrayReader",
      "The rows of the arrays of a .npz, .npy, .safetensors, .csv or any other "
      "file that ptutils.read reads as arrays of one length. fields: as of "
      "HDF5Reader.")
      .def(py::init([](const py::object& fields) {
             return new PyReader<ArrayReader>(fields_in(fields, "ArrayReader"));
           }),
           py::arg("fields") = py::none());
  def_record_readers(m);
  def_reader<ImageFolderReader>(
      m, "ImageFolderReader",
      "A folder of folders of pictures, one a class: see ImageFolder.")
      .def(py::init([](bool dct_scaling) {
             return new PyReader<ImageFolderReader>(dct_scaling);
           }),
           py::arg("dct_scaling") = false);
}

/// Pictures that libjpeg and libpng do not decode go through Pillow.
void install_image_decoder() {
  data::set_image_decoder([](const std::string& bytes,
                             const std::string& name) {
    Gil gil;
    return tensor_or_fail(py::module_::import("ptutils.data._pillow")
                              .attr("decode")(py::bytes(bytes), path_out(name)),
                          "Pillow")
        .clone();
  });
}

}  // namespace ptutils::bindings
