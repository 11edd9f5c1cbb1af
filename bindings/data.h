#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/typing.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "casters/child.h"
#include "casters/value.h"
#include "lifetime.h"
#include "ptutils/data/loader.h"

namespace ptutils::bindings {
namespace py = pybind11;

/// What the tensors of the samples were, once samples have been seen.
class SeenOrigin {
 public:
  void note(const Value& sample);
  Origin get() const { return seen_.load(std::memory_order_relaxed); }
  void set(Origin origin) { seen_.store(origin, std::memory_order_relaxed); }

 private:
  std::atomic<Origin> seen_{Origin::kNumpy};
};

/// Rethrows what the user's code raised in `what`. A StopIteration would
/// quietly end the loop that it comes out of: it is the cause of a WrongState
/// instead, as in a generator.
[[noreturn]] void rethrow_of_user(py::error_already_set& error,
                                  const std::string& what);
/// Calls the user's code under that rule.
template <class F>
auto of_user(const std::string& what, F&& call) {
  try {
    return call();
  } catch (py::error_already_set& error) {
    rethrow_of_user(error, what);
  }
}

/// What __len__ of the user's class gave; `what` is in the error of another
/// thing than a number of 64 bits.
std::int64_t length_of(py::handle given, const std::string& what);

/// The sample of a Python call; an exception gets the note "in sample 37".
Value python_sample(std::int64_t index, SeenOrigin& origin,
                    const std::function<py::object()>& get);
/// The samples that __getitems__ gives, collated.
Value python_batch(std::span<const std::int64_t> indices, SeenOrigin& origin,
                   const Value& reuse,
                   const std::function<py::object(const py::list&)>& get);

/// The samples of an iterable of Python's; their origin is noted in `origin`,
/// which outlives it.
std::unique_ptr<data::SampleStream> python_stream(const py::object& iterable,
                                                  SeenOrigin& origin);
/// Samples that Python gives one after another: any iterable, a function that
/// gives one; null for what has an index.
std::shared_ptr<data::Dataset> iterable_in(py::handle object);

/// A data set as it is; torch's, or any object with __len__ and __getitem__,
/// wrapped. TypeError names what is missing.
std::shared_ptr<data::Dataset> dataset_in(py::handle object,
                                          std::string_view where);
/// A sampler as it is; torch's, or any iterable of indices, wrapped.
std::shared_ptr<data::Sampler> sampler_in(py::handle object,
                                          std::string_view where);

/// A batch sampler as it is; torch's, or any iterable of lists of indices,
/// wrapped.
std::shared_ptr<data::BatchSampler> batch_sampler_in(py::handle object,
                                                     std::string_view where);

/// A worker_init_fn; the loader that has it shows it to the collector.
struct WorkerInit {
  std::shared_ptr<PyOpaque> function;
  void operator()(int worker) const;
};

/// The options of a loader out of keyword arguments, which are taken out of
/// `arguments`; torch's that mean something not done here, and unknown ones,
/// are errors.
data::DataLoader::Options loader_options(py::dict& arguments,
                                         std::string_view where);
/// The options as the keyword arguments that they were.
py::dict options_to_python(const data::DataLoader::Options& options);

/// Exceptions of Python as on_error="skip" logs them.
void install_error_text();

/// A sample that nobody else has: Python's code may work in place, and a data
/// set's own memory (a cache, a map, arrays) is not to change.
Value owned(Value sample);

/// A path as text: str or os.PathLike.
std::string path_in(py::handle given);
/// As os.fsdecode gives it: bytes that are not UTF-8 as surrogates.
py::str path_out(const std::string& path);
py::typing::List<py::str> paths_out(const std::vector<std::string>& paths);
/// Pillow, for pictures that are neither JPEG nor PNG.
void install_image_decoder();

void def_datasets(py::module_& m);
void def_iterable(py::module_& m);
void def_readers(py::module_& m);
void def_ready_made(py::module_& m);
void def_wrappers(py::module_& m);
void def_processes(py::module_& m);

/// A sample that Python made.
Value sample_in(py::handle given);

/// The data set whose batches worker processes make (ProcessHooks); `method`:
/// how they are started, "" being forkserver.
std::shared_ptr<data::Dataset> processes_of(
    const std::shared_ptr<data::Dataset>& dataset, int count,
    const py::object& collate, const py::object& init, bool batched,
    const std::string& method);

void def_samplers(py::module_& m);
void def_report(py::module_& m);
void def_loader(py::module_& m);
void def_provider(py::module_& m);

}  // namespace ptutils::bindings
