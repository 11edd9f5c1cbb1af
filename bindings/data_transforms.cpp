#include "data_transforms.h"

#include <pybind11/stl.h>

#include "casters/tensor.h"
#include "casters/value.h"
#include "data.h"
#include "errors.h"
#include "gil.h"
#include "ptutils/data/transforms.h"
#include "py_transform.h"

// Transforms.

namespace ptutils::bindings {

namespace {

using data::Chain;

/// Any callable of one value. Where it has a parameter `random`, it is given a
/// NumPy generator of the sample's own stream.
class CallableTransform final : public Transform, public PyHolder {
 public:
  explicit CallableTransform(py::object callable)
      : PyHolder(std::move(callable)) {
    py::module_ ours = py::module_::import("ptutils.data.transforms");
    random_ = py::cast<bool>(ours.attr("_takes_random")(handle()));
    torchvision_ = py::cast<bool>(ours.attr("_is_torchvision")(handle()));
  }
  std::string class_name() const override {
    Gil gil;
    return python_class_name(object());
  }
  bool is_python() const override { return true; }
  bool draws_random() const override { return random_; }
  void apply(Pending& sample, Random random) override {
    Gil gil;
    sample.set(of_user("transform", [&] {
      py::object value = bindings::to_python(owned(sample.value()));
      if (torchvision_)
        return to_value(py::module_::import("ptutils.data.transforms")
                            .attr("_on_tensors")(handle(), value),
                        "transform");
      if (!random_) return to_value(handle()(value), "transform");
      py::object generator =
          py::module_::import("ptutils.data.transforms")
              .attr("_generator")(random.key(), random.counter());
      return to_value(handle()(value, py::arg("random") = generator),
                      "transform");
    }));
  }
  Value to_config() override {
    fail(Kind::kState, class_name(),
         "a function is code, which a configuration cannot hold; give a "
         "Transform, or build the data set in code");
  }

