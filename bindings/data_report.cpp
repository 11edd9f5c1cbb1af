#include <pybind11/stl.h>

#include "data.h"
#include "gil.h"

// What loaders say: their report, and the errors of samples left out.

namespace ptutils::bindings {

void def_report(py::module_& m) {
  using data::LoaderReport;
  py::class_<LoaderReport> cls(
      m, "LoaderReport",
      "Where a loader's time went. In seconds: making batches (all workers "
      "together; of it reading, decoding and transforming, where core readers "
      "and transforms make the samples; python: of the transforming, in "
      "functions, each call of which takes the interpreter's lock), the "
      "consumer waiting for batches and "
      "working between them. str() is a table, with advice where it waits for "
      "more than a fifth.");
  cls.attr("__module__") = "ptutils.data";
  cls.def_readonly("batches", &LoaderReport::batches)
      .def_readonly("samples", &LoaderReport::samples)
      .def_readonly("skipped", &LoaderReport::skipped)
      .def_readonly("workers", &LoaderReport::workers)
      .def_readonly("making", &LoaderReport::making)
      .def_readonly("reading", &LoaderReport::reading)
      .def_readonly("decoding", &LoaderReport::decoding)
      .def_readonly("transforming", &LoaderReport::transforming)
      .def_readonly("python", &LoaderReport::python)
      .def_readonly("waiting", &LoaderReport::waiting)
      .def_readonly("working", &LoaderReport::working)
      .def_readonly("advice", &LoaderReport::advice)
      .def_property_readonly("waiting_share", &LoaderReport::waiting_share)
      .def("__repr__", &LoaderReport::text);
}

void install_error_text() {
  data::set_error_text(
      [](const std::exception& error) -> std::optional<std::string> {
        const auto* python = dynamic_cast<const py::error_already_set*>(&error);
        if (!python) return error.what();
        Gil gil;
        if (!python->matches(PyExc_Exception) ||
            python->matches(PyExc_MemoryError))
          return {};
        const py::str text(python->value());
        return str(Py_TYPE(python->value().ptr())->tp_name, ": ",
                   std::string(py::bytes(
                       text.attr("encode")("utf-8", "backslashreplace"))));
      });
}

}  // namespace ptutils::bindings
