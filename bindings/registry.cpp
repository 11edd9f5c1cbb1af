#include "ptutils/module/registry.h"

#include <pybind11/stl.h>

#include "areas.h"
#include "casters/child.h"
#include "casters/function.h"
#include "casters/value.h"
#include "errors.h"
#include "gil.h"
#include "lifetime.h"
#include "ptutils/builtin.h"
#include "ptutils/module/configuration.h"

// Classes by name: Python's through ptutils.registry, ours through their Python
// types, so that every Module of this process has its Python side.

namespace ptutils::bindings {

namespace {

py::object python_registry() { return py::module_::import("ptutils.registry"); }

/// A built object in a configuration: a part, or whatever it is.
Value built_value(const py::object& object) {
  if (is_child(object)) return handle(child_in(object, "configuration"));
  return to_value(object);
}

class PythonClasses final : public ForeignClasses {
 public:
  bool shadows(const std::string& name, const BuildContext& context) override {
    Gil gil;
    return py::cast<bool>(
        python_registry().attr("shadows")(name, context.slot));
  }
  std::optional<Value> build(const std::string& name, const Dict& built,
                             const BuildContext& context) override {
    Gil gil;
    py::object found = python_registry().attr("build")(
        name, to_python(Value(built)), context.slot, child_out(context.net),
        context.trusted, context.path);
    if (found.is(python_registry().attr("NOT_FOUND"))) return std::nullopt;
    if (context.slot == "criterion")
      return handle(callable_in(found, context.path));
    return built_value(found);
  }
  std::vector<std::string> names(const std::string& slot) override {
    Gil gil;
    return py::cast<std::vector<std::string>>(
        python_registry().attr("names")(slot));
  }
};

/// An error of ours about an argument, at its place in the configuration.
[[noreturn]] void rethrow_at(py::error_already_set& error,
                             const Arguments& arguments) {
  py::handle ours = py::module_::import("ptutils._core").attr("Error").ptr();
  if (!error.matches(ours)) throw error;
  std::string text = py::str(error.value());
  std::string located = arguments.located(text);
  if (located == text) throw error;
  py::raise_from(error, error.type().ptr(), located.c_str());
  throw py::error_already_set();
}

/// The makers of our classes call their Python types from now on.
void replace_makers(const py::module_& m) {
  std::vector<std::string> names;
  for (const ClassInfo& info : registry().classes()) names.push_back(info.name);
  for (const std::string& name : names) {
    std::string bare = name.substr(name.rfind('.') + 1);
    if (!py::hasattr(m, bare.c_str())) continue;
    py::handle type = py::object(m.attr(bare.c_str())).release();  // for ever
    registry().replace_maker(name, [type](const Arguments& arguments) {
      Gil gil;
      py::dict keywords(to_python(Value(arguments.values())));
      try {
        py::object made = py::hasattr(type, "_from_arguments")
                              ? type.attr("_from_arguments")(**keywords)
                              : type(**keywords);
        return py::cast<ModulePtr>(made);
      } catch (py::error_already_set& error) {
        rethrow_at(error, arguments);
      }
    });
  }
}

}  // namespace

void def_registry(py::module_& m) {
  m.def(
      "configure",
      [](const Value& config, const std::string& path, const std::string& slot,
         const py::object& net, bool trusted) {
        BuildContext context;
        context.path = path;
        context.slot = slot;
        context.trusted = trusted;
        context.net = child_in(net, "net");
        return configure(config, context);
      },
      py::arg("config"), py::kw_only(), py::arg("path") = "configuration",
      py::arg("slot") = "", py::arg("net") = py::none(),
      py::arg("trusted") = true);
  // Of a class of ours: whether it takes arguments of these names.
  m.def("_check_arguments", [](const Value& config, const std::string& path,
                               const std::string& slot) {
    Dict arguments = config.as_dict(path);
    const Value* func = arguments.find("func");
    if (!func || !func->is_string()) return;
    const ClassInfo* info = registry().resolve(func->as_string(), slot);
    if (!info) return;
    arguments.erase("func");
    check_keys(arguments, info->parameters, path);
  });
  m.def("_check_keys",
        [](const Value& given, const std::vector<std::string>& known,
           const std::string& where) {
          check_keys(given.as_dict(where), known, where);
        });
  m.def("_compare", [](const Value& before, const Value& after) {
    py::list out;
    for (const Change& c : compare(before, after))
      out.append(py::make_tuple(c.path, to_python(c.before), to_python(c.after),
                                is_structural(c)));
    return out;
  });
  m.def("_finish_registry", [m] {
    register_builtin();
    replace_makers(m);
    registry().set_foreign(std::make_shared<PythonClasses>());
  });
}

}  // namespace ptutils::bindings
