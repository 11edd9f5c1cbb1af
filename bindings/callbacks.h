#pragma once

#include <map>
#include <string>
#include <vector>

#include "lifetime.h"

namespace ptutils::bindings {

/// How a Python handler is called: by name, with what its signature takes
/// (looked at once); the rest is dropped. What it needs and the trigger does
/// not offer is an error that names what there is.
class HandlerCall {
 public:
  explicit HandlerCall(py::handle function);
  void operator()(py::handle function, const Event& event) const;

 private:
  void require_offered(const py::dict& keywords, const Event& event) const;

  std::vector<std::string> names_;
  std::vector<std::string> needed_;  // those without a default
  bool all_ = false;                 // has **kwargs
};

class PyCallback : public PyModule<Callback> {
 public:
  using PyModule::PyModule;
  std::vector<std::string> triggers() const override;
  void handle(const Event& event) override;

 private:
  std::map<std::string, HandlerCall> calls_;
};

void def_module_class(py::module_& m);
void def_callbacks(py::module_& m, py::handle module_class);
void def_meta(py::module_& m);  // Statistic, History, Status

}  // namespace ptutils::bindings