 private:
  bool random_ = false;
  bool torchvision_ = false;  // takes torch's tensors; arrays pass through it
};

DType dtype_named(py::handle given) {
  std::string text = py::str(py::hasattr(given, "name") ? given.attr("name")
                             : py::hasattr(given, "__name__")
                                 ? given.attr("__name__")
                                 : py::reinterpret_borrow<py::object>(given));
  if (text.starts_with("torch.")) text = text.substr(6);
  if (std::optional<DType> dtype = parse_dtype(text)) return *dtype;
  fail(Kind::kValue, "Cast", "no dtype '", text,
       "'; give 'float32', 'int64', …, or NumPy's or torch's own");
}

void def_pixels(py::module_& m) {
  using transforms::Cast;
  using transforms::DecodeImage;
  using transforms::Normalize;
  using transforms::OneHot;
  using transforms::ToCHW;
  using transforms::ToFloat;
  def_transform<DecodeImage>(
      m, "DecodeImage",
      "The bytes of a picture file (bytes, or a uint8 array of one dimension: "
      "HDF5's lists of varying length) to the picture, uint8 (3, H, W), "
      "decoded no further than the transforms after it want. dct_scaling: as "
      "of ImageFolder.\n\n"
      ">>> import io\n"
      ">>> from PIL import Image\n"
      ">>> from ptutils.data import transforms as T\n"
      ">>> file = io.BytesIO()\n"
      ">>> Image.new('RGB', (8, 6)).save(file, 'PNG')\n"
      ">>> T.DecodeImage()(file.getvalue()).shape\n"
      "(3, 6, 8)")
      .def(py::init([](bool dct_scaling) {
             return new PyTransform<DecodeImage>(dct_scaling);
           }),
           py::arg("dct_scaling") = false);
  def_transform<ToCHW>(
      m, "ToCHW", "(H, W, C) to torch's (C, H, W): a view, without a copy.")
      .def(py::init([] { return new PyTransform<ToCHW>(); }));
  def_transform<ToFloat>(
      m, "ToFloat",
      "x * scale, as float32; scale=1/255 brings bytes to [0, 1].\n\n"
      ">>> import numpy as np\n"
      ">>> from ptutils.data import transforms as T\n"
      ">>> T.ToFloat(0.5)(np.array([1, 2], np.uint8))\n"
      "array([0.5, 1. ], dtype=float32)")
      .def(py::init(
               [](double scale) { return new PyTransform<ToFloat>(scale); }),
           py::arg("scale") = 1.0);
  def_transform<Normalize>(
      m, "Normalize",
      "(x - mean) / std, as float32; numbers, or one a channel of (C, H, W).")
      .def(py::init([](const py::object& mean, const py::object& std) {
             return new PyTransform<Normalize>(
                 numbers_in(mean, "Normalize: mean"),
                 numbers_in(std, "Normalize: std"));
           }),
           py::arg("mean"), py::arg("std"));
  def_transform<Cast>(m, "Cast", "To another dtype: 'float32', 'int64', …")
      .def(py::init([](const py::object& dtype) {
             return new PyTransform<Cast>(dtype_named(dtype));
           }),
           py::arg("dtype"));
  def_transform<OneHot>(
      m, "OneHot", "Labels 0 … num_classes - 1 to float32 rows with one 1.")
      .def(py::init([](std::int64_t classes) {
             return new PyTransform<OneHot>(classes);
           }),
           py::arg("num_classes"));
}

/// As def_transform; what it holds may be functions, which no configuration
/// has.
template <class T, class Out>
auto def_holder(py::module_& m, const char* name, const char* argument,
                Out&& out, const char* doc) {
  auto cls = def_transform<T>(m, name, doc);
  cls.attr("_constructor") = py::cpp_function(
      [argument, out](T& self) {
        py::dict arguments;
        arguments[argument] = out(self);
        return arguments;
      },
      py::name("_constructor"), py::is_method(cls));
  cls.def("__reduce_ex__", [out](const py::object& self, int) {
    return py::make_tuple(py::type::of(self),
                          py::make_tuple(out(py::cast<T&>(self))));
  });
  return cls;
}

py::list chain_out(const Chain& chain) {
  py::list out;
  for (const auto& transform : chain) out.append(transform_out(transform));
  return out;
}

void def_chains(py::module_& m) {
  using transforms::Branch;
  using transforms::Compose;
  def_holder<Compose>(
      m, "Compose", "transforms",
      [](Compose& self) { return chain_out(self.chain()); },
      "One transform after another.")
      .def(py::init([](const py::object& given) {
             return new PyTransform<Compose>(chain_in(given, "Compose"));
           }),
           py::arg("transforms"));
  def_holder<Branch>(
      m, "Branch", "branches",
      [](Branch& self) {
        py::dict out;
        for (const auto& [name, chain] : self.branches())
          out[py::str(name)] = chain_out(chain);
        return out;
      },
      "Several results of one value, as a dict: an image is decoded once for "
      "models that want it in different sizes, or for two views of it (each "
      "branch draws from a stream of its own).\n\n"
      ">>> import numpy as np\n"
      ">>> from ptutils.data import transforms as T\n"
      ">>> both = T.Branch({'small': [T.Resize(2)], 'large': [T.Resize(4)]})\n"
      ">>> out = both(np.zeros((3, 8, 8), np.uint8))\n"
      ">>> out['small'].shape, out['large'].shape\n"
      "((3, 2, 2), (3, 4, 4))")
      .def(py::init([](const py::dict& given) {
             Branch::Branches branches;
             for (auto [name, chain] : given)
               branches.emplace_back(py::str(name), chain_in(chain, "Branch"));
             return new PyTransform<Branch>(std::move(branches));
           }),
           py::arg("branches"));
}

void def_vocabulary(py::module_& m) {
  using transforms::Vocabulary;
  auto cls = def_transform<Vocabulary>(
      m, "Vocabulary",
      "A text, or a list of words, to int64 ids: of the words (apart by white "
      "space), or length of them, cut or padded. words: a list, of which word "
      "i has the id i; or a file, one word a line, or a .json with a list, or "
      "a dict from word to id. A word that is not there has the id of "
      "unknown.\n\n"
      ">>> from ptutils.data import transforms as T\n"
      ">>> words = T.Vocabulary(['<pad>', '<unk>', 'the', 'cat'], length=4)\n"
      ">>> words('the black cat')\n"
      "Tensor([2, 1, 3, 0])\n"
      ">>> words['cat'], len(words), 'dog' in words, words.words[2]\n"
      "(3, 4, False, 'the')");
  cls.def(
      py::init([](const py::object& given, std::int64_t length,
                  std::string unknown, std::string padding) {
        const bool path =
            PyUnicode_Check(given.ptr()) || py::hasattr(given, "__fspath__");
        if (!path && !PyList_Check(given.ptr()) && !PyTuple_Check(given.ptr()))
          fail(Kind::kType, "Vocabulary",
               "words is a list of texts, or a file of them, not ",
               with_article(given));
        std::vector<std::string> words;
        if (path)
          words = transforms::read_vocabulary(path_in(given));
        else
          for (py::handle word : given) words.push_back(py::str(word));
        return new PyTransform<Vocabulary>(
            std::move(words), Vocabulary::Options{length, std::move(unknown),
                                                  std::move(padding)});
      }),
      py::arg("words"), py::arg("length") = 0, py::arg("unknown") = "<unk>",
      py::arg("padding") = "<pad>");
  cls.def("__len__", [](Vocabulary& self) { return self.words().size(); });
  cls.def("__getitem__", &Vocabulary::id);
  cls.def("__contains__", &Vocabulary::contains);
  cls.def_property_readonly("words",
                            [](Vocabulary& self) { return self.words(); });
}

}  // namespace

std::vector<double> numbers_in(py::handle given, const char* where) {
  if (PyFloat_Check(given.ptr()) || PyLong_Check(given.ptr()))
    return {py::cast<double>(given)};
  try {
    std::vector<double> out;
    for (py::handle item : given) out.push_back(py::cast<double>(item));
    return out;
  } catch (const py::cast_error&) {
  } catch (py::error_already_set&) {
  }
  fail(Kind::kType, where, "numbers, one or one a channel, not ",
       std::string(py::repr(given)).substr(0, 60));
}

std::shared_ptr<Transform> transform_in(py::handle given,
                                        std::string_view where) {
  if (py::isinstance<Transform>(given))
    return py::cast<std::shared_ptr<Transform>>(given);
  const bool class_of_ours =
      PyType_Check(given.ptr()) &&
      PyObject_IsSubclass(given.ptr(), py::type::of<Transform>().ptr()) == 1;
  if (class_of_ours || !PyCallable_Check(given.ptr()))
    fail(Kind::kType, where, "a transform is a function of one value, not ",
         class_of_ours ? "the class " : "",
         std::string(py::repr(given)).substr(0, 60),
         class_of_ours ? ": call it" : "");
  return std::make_shared<CallableTransform>(
      py::reinterpret_borrow<py::object>(given));
}

py::object transform_out(const std::shared_ptr<Transform>& transform) {
  if (auto* held = dynamic_cast<PyHolder*>(transform.get()))
    return py::reinterpret_borrow<py::object>(held->object());
  return child_out(transform);
}

Chain chain_in(py::handle given, std::string_view where) {
  Chain out;
  if (given.is_none()) return out;
  if (!py::isinstance<py::list>(given) && !py::isinstance<py::tuple>(given)) {
    out.push_back(transform_in(given, where));
    return out;
  }
  for (py::handle item : given) out.push_back(transform_in(item, where));
  return out;
}

data::Preprocessor preprocessor_in(py::handle given, std::string_view where) {
  data::Preprocessor out;
  if (given.is_none()) return out;
  if (!PyDict_Check(given.ptr())) {
    out.emplace_back("", chain_in(given, where));
    return out;
  }
  for (auto [key, value] : py::reinterpret_borrow<py::dict>(given))
    out.emplace_back(py::str(key), chain_in(value, where));
  return out;
}

py::object preprocessor_out(const data::Preprocessor& preprocessor) {
  py::dict out;
  for (const auto& [field, chain] : preprocessor)
    out[py::str(field)] = chain_out(chain);
  if (out.empty()) return py::none();
  return out;
}

void def_transforms(py::module_& m) {
  bind_module<Transform, Module, PyTransform<Transform>, true>(
      m, "Transform", "ptutils.data.transforms",
      "What is done to a value on its way into the batch: a subclass defines "
      "__call__(self, value) -> value. Any function of one value does as "
      "well.");
  def_pixels(m);
  def_geometry(m);
  def_colours(m);
  def_chains(m);
  def_vocabulary(m);
}

}  // namespace ptutils::bindings
