#include "data_transforms.h"

#include <pybind11/stl.h>

#include "casters/tensor.h"
#include "casters/value.h"
#include "data.h"
#include "errors.h"
#include "ptutils/data/transforms.h"

// Transforms.

namespace ptutils::bindings {

namespace {

using data::Chain;
using data::Pending;
using data::Transform;
namespace transforms = data::transforms;

/// `Base` as Python extends it: a subclass defines __call__(self, value).
template <class Base>
class PyTransform : public PyModule<Base> {
 public:
  using PyModule<Base>::PyModule;
  void apply(Pending& sample, Random random) override {
    if (!this->overrides(Method::kCall)) {
      if constexpr (std::is_abstract_v<Base>)
        fail(Kind::kNotImplemented, this->class_name(),
             "defines no __call__(self, value)");
      else
        return Base::apply(sample, random);
    }
    py::gil_scoped_acquire gil;
    sample.set(of_user("transform", [&] {
      return to_value(
          this->call_python(Method::kCall,
                            bindings::to_python(owned(sample.value()))),
          "transform");
    }));
  }
  Value call(const Value& arguments) override {
    return this->overrides(Method::kCall) ? PyModule<Base>::call(arguments)
                                          : Base::call(arguments);
  }
  bool is_python() const override {
    return this->overrides(Method::kCall) || own_python();
  }

