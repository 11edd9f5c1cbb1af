#pragma once

#include <optional>
#include <utility>

#include "data.h"
#include "ptutils/common/log.h"
#include "py_loader.h"

namespace ptutils::bindings {

/// A DataLoader as Python iterates over it, with what is Python's of it.
class PyDataLoader final : public PyLoaderBase<data::DataLoader>,
                           public PyReferences {
 public:
  using PyLoaderBase::PyLoaderBase;
  void load_partial(const Value& state) override {
    given_.reset();
    PyLoaderBase::load_partial(state);
  }

  /// Begins an epoch, or goes on where a state was loaded.
  std::uint64_t begin() {
    auto now = position();
    if (given_ == now && now.second > 0) set_position(now.first + 1, 0);
    given_.reset();
    return ++iterations_;
  }
  py::object take(Pass& pass) {
    if (InCore::too_late())
      fail(Kind::kState, "DataLoader", "the process ends");
    InCore call(*this);
    Value out;
    bool more = false;
    const py::object generators = before_first();
    {
      py::gil_scoped_release release;
      more = data::DataLoader::next_of(pass, out);
    }
    if (generators) after_first(generators);
    if (!more) {
      if (pass.ended) given_.reset();
      throw py::stop_iteration();
    }
    given_ = position();
    if (!options().batched) out = owned(std::move(out));
    py::object batch = bindings::to_python(out);
    if (mover.is_none()) return batch;
    return mover(batch);
  }
  std::uint64_t iterations() const { return iterations_; }

  int visit_references(visitproc visit, void* arg) override {
    if (collate) Py_VISIT(collate->object());
    Py_VISIT(mover.ptr());
    if (const auto* init = options().worker_init.target<WorkerInit>())
      Py_VISIT(init->function->object());
    return 0;
  }
  void clear_references() override {
    if (options().worker_init) set_worker_init(nullptr);
    if (!collate) return;
    set_collate(nullptr);
    collate.reset();
  }

  std::shared_ptr<PyOpaque> collate;  // collate_fn
  py::object mover = py::none();      // to page-locked memory, to a device

 private:
  /// The first batch that Python makes in a thread, for which this one waits:
  /// where its generators stand. Empty: of no interest.
  py::object before_first() {
    const auto& o = options();
    const bool here = o.num_workers.value_or(0) == 0 || o.workers != "thread";
    if (std::exchange(looked_, true) || here) return {};
    if (!collate && !dataset()->is_python()) return {};
    return global_state();
  }
  static void after_first(const py::object& generators) {
    if (!generators.equal(global_state()))
      log::warning(
          "DataLoader: Python makes its batches in threads, and draws from a "
          "generator that others draw from too (Python's, NumPy's or torch's): "
          "such a run does not repeat. workers='process' seeds each batch, "
          "num_workers=0 draws in order");
  }
  static py::object global_state() {
    return py::module_::import("ptutils.streams").attr("global_state")();
  }

  std::optional<std::pair<std::int64_t, std::int64_t>> given_;
  std::uint64_t iterations_ = 0;
  bool looked_ = false;
};

}  // namespace ptutils::bindings
