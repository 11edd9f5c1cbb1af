#pragma once

#include "casters/value.h"
#include "data.h"
#include "gil.h"
#include "lifetime.h"

namespace ptutils::bindings {
namespace py = pybind11;

bool is_torch_dataset(py::handle object);
/// Of a source that is no data set of ours; Kind::kState where it was built
/// from no configuration.
Value config_of_source(py::handle source);
/// A Python thread state could not be had any more: Kind::kState.
void check_running();
/// The index of a sample; one beyond 64 bits is out of bounds too.
std::int64_t index_in(const py::object& index, const data::Dataset& dataset);
/// The range of indices that a slice means.
py::object samples_of(const py::object& slice, std::int64_t size);

/// `Base` as Python extends it.
template <class Base>
class PyDataset : public PyModule<Base> {
 public:
  using PyModule<Base>::PyModule;

  std::int64_t size() const override {
    if (!this->overrides(Method::kLen)) return Base::size();
    Gil gil;
    return of_user("Dataset.__len__",
                   [&] { return this->int_from_python(Method::kLen); });
  }

  Value get(std::int64_t index, Random random) override {
    if (!this->overrides(Method::kGetItem)) return Base::get(index, random);
    check_running();
    Gil gil;
    return python_sample(index, origin_, [&] {
      return this->call_python(Method::kGetItem, index);
    });
  }

  Value get_batch(std::span<const std::int64_t> indices,
                  const std::vector<Random>& random,
                  const Value& reuse) override {
    if (this->overrides(Method::kGetItems)) {
      check_running();
      Gil gil;
      return python_batch(indices, origin_, reuse, [&](const py::list& list) {
        return this->call_python(Method::kGetItems, list);
      });
    }
    if (this->overrides(Method::kGetItem))
      return this->get_each(indices, random, reuse);
    return Base::get_batch(indices, random, reuse);
  }

  bool is_iterable() const override {
    return Base::is_iterable() ||
           (this->overrides(Method::kIterate) && !overridden());
  }
  std::unique_ptr<data::SampleStream> iterate(const Random& stream,
                                              std::int64_t epoch) override {
    if (!this->overrides(Method::kIterate)) return Base::iterate(stream, epoch);
    check_running();
    Gil gil;
    return of_user("Dataset.__iter__", [&] {
      return python_stream(this->call_python(Method::kIterate), origin_);
    });
  }

  bool draws_random() const override {
    return !overridden() && Base::draws_random();
  }
  bool is_python() const override {
    return overridden() || this->overrides(Method::kIterate) ||
           Base::is_python();
  }
  Origin origin() const override {
    if (!overridden() && !this->overrides(Method::kIterate))
      return Base::origin();
    if (!looked_) {
      Gil gil;
      if (is_torch_dataset(this->self())) origin_.set(Origin::kTorch);
      looked_ = true;
    }
    return origin_.get();
  }

 private:
  bool overridden() const {
    return this->overrides(Method::kGetItem) ||
           this->overrides(Method::kGetItems);
  }
  mutable SeenOrigin origin_;
  mutable std::atomic<bool> looked_{false};
};

/// The stream of a sample that no loader asks for: of torch's generator where
/// torch is there (its workers' differ), else of the default one.
Random stream_outside(data::Dataset& dataset);

/// __len__ and __getitem__ of a class of ours.
template <class T, class Class>
void def_get(Class& cls) {
  cls.def("__len__", [](T& self) { return self.T::size(); });
  cls.def("__getitem__", [](T& self, const py::object& index) -> py::object {
    auto get = [&](std::int64_t i) {
      Value sample = self.T::get(i, stream_outside(self));
      // Arrays in memory are the user's own: views of them, as torch's.
      if constexpr (std::is_same_v<T, data::ArrayDataset>)
        return bindings::to_python(sample);
      else
        return bindings::to_python(owned(std::move(sample)));
    };
    if (!PySlice_Check(index.ptr())) return get(index_in(index, self));
    py::list out;
    for (py::handle each : samples_of(index, self.T::size()))
      out.append(get(py::cast<std::int64_t>(each)));
    return out;
  });
}

}  // namespace ptutils::bindings