 private:
  bool own_python() const {
    if constexpr (std::is_abstract_v<Base>)
      return true;
    else
      return Base::is_python();
  }
};

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
    py::gil_scoped_acquire gil;
    return python_class_name(object());
  }
  bool is_python() const override { return true; }
  bool draws_random() const override { return random_; }
  void apply(Pending& sample, Random random) override {
    py::gil_scoped_acquire gil;
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

transforms::Size size_in(py::handle given, const char* where) {
  transforms::Size out;
  if (std::optional<std::int64_t> one = index_in(given)) {
    out.height = *one;
    return out;
  }
  const bool pair =
      (py::isinstance<py::tuple>(given) || py::isinstance<py::list>(given)) &&
      py::len(given) == 2;
  std::optional<std::int64_t> height, width;
  if (pair) {
    height = index_in(py::object(given[py::int_(0)]));
    width = index_in(py::object(given[py::int_(1)]));
  }
  if (!height || !width)
    fail(Kind::kType, where, "size is a whole number, or (height, width), not ",
         std::string(py::repr(given)).substr(0, 60));
  out.height = *height;
  out.width = width;
  return out;
}

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

template <class T>
auto def_transform(py::module_& m, const char* name, const char* doc) {
  auto cls = bind_module<T, Transform, PyTransform<T>, false>(
      m, name, "ptutils.data.transforms", doc);
  cls.def("_constructor", [](T& self) {
    py::dict arguments = bindings::to_python(self.T::to_config());
    arguments.attr("pop")("func");
    return arguments;
  });
  return cls;
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

transforms::RandomCrop::Padding padding_in(py::handle given) {
  std::vector<std::int64_t> sides;
  const bool several =
      py::isinstance<py::tuple>(given) || py::isinstance<py::list>(given);
  const py::tuple all = several ? py::reinterpret_borrow<py::object>(given)
                                : py::object(py::make_tuple(given));
  for (py::handle side : all) {
    const auto pixels = index_in(side);
    if (pixels) sides.push_back(*pixels);
  }
  if (sides.size() == all.size()) {
    if (!several) return {sides[0], sides[0], sides[0], sides[0]};
    if (sides.size() == 2) return {sides[0], sides[1], sides[0], sides[1]};
    if (sides.size() == 4) return {sides[0], sides[1], sides[2], sides[3]};
  }
  fail(Kind::kType, "RandomCrop",
       "padding is a whole number, or two or four of them, not ",
       std::string(py::repr(given)).substr(0, 60));
}

void def_geometry(py::module_& m) {
  using transforms::CenterCrop;
  using transforms::RandomCrop;
  using transforms::RandomHorizontalFlip;
  using transforms::RandomResizedCrop;
  using transforms::Resize;
  def_transform<Resize>(
      m, "Resize",
      "Bilinear with antialiasing. size: (height, width), or what the shorter "
      "side becomes, the other in proportion.")
      .def(py::init([](const py::object& size) {
             return new PyTransform<Resize>(size_in(size, "Resize"));
           }),
           py::arg("size"));
  def_transform<CenterCrop>(
      m, "CenterCrop",
      "The middle of size (height, width), or of a square; zeros around an "
      "image that is smaller.")
      .def(py::init([](const py::object& size) {
             return new PyTransform<CenterCrop>(size_in(size, "CenterCrop"));
           }),
           py::arg("size"));
  def_transform<RandomCrop>(
      m, "RandomCrop",
      "A part of size (height, width), or a square, anywhere, after padding "
      "with zeros: of all sides, (left and right, top and bottom), or (left, "
      "top, right, bottom).")
      .def(py::init([](const py::object& size, const py::object& padding) {
             return new PyTransform<RandomCrop>(size_in(size, "RandomCrop"),
                                                padding_in(padding));
           }),
           py::arg("size"), py::arg("padding") = 0);
  using Range = std::pair<double, double>;
  def_transform<RandomResizedCrop>(
      m, "RandomResizedCrop",
      "A part of random area (scale, of the whole) and aspect ratio, resized "
      "to size (Szegedy et al. 2015).")
      .def(py::init([](const py::object& size, Range scale, Range ratio) {
             return new PyTransform<RandomResizedCrop>(
                 size_in(size, "RandomResizedCrop"), scale, ratio);
           }),
           py::arg("size"), py::arg("scale") = Range(.08, 1),
           py::arg("ratio") = Range(3. / 4, 4. / 3));
  def_transform<RandomHorizontalFlip>(m, "RandomHorizontalFlip",
                                      "Left and right exchanged, in a share p.")
      .def(py::init([](double p) {
             return new PyTransform<RandomHorizontalFlip>(p);
           }),
           py::arg("p") = .5);
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

/// A strength, or (low, high).
transforms::ColorJitter::Range jitter_in(py::handle given, const char* name) {
  using transforms::ColorJitter;
  const std::vector<double> numbers =
      numbers_in(given, str("ColorJitter: ", name).c_str());
  const bool one = !py::hasattr(given, "__len__");
  if (one)
    return ColorJitter::of_strength(numbers[0],
                                    std::string_view(name) == "hue");
  if (numbers.size() != 2)
    fail(Kind::kType, "ColorJitter", name, " is a number, or (low, high), not ",
         std::string(py::repr(given)).substr(0, 60));
  return {numbers[0], numbers[1]};
}

void def_colours(py::module_& m) {
  using transforms::ColorJitter;
  using transforms::Cutout;
  def_transform<ColorJitter>(
      m, "ColorJitter",
      "Brightness, contrast and saturation times a number from [1 - strength, "
      "1 + strength], or from (low, high); the hue turned by up to hue (0.5: "
      "half the circle) either way, or by (low, high); in a random order.")
      .def(py::init([](const py::object& brightness, const py::object& contrast,
                       const py::object& saturation, const py::object& hue) {
             return new PyTransform<ColorJitter>(
                 jitter_in(brightness, "brightness"),
                 jitter_in(contrast, "contrast"),
                 jitter_in(saturation, "saturation"), jitter_in(hue, "hue"));
           }),
           py::arg("brightness") = 0.0, py::arg("contrast") = 0.0,
           py::arg("saturation") = 0.0, py::arg("hue") = 0.0);
  def_transform<Cutout>(
      m, "Cutout",
      "A square of size pixels, its centre anywhere, set to value, in a share "
      "p (DeVries, Taylor 2017).")
      .def(py::init([](std::int64_t size, double value, double p) {
             return new PyTransform<Cutout>(size, value, p);
           }),
           py::arg("size"), py::arg("value") = 0.0, py::arg("p") = 1.0);
}

}  // namespace

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
