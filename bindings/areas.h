#pragma once

#include <pybind11/pybind11.h>

/// One function an area; module.cpp calls them in order of level.
namespace ptutils::bindings {
namespace py = pybind11;

void def_gil();                     // forks and the lock
void def_common(py::module_& m);    // errors, log, threads, shutdown
void def_tensor(py::module_& m);    // Tensor, ops, random, dtypes
void def_module(py::module_& m);    // Module, Callback(s), Statistic, …
void def_registry(py::module_& m);  // configure, classes by name
void def_formats(py::module_& m);   // read, save
void def_nn(py::module_& m);        // Variable, layers, optimizers
void def_data(py::module_& m);      // Dataset, Sampler, DataLoader, …
void def_database(py::module_& m);  // DBInterface, SQLiteInterface
void def_model(py::module_& m);     // Model
void def_session(py::module_& m);   // Session, …
void def_streams(py::module_& m);   // random streams of other libraries
void def_runs(py::module_& m);      // runs read back

/// Last: a call that was refused for its arguments says what was wrong with
/// them (python/ptutils/arguments.py).
void explain_calls(py::module_& m);

}  // namespace ptutils::bindings
