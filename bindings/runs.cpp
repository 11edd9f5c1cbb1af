#include "ptutils/session/runs.h"

#include <pybind11/stl.h>

#include "areas.h"
#include "casters/child.h"
#include "casters/value.h"
#include "database.h"
#include "errors.h"
#include "ptutils/database/sqlite.h"
#include "ptutils/formats/yaml_text.h"
#include "ptutils/module/configuration.h"
#include "ptutils/session/settings.h"

// Runs read back from a database. How they are shown is Python's
// (ptutils/runs.py); here is what a record says.

namespace ptutils::bindings {

namespace {

/// What the database does is done without the GIL.
template <class F>
auto reading(F&& body) {
  py::gil_scoped_release release;
  return body();
}

At at_of(const std::string& word, const Run& run) {
  if (word == "last") return At::kLast;
  if (word == "best") return At::kBest;
  fail(Kind::kValue, run.exp_id(), "at is 'last' or 'best', not '", word, "'");
}

Value attempts(const Run& run) {
  List out;
  for (const Attempt& a : run.record().attempts)
    out.items.push_back(Value(Dict{{"attempt", Value(a.attempt)},
                                   {"from_step", Value(a.from_step)},
                                   {"kind", Value(a.kind)},
                                   {"started", Value(a.started)}}));
  return Value(std::move(out));
}

Value checkpoints(const Run& run) {
  List out;
  for (const CheckpointInfo& c : run.checkpoints())
    out.items.push_back(Value(Dict{{"id", Value(c.id)},
                                   {"attempt", Value(c.attempt)},
                                   {"step", Value(c.step)},
                                   {"time", Value(c.time)}}));
  return Value(std::move(out));
}

void def_run(py::module_& m) {
  py::class_<Run> cls(m, "Run", "The record of one run, as it was read.");
  cls.def_property_readonly("exp_id", &Run::exp_id);
  cls.def_property_readonly("status", &Run::status);
  cls.def_property_readonly("config", &Run::config);
  cls.def_property_readonly(
      "edits", [](const Run& r) { return Value(r.record().edits); });
  cls.def_property_readonly("attempts", &attempts);
  cls.def_property_readonly("best",
                            [](const Run& r) { return r.record().best; });
  cls.def_property_readonly("latest",
                            [](const Run& r) { return r.record().latest; });
  cls.def_property_readonly("created",
                            [](const Run& r) { return r.record().created; });
  cls.def_property_readonly("parent",
                            [](const Run& r) { return r.record().parent; });
  cls.def("metadata", [](const Run& r) {
    List all;
    all.items = reading([&] { return r.metadata(); });
    return Value(std::move(all));
  });
  cls.def("history", [](const Run& r) {
    return reading([&] { return std::make_shared<History>(r.history()); });
  });
  cls.def("checkpoints",
          [](const Run& r) { return reading([&] { return checkpoints(r); }); });
  cls.def("state", [](const Run& r, const std::string& at) {
    At which = at_of(at, r);
    return reading([&] { return r.state(which); });
  });
  cls.def("load",
          [](const Run& r, const std::string& path, const std::string& at,
             const py::object& net, bool trusted) {
            At which = at_of(at, r);
            ModulePtr into = child_in(net, "net");
            return child_out(
                reading([&] { return r.load(path, which, trusted, into); }));
          });
  cls.def("diff", &Run::diff);
}

/// Bytes by exp_id: documents and the arrays that they use. Empty where the
/// database cannot say.
Value sizes(const Runs& runs) {
  constexpr const char* kQuery = R"sql(
    SELECT exp_id, SUM(bytes) AS bytes FROM (
      SELECT exp_id, SUM(LENGTH(CAST(skeleton AS BLOB))) AS bytes
      FROM documents WHERE typeof(exp_id) = 'text' GROUP BY exp_id
      UNION ALL
      SELECT used.exp_id, SUM(blobs.size) FROM (
        SELECT DISTINCT documents.exp_id, tensors.blob FROM tensors
        JOIN documents ON documents.seq = tensors.document
        WHERE tensors.blob IS NOT NULL
          AND typeof(documents.exp_id) = 'text') AS used
      JOIN blobs ON blobs.id = used.blob GROUP BY used.exp_id)
    GROUP BY exp_id)sql";
  Dict out;
  auto* sqlite = dynamic_cast<SQLiteInterface*>(&runs.db());
  if (!sqlite) return Value(std::move(out));
  const Value rows = sqlite->execute(kQuery);
  for (const Value& row : rows.as_list().items) {
    const Dict& d = row.as_dict();
    out.set(d.at("exp_id").as_string(), d.at("bytes"));
  }
  return Value(std::move(out));
}

void def_runs_class(py::module_& m) {
  py::class_<Runs> cls(m, "Runs", "The runs of a database.");
  cls.def(py::init([](const py::object& database) {
    if (PyUnicode_Check(database.ptr())) {
      std::string location = py::cast<std::string>(database);
      return reading([&] { return open(location); });
    }
    if (!py::isinstance<DBInterface>(database))
      fail(Kind::kType, "open", "takes a path or a DBInterface, not ",
           with_article(database));
    return Runs(py::cast<std::shared_ptr<DBInterface>>(database));
  }));
  cls.def("get", [](const Runs& runs, const std::string& exp_id) {
    return reading([&] { return runs[exp_id]; });
  });
  cls.def("match", [](const Runs& runs, const std::string& glob) {
    return reading([&] { return runs.match(glob); });
  });
  cls.def("find", [](const Runs& runs, const py::object& query) {
    Value wanted = query_of(query, {});
    return reading([&] { return runs.find(wanted); });
  });
  cls.def("sizes", [](const Runs& runs) {
    return reading([&] { return sizes(runs); });
  });
  cls.def_property_readonly(
      "location", [](const Runs& runs) { return runs.db().location(); });
  cls.def("close",
          [](const Runs& runs) { reading([&] { runs.db().close(); }); });
}

/// Records of one name as columns of raw numbers (f64 or i64), so that a frame
/// of many of them costs no Python object each.
py::dict history_columns(const History& history, const std::string& name,
                         bool branches) {
  std::vector<std::int64_t> attempt, step, epoch;
  std::vector<double> time, value;
  for (const History::Record& r : history.records(name, branches)) {
    attempt.push_back(r.attempt);
    step.push_back(r.step);
    epoch.push_back(r.epoch);
    time.push_back(r.time);
    value.push_back(r.value);
  }
  py::dict out;
  auto put = [&out](const char* key, const auto& column) {
    out[key] = py::bytes(reinterpret_cast<const char*>(column.data()),
                         column.size() * sizeof(column[0]));
  };
  put("attempt", attempt);
  put("step", step);
  put("epoch", epoch);
  put("time", time);
  put("value", value);
  return out;
}

}  // namespace

void def_runs(py::module_& m) {
  def_run(m);
  def_runs_class(m);
  m.def("_history_columns", &history_columns);
  m.def("_format_duration", &format_duration);
  m.def("_check_settings",
        [](const Value& train, const Value& validation, const Value& save) {
          SessionSettings::read(train, validation, save);
        });
  m.def("_apply_override", [](Value config, const std::string& assignment) {
    apply_override(config, assignment, parse_scalar);
    return config;
  });
  m.def("_is_best_large", &is_best_large);
}

}  // namespace ptutils::bindings
