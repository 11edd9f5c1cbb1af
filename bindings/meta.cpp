#include <pybind11/stl.h>

#include <algorithm>

#include "areas.h"
#include "callbacks.h"
#include "casters/value.h"
#include "ptutils/common/names.h"
#include "ptutils/module/history.h"
#include "ptutils/module/statistic.h"
#include "ptutils/module/status.h"

// What a Module carries beside itself: Statistic, History, Status.

namespace ptutils::bindings {

namespace {

void def_statistic(py::module_& m) {
  py::class_<Statistic> cls(
      m, "Statistic",
      "Running mean, variance, smallest and largest of numbers, with counts of "
      "NaN and Inf, which enter nothing else. Mergeable across workers.\n\n"
      ">>> import ptutils as pt\n"
      ">>> s = pt.Statistic()\n"
      ">>> s.update(1.0); s.update(3.0)\n"
      ">>> s.mean, s.count\n"
      "(2.0, 2)\n");
  cls.attr("__module__") = "ptutils";
  cls.def(py::init<>());
  cls.def(
      "update",
      [](Statistic& self, const Value& value) {
        if (value.is_tensor())
          self.update(value.as_tensor());
        else
          self.update(value.as_double("Statistic.update"));
      },
      py::arg("value"), "A number, or every element of an array.");
  cls.def("merge", &Statistic::merge, py::arg("other"));
  cls.def_property_readonly("count", &Statistic::count);
  cls.def_property_readonly("nan_count", &Statistic::nan_count);
  cls.def_property_readonly("inf_count", &Statistic::inf_count);
  cls.def_property_readonly("mean", &Statistic::mean);
  cls.def_property_readonly("variance", &Statistic::variance);
  cls.def_property_readonly("std", &Statistic::std);
  cls.def_property_readonly("min", &Statistic::min);
  cls.def_property_readonly("max", &Statistic::max);
  cls.def_property_readonly("sum", &Statistic::sum);
  cls.def("state_dict", &Statistic::to_value);
  cls.def("load_state_dict", [](Statistic& self, const Value& v) {
    self = Statistic::from_value(v);
  });
  cls.def(py::pickle(
      [](const Statistic& s) { return to_python(s.to_value()); },
      [](const py::object& o) { return Statistic::from_value(to_value(o)); }));
  cls.def(
      "__eq__",
      [](const Statistic& a, const Statistic& b) {
        return a.to_value().identical(b.to_value());
      },
      py::is_operator());
  cls.def("__repr__", [](const Statistic& s) {
    return str("Statistic(count=", s.count(), ", mean=", s.mean(),
               ", std=", s.std(), ", min=", s.min(), ", max=", s.max(),
               ", nan=", s.nan_count(), ", inf=", s.inf_count(), ")");
  });
}

void def_history(py::module_& m) {
  py::class_<History, std::shared_ptr<History>> cls(
      m, "History",
      "Numbers by name as a function of step and epoch, keyed by (attempt, "
      "step): reads show the current line, branches=True the abandoned ones.");
  cls.attr("__module__") = "ptutils";
  cls.def(py::init<>());
  cls.def(
      "log",
      [](History& self, const std::string& name, double value,
         std::int64_t step, std::int64_t epoch, std::int64_t attempt,
         double time) {
        self.log(name, {attempt, step, epoch, time, value});
      },
      py::arg("name"), py::arg("value"), py::kw_only(), py::arg("step"),
      py::arg("epoch") = 0, py::arg("attempt") = 0, py::arg("time") = 0.0);
  cls.def("begin_attempt", &History::begin_attempt, py::arg("attempt"),
          py::arg("step"));
  cls.def("names", &History::names, py::arg("glob") = "*");
  cls.def(
      "last",
      [](const History& self, const std::string& name) {
        const auto known = self.names();
        if (std::find(known.begin(), known.end(), name) == known.end())
          fail(Kind::kKey, "History.last", "no metric '", name, "'",
               known.empty() ? "; it has none" : did_you_mean(name, known));
        return self.last(name);
      },
      py::arg("name"),
      "The last value on the current line; NaN where it has none.");
  cls.def(
      "records",
      [](const History& self, const std::string& name, bool branches) {
        py::list out;
        for (const auto& r : self.records(name, branches)) {
          py::dict one;
          one["attempt"] = r.attempt;
          one["step"] = r.step;
          one["epoch"] = r.epoch;
          one["time"] = r.time;
          one["value"] = r.value;
          out.append(one);
        }
        return out;
      },
      py::arg("name"), py::arg("branches") = false,
      "A list of {attempt, step, epoch, time, value}, in order of step.");
  cls.def("state_dict", &History::to_value);
  cls.def_static("from_state", &History::from_value);
  cls.def(py::pickle([](const History& h) { return to_python(h.to_value()); },
                     [](const py::object& o) {
                       return std::make_shared<History>(
                           History::from_value(to_value(o)));
                     }));
  cls.def("__eq__", &History::equal, py::is_operator());
  cls.def("__len__", [](const History& h) { return h.names().size(); });
  cls.def("__repr__", [](const History& h) {
    std::string out = "History(";
    for (const std::string& name : h.names()) {
      if (out.back() != '(') out += ", ";
      out += name;
    }
    return out + ")";
  });
}

void def_status(py::module_& m) {
  py::class_<Status> cls(
      m, "Status",
      "Where a run stands: state, outcome, kind, and its progress.");
  cls.attr("__module__") = "ptutils";
  auto word = [](const char* key) {
    return [key](const Status& s) { return s.to_value().as_dict().at(key); };
  };
  for (const char* name : {"state", "outcome", "kind"})
    cls.def_property_readonly(name, word(name));
  cls.def_readonly("attempt", &Status::attempt);
  cls.def_readonly("reason", &Status::reason);
  cls.def_readonly("stage", &Status::stage);
  cls.def_readonly("step", &Status::step);
  cls.def_readonly("epoch", &Status::epoch);
  cls.def_readonly("total_steps", &Status::total_steps);
  cls.def_readonly("seconds", &Status::seconds);
  cls.def_readonly("eta", &Status::eta);
  cls.def_readonly("heartbeat", &Status::heartbeat);
  cls.def_readonly("host", &Status::host);
  cls.def_readonly("where", &Status::where);
  cls.def_readonly("exception", &Status::exception);
  cls.def_property_readonly("pid",
                            [](const Status& s) { return s.process.pid; });
  cls.def_property_readonly("lost", &Status::lost);
  cls.def_property_readonly("percent", &Status::percent);
  cls.def_property_readonly("column", &Status::column);
  cls.def("to_dict", &Status::to_value);
  cls.def("__str__", &Status::summary);
  cls.def("__repr__",
          [](const Status& s) { return "Status(" + s.summary() + ")"; });
}

}  // namespace

void def_meta(py::module_& m) {
  def_statistic(m);
  def_history(m);
  def_status(m);
}

void def_module(py::module_& m) {
  def_module_class(m);
  def_callbacks(m, m.attr("Module"));
  def_meta(m);
}

}  // namespace ptutils::bindings
