#include <pybind11/stl.h>

#include "errors.h"
#include "py_transform.h"

// Transforms of images: places and colours.

namespace ptutils::bindings {

namespace {

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
  const auto padding = transforms::RandomCrop::Padding::of(sides);
  if (padding && sides.size() == all.size() && several == (sides.size() > 1))
    return *padding;
  fail(Kind::kType, "RandomCrop",
       "padding is a whole number, or two or four of them, not ",
       std::string(py::repr(given)).substr(0, 60));
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

}  // namespace

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

}  // namespace ptutils::bindings
