#include <pybind11/stl.h>

#include "casters/value.h"
#include "data.h"
#include "data_samplers.h"
#include "errors.h"
#include "gil.h"
#include "nn.h"

// Batch samplers.

namespace ptutils::bindings {

namespace {

using data::BatchSampler;

/// Lists of indices, as the core has batches.
data::Batches batches_in(py::handle given, const std::string& who) {
  py::tuple flat = py::module_::import("ptutils.data._samplers")
                       .attr("flattened")(given, who);
  data::Batches out;
  out.order = indices_in(flat[0], who);
  out.ends = py::cast<std::vector<std::int64_t>>(flat[1]);
  return out;
}

template <class Base>
class PyBatchSampler : public PyModule<Base> {
 public:
  using PyModule<Base>::PyModule;
  std::int64_t count(std::int64_t n) const override {
    if (!this->overrides(Method::kLen))
      return this->overrides(Method::kBatches) ? -1 : Base::count(n);
    Gil gil;
    return of_user("BatchSampler.__len__",
                   [&] { return this->int_from_python(Method::kLen); });
  }
  data::Batches batches(std::int64_t n, std::uint64_t seed,
                        std::int64_t epoch) override {
    if (!this->overrides(Method::kBatches)) {
      if constexpr (std::is_abstract_v<Base>)
        fail(Kind::kNotImplemented, this->class_name(),
             "defines no batches(self, n, seed, epoch)");
      else
        return Base::batches(n, seed, epoch);
    }
    Gil gil;
    return of_user("BatchSampler.batches", [&] {
      return batches_in(this->call_python(Method::kBatches, n, seed, epoch),
                        this->class_name());
    });
  }
};

/// torch's batch sampler, or any iterable of lists of indices.
class WrappedBatchSampler final : public BatchSampler, public PyHolder {
 public:
  explicit WrappedBatchSampler(py::object object)
      : PyHolder(std::move(object)) {}
  std::string class_name() const override {
    Gil gil;
    return sampler_name(object());
  }
  std::int64_t count(std::int64_t) const override {
    Gil gil;
    if (!py::hasattr(handle(), "__len__")) return -1;
    return of_user("BatchSampler.__len__", [&] {
      return length_of(handle().attr("__len__")(), "BatchSampler.__len__");
    });
  }
  data::Batches batches(std::int64_t, std::uint64_t seed,
                        std::int64_t epoch) override {
    Gil gil;
    return of_user("BatchSampler.__iter__", [&] {
      return batches_in(py::module_::import("ptutils.data._samplers")
                            .attr("batches")(handle(), seed, epoch),
                        class_name());
    });
  }
};

}  // namespace

std::shared_ptr<BatchSampler> batch_sampler_in(py::handle object,
                                               std::string_view where) {
  if (object.is_none()) return nullptr;
  if (py::isinstance<BatchSampler>(object))
    return py::cast<std::shared_ptr<BatchSampler>>(object);
  if (py::isinstance<data::Sampler>(object))
    fail(Kind::kType, where, "batch_sampler is a ",
         Py_TYPE(object.ptr())->tp_name, ": give it as sampler=");
  check_iterable(object, where, "batch_sampler", "BatchSampler",
                 "lists of indices");
  return std::make_shared<WrappedBatchSampler>(
      py::reinterpret_borrow<py::object>(object));
}

py::list lists_of(const data::Batches& batches) {
  py::list out;
  std::int64_t begin = 0;
  const Tensor all = batches.order.tensor();
  for (std::int64_t end : batches.ends) {
    py::list batch;
    for (; begin < end; ++begin) batch.append(all.data<std::int64_t>()[begin]);
    out.append(batch);
  }
  return out;
}

static void def_buckets(py::module_& m) {
  using data::BucketBatchSampler;
  bind_module<BucketBatchSampler, BatchSampler,
              PyBatchSampler<BucketBatchSampler>, false>(
      m, "BucketBatchSampler", "ptutils.data",
      "Batches of samples of similar length, so that little of them is "
      "padding: shuffles the samples, sorts each `window` batches by length, "
      "cuts them into batches and shuffles those (Khomenko et al., "
      "Accelerating recurrent neural network training using sequence bucketing "
      "and multi-GPU data parallelization, 2016). lengths: one for each "
      "sample.\n\n"
      ">>> from ptutils.data import BucketBatchSampler\n"
      ">>> sampler = BucketBatchSampler([5, 1, 5, 1], batch_size=2)\n"
      ">>> sorted(sorted(batch) for batch in sampler.batches(4))\n"
      "[[0, 2], [1, 3]]")
      .def(py::init([](const py::object& lengths, std::int64_t batch_size,
                       bool shuffle, bool drop_last, std::int64_t window) {
             return new PyBatchSampler<BucketBatchSampler>(
                 BucketBatchSampler::Options{
                     floats_in(lengths, "BucketBatchSampler: lengths"),
                     batch_size, shuffle, drop_last, window});
           }),
           py::arg("lengths"), py::arg("batch_size"), py::arg("shuffle") = true,
           py::arg("drop_last") = false, py::arg("window") = 100)
      .def(
          "batches",
          [](BucketBatchSampler& self, std::int64_t n, std::uint64_t seed,
             std::int64_t epoch) {
            return lists_of(self.BucketBatchSampler::batches(n, seed, epoch));
          },
          py::arg("n"), py::arg("seed") = 0, py::arg("epoch") = 0)
      .def("__len__",
           [](const BucketBatchSampler& self) {
             return self.BucketBatchSampler::count(
                 self.options().lengths.numel());
           })
      .def("_constructor", [](const BucketBatchSampler& self) {
        const auto& o = self.options();
        return py::dict(py::arg("lengths") = tensor_to_numpy(o.lengths),
                        py::arg("batch_size") = o.batch_size,
                        py::arg("shuffle") = o.shuffle,
                        py::arg("drop_last") = o.drop_last,
                        py::arg("window") = o.window);
      });
}

void def_batch_samplers(py::module_& m) {
  auto cls =
      bind_module<BatchSampler, Module, PyBatchSampler<BatchSampler>, true>(
          m, "BatchSampler", "ptutils.data",
          "Which samples make each batch of an epoch. A subclass defines "
          "batches(n, "
          "seed, epoch) -> lists of indices, a function of these alone, and "
          "__len__ where that is cheaper than to make them.\n\n"
          ">>> from ptutils.data import BatchSampler, DataLoader\n"
          ">>> class Growing(BatchSampler):\n"
          "...     def batches(self, n, seed, epoch):\n"
          "...         return [[0], [1, 2], [3, 4, 5]]\n"
          ">>> [batch.tolist() for batch in DataLoader(range(6), "
          "batch_sampler=Growing())]\n"
          "[[0], [1, 2], [3, 4, 5]]");
  cls.def(
      "batches",
      [](BatchSampler& self, std::int64_t, std::uint64_t,
         std::int64_t) -> py::list {
        fail(Kind::kNotImplemented, self.class_name(),
             "defines no batches(self, n, seed, epoch)");
      },
      py::arg("n"), py::arg("seed") = 0, py::arg("epoch") = 0);
  def_buckets(m);
}

}  // namespace ptutils::bindings
