#include <pybind11/stl.h>

#include "casters/tensor.h"
#include "casters/value.h"
#include "data.h"
#include "nn.h"

// Samplers.

namespace ptutils::bindings {

namespace {

using data::Sampler;

template <class Base>
class PySampler : public PyModule<Base> {
 public:
  using PyModule<Base>::PyModule;
  std::int64_t count(std::int64_t n) const override {
    if (!this->overrides(Method::kLen)) return Base::count(n);
    py::gil_scoped_acquire gil;
    return of_user("Sampler.__len__",
                   [&] { return this->int_from_python(Method::kLen); });
  }
  Tensor order(std::int64_t n, std::uint64_t seed,
               std::int64_t epoch) override {
    if (!this->overrides(Method::kOrder)) {
      if constexpr (std::is_abstract_v<Base>)
        fail(Kind::kNotImplemented, this->class_name(),
             "defines no order(self, n, seed, epoch)");
      else
        return Base::order(n, seed, epoch);
    }
    py::gil_scoped_acquire gil;
    return of_user("Sampler.order", [&] {
      return order_of(this->call_python(Method::kOrder, n, seed, epoch));
    });
  }
  static Tensor order_of(py::handle given) {
    py::module_ numpy = py::module_::import("numpy");
    py::object array = numpy.attr("asarray")(given);
    if (py::len(array) == 0) array = array.attr("astype")("int64");
    std::string kind = py::str(array.attr("dtype").attr("kind"));
    if (kind == "i" || kind == "u") array = array.attr("astype")("int64");
    return tensor_or_fail(array, "Sampler.order").clone();
  }
};

/// torch's sampler, or any iterable of indices. Python does the drawing.
class WrappedSampler final : public Sampler, public PyHolder {
 public:
  explicit WrappedSampler(py::object object) : PyHolder(std::move(object)) {}
  std::string class_name() const override {
    py::gil_scoped_acquire gil;
    return python_class_name(object());
  }
  std::int64_t count(std::int64_t n) const override {
    py::gil_scoped_acquire gil;
    if (!py::hasattr(handle(), "__len__")) return n;
    return of_user("Sampler.__len__", [&] {
      return length_of(handle().attr("__len__")(), "Sampler.__len__");
    });
  }
  Tensor order(std::int64_t, std::uint64_t seed, std::int64_t epoch) override {
    py::gil_scoped_acquire gil;
    return of_user("Sampler.__iter__", [&] {
      return PySampler<Sampler>::order_of(
          py::module_::import("ptutils.data._samplers")
              .attr("indices")(handle(), seed, epoch));
    });
  }
};

}  // namespace

std::shared_ptr<Sampler> sampler_in(py::handle object, std::string_view where) {
  if (object.is_none()) return nullptr;
  if (py::isinstance<Sampler>(object))
    return py::cast<std::shared_ptr<Sampler>>(object);
  if (!py::hasattr(object, "__iter__") || PyType_Check(object.ptr()))
    fail(Kind::kType, where, "sampler is a ", Py_TYPE(object.ptr())->tp_name,
         ", neither a ptutils.data.Sampler nor an iterable of indices");
  if (PyIter_Check(object.ptr()))
    fail(Kind::kType, where, "sampler is a ", Py_TYPE(object.ptr())->tp_name,
         ", which can be iterated once only: a second epoch would be empty; "
         "give a list, or an object whose iter() begins again");
  return std::make_shared<WrappedSampler>(
      py::reinterpret_borrow<py::object>(object));
}

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
        return tensor_to_numpy(self.order(n, seed, epoch));
      },
      py::arg("n"), py::arg("seed") = 0, py::arg("epoch") = 0);

  using data::RandomSampler;
  using data::SequentialSampler;
  auto order = [](auto& bound, auto tag) {
    using T = typename decltype(tag)::type;
    bound.def(
        "order",
        [](T& self, std::int64_t n, std::uint64_t seed, std::int64_t epoch) {
          return tensor_to_numpy(self.T::order(n, seed, epoch));
        },
        py::arg("n"), py::arg("seed") = 0, py::arg("epoch") = 0);
  };
  auto sequential =
      bind_module<SequentialSampler, Sampler, PySampler<SequentialSampler>,
                  true>(m, "SequentialSampler", "ptutils.data", "0, 1, 2, …");
  order(sequential, std::type_identity<SequentialSampler>());
  auto random =
      bind_module<RandomSampler, Sampler, PySampler<RandomSampler>, false>(
          m, "RandomSampler", "ptutils.data",
          "A permutation of all samples, or num_samples of them (None: as "
          "many as there are), with or without replacement.");
  random.def(
      py::init([](bool replacement, std::optional<std::int64_t> count) {
        return new PySampler<RandomSampler>(replacement, count.value_or(0));
      }),
      py::arg("replacement") = false, py::arg("num_samples") = py::none());
  order(random, std::type_identity<RandomSampler>());
  random.def("_constructor", [](RandomSampler& self) {
    py::dict arguments = bindings::to_python(self.RandomSampler::to_config());
    arguments.attr("pop")("func");
    return arguments;
  });
}

}  // namespace ptutils::bindings
