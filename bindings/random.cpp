#include "ptutils/tensor/random.h"

#include <pybind11/stl.h>

#include "tensor.h"

// ptutils.Random: counter-based random streams.

namespace ptutils::bindings {

namespace {

void def_draws(py::class_<Random>& cls) {
  cls.def(
      "uniform",
      [](Random& r, py::object shape, double low, double high, DType dtype) {
        Dims dims = dims_of(shape, "Random.uniform");
        return r.uniform(std::move(dims), low, high, dtype);
      },
      py::arg("shape"), py::arg("low") = 0.0, py::arg("high") = 1.0,
      py::arg("dtype") = DType::kF32, "Uniform in [low, high).");
  cls.def(
      "normal",
      [](Random& r, py::object shape, double mean, double std, DType dtype) {
        Dims dims = dims_of(shape, "Random.normal");
        return r.normal(std::move(dims), mean, std, dtype);
      },
      py::arg("shape"), py::arg("mean") = 0.0, py::arg("std") = 1.0,
      py::arg("dtype") = DType::kF32, "Normally distributed.");
  cls.def(
      "bernoulli",
      [](Random& r, py::object shape, double p, DType dtype) {
        return r.bernoulli(dims_of(shape, "Random.bernoulli"), p, dtype);
      },
      py::arg("shape"), py::arg("p"), py::arg("dtype") = DType::kBool,
      "True (1) with probability p.");
  cls.def(
      "randint",
      [](Random& r, std::int64_t low, std::int64_t high, py::object shape,
         DType dtype) {
        Dims dims = dims_of(shape, "Random.randint");
        return r.randint(low, high, std::move(dims), dtype);
      },
      py::arg("low"), py::arg("high"), py::arg("shape"),
      py::arg("dtype") = DType::kI64, "Integers in [low, high).");
  cls.def("permutation", &Random::permutation, py::arg("n"),
          "0 … n - 1 in random order.");
  cls.def("random", &Random::next_uniform, "One float in [0, 1).");
  cls.def(
      "below",
      [](Random& r, std::uint64_t n) {
        if (n == 0) fail(Kind::kValue, "Random.below", "n must be positive");
        return r.next_below(n);
      },
      py::arg("n"), "One integer in [0, n), without bias.");
  cls.def("bits", &Random::next_u64, "One integer of 64 random bits.");
}

void def_state(py::class_<Random>& cls, py::handle type) {
  auto state = [](const Random& r) {
    py::dict out;
    out["key"] = r.key();
    out["counter"] = r.counter();
    return out;
  };
  cls.def("state_dict", state, "Where the stream stands: two integers.");
  cls.def(
      "load_state_dict",
      [](Random& r, py::object in) {
        r = Random(py::cast<std::uint64_t>(in["key"]),
                   py::cast<std::uint64_t>(in["counter"]));
      },
      py::arg("state"));
  cls.def("__reduce__", [type](const Random& r) {
    return py::make_tuple(type, py::make_tuple(r.key(), r.counter()));
  });
  cls.def("__eq__", [](const Random& a, py::object other) -> py::object {
    if (!py::isinstance<Random>(other))
      return py::reinterpret_borrow<py::object>(Py_NotImplemented);
    const auto& b = other.cast<const Random&>();
    return py::bool_(a.key() == b.key() && a.counter() == b.counter());
  });
  cls.attr("__hash__") =
      py::module_::import("builtins").attr("object").attr("__hash__");
  cls.def("__repr__", [](const Random& r) {
    return str("Random(key=", r.key(), ", counter=", r.counter(), ")");
  });
}

}  // namespace

void def_random(py::module_& m) {
  py::class_<Random> cls(
      m, "Random",
      "A counter-based stream of random numbers (Philox 4x32-10).\n\n"
      "Its whole state is two integers. Equal names under one seed give equal "
      "streams, and a new stream never shifts another.\n\n"
      ">>> a = pt.Random.named(0, 'crop')\n"
      ">>> bool((a.uniform(3) == pt.Random.named(0, "
      "'crop').uniform(3)).all())\n"
      "True");
  cls.attr("__module__") = "ptutils";
  cls.def(py::init<std::uint64_t, std::uint64_t>(), py::arg("key") = 0,
          py::arg("counter") = 0);
  cls.def_static(
      "named",
      [](std::uint64_t seed, const std::string& name) {
        return Random::named(seed, name);
      },
      py::arg("seed"), py::arg("name"), "The stream of that name.");
  cls.def("at", &Random::at, py::arg("a"), py::arg("b") = 0,
          "The stream of one item, as of sample b of epoch a.");
  cls.def_property_readonly("key", &Random::key);
  cls.def_property_readonly("counter", &Random::counter);
  def_draws(cls);
  def_state(cls, cls);
  m.def(
      "seed", [](std::uint64_t value) { seed(value); }, py::arg("value"),
      "Starts the process's default stream anew; initial weights and Dropout "
      "draw from it.\n\n"
      ">>> pt.seed(1); a = pt.ops.default_random().random()\n"
      ">>> pt.seed(1); a == pt.ops.default_random().random()\nTrue");
  m.def("default_random", &default_random, py::return_value_policy::reference,
        "The process's default stream. Not for several threads at once.\n\n"
        ">>> pt.seed(3)\n>>> pt.ops.default_random().below(1)\n0");
}

}  // namespace ptutils::bindings
