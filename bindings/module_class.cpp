#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include "areas.h"
#include "attributes.h"
#include "casters/function.h"
#include "casters/value.h"
#include "errors.h"
#include "lifetime.h"
#include "ptutils/module/module.h"

// Module: the base class, and how one is copied and pickled.

namespace ptutils::bindings {

namespace {

std::string name_in(py::handle name, const char* what) {
  if (!PyUnicode_Check(name.ptr()))
    fail(Kind::kType, "load_state_dict", what, ": names are text, not ",
         with_article(name));
  return py::cast<std::string>(name);
}

std::vector<std::string> names_in(py::handle only) {
  if (!py::hasattr(only, "__iter__") || PyBytes_Check(only.ptr()))
    fail(Kind::kType, "load_state_dict",
         "only is a list of names and globs, or a regular expression, not ",
         with_article(only));
  std::vector<std::string> out;
  for (py::handle name : only) out.push_back(name_in(name, "only"));
  return out;
}

/// re.compile(…): Python's own expressions, flags and all.
void take_pattern(const py::object& pattern, LoadOptions& out) {
  name_in(pattern.attr("pattern"), "only");
  out.only_if = [search = pattern.attr("search")](const std::string& name) {
    return !search(name).is_none();
  };
}

Remap remap_in(const py::object& remap) {
  if (!PyDict_Check(remap.ptr()))
    fail(Kind::kType, "load_state_dict",
         "remap is a dict {old: new} or 'suggested', not ",
         with_article(remap));
  Remap out;
  for (auto [from, to] : py::reinterpret_borrow<py::dict>(remap))
    out.emplace_back(name_in(from, "remap"), name_in(to, "remap"));
  return out;
}

LoadOptions load_options(const py::object& only, const py::object& remap,
                         bool strict, bool cast) {
  LoadOptions out;
  out.strict = strict;
  out.cast = cast;
  if (PyUnicode_Check(only.ptr())) {
    out.only_regex = py::cast<std::string>(only);
  } else if (py::hasattr(only, "pattern")) {
    take_pattern(only, out);
  } else if (!only.is_none()) {
    out.only_names = names_in(only);
  }
  out.suggested = PyUnicode_Check(remap.ptr()) &&
                  py::cast<std::string>(remap) == "suggested";
  if (!out.suggested && !remap.is_none()) out.remap = remap_in(remap);
  return out;
}

/// The C++ fields of a Module as Python objects, and back: for pickle and copy.
class FieldReader final : public Fields {
 public:
  void child(std::string_view name, ChildSlot& slot) override {
    out[py::str(std::string(name))] = child_out(slot.share());
  }
  void value(std::string_view name, ValueSlot& slot) override {
    out[py::str(std::string(name))] = to_python(slot.get().clone());
  }
  py::dict out;
};
class FieldWriter final : public Fields {
 public:
  explicit FieldWriter(py::dict in) : in_(std::move(in)) {}
  void child(std::string_view name, ChildSlot& slot) override {
    py::str key{std::string(name)};
    if (!in_.contains(key)) return;
    // What the constructor took stays, also where only it knows what to make of
    // it (a function as a transform).
    if (child_out(slot.share()).is(in_[key])) return;
    slot.set(callable_in(in_[key], name));
  }
  void value(std::string_view name, ValueSlot& slot) override {
    py::str key{std::string(name)};
    if (in_.contains(key)) slot.set(to_value(in_[key], std::string(name)));
  }

 private:
  py::dict in_;
};

/// The nearest class of ours in the method resolution order.
py::object native_base(py::handle type) {
  for (py::handle base : type.attr("__mro__"))
    if (is_native_type(reinterpret_cast<PyTypeObject*>(base.ptr())))
      return py::reinterpret_borrow<py::object>(base);
  return py::none();
}

/// What a user's class defines of pickle's two methods, else None.
py::object own_method(py::handle type, const char* name, py::handle base) {
  py::object none = py::none();
  py::object found = py::getattr(type, name, none);
  return found.is(py::getattr(base, name, none)) ? none : found;
}

/// The part of the state that is not Python's attributes.
py::tuple native_state(py::handle self) {
  auto& module = py::cast<Module&>(self);
  FieldReader reader;
  module.fields(reader);
  py::object extra = py::getattr(self, "_extra_state", py::none());
  if (!extra.is_none()) extra = extra();
  return py::make_tuple(reader.out, extra, module.training());
}

void set_native_state(py::handle self, py::handle state) {
  auto parts = py::cast<py::tuple>(state);
  auto& module = py::cast<Module&>(self);
  FieldWriter writer{py::cast<py::dict>(parts[0])};
  module.fields(writer);
  if (!parts[1].is_none()) self.attr("_set_extra_state")(parts[1]);
  module.set_training(py::cast<bool>(parts[2]));
}

/// An instance with its C++ part and nothing else; __init__ of the user's class
/// does not run.
py::object rebuild(py::handle type, py::handle arguments, py::handle native) {
  py::object self = type.attr("__new__")(type);
  py::object base = native_base(type);
  base.attr("__init__")(self, **py::cast<py::dict>(arguments));
  if (!native.is_none()) set_native_state(self, native);
  return self;
}

/// A class's own __getstate__ says what its attributes are; where it has
/// __setstate__ too, that gets them as pickle would give them.
py::tuple reduced_with(py::handle self, const py::object& arguments,
                       const py::tuple& native) {
  py::object type = py::type::of(self);
  py::object object = py::module_::import("builtins").attr("object");
  const bool gives = !own_method(type, "__getstate__", object).is_none();
  const bool takes =
      !own_method(type, "__setstate__", py::type::of<Module>()).is_none();
  py::object attributes =
      gives ? self.attr("__getstate__")() : attributes_of(self);
  py::object of = py::module_::import("ptutils.module").attr("rebuild");
  if (takes)
    return py::make_tuple(of, py::make_tuple(type, arguments, native),
                          attributes);
  if (!PyDict_Check(attributes.ptr()))
    fail(Kind::kType, py::cast<std::string>(type.attr("__name__")),
         "__getstate__ gives ", with_article(attributes),
         ", which takes a __setstate__ too; give a dict of attributes");
  return py::make_tuple(of, py::make_tuple(type, arguments),
                        py::make_tuple(native, attributes));
}

py::tuple reduce(py::handle self) {
  const py::object arguments = py::hasattr(self, "_constructor")
                                   ? self.attr("_constructor")()
                                   : py::object(py::dict());
  return reduced_with(self, arguments, native_state(self));
}

void set_state(py::handle self, py::handle state) {
  if (PyDict_Check(state.ptr()))  // super().__setstate__ of a user's class
    return set_attributes(self, py::cast<py::dict>(state));
  if (!PyTuple_Check(state.ptr()) || py::len(state) != 2)
    fail(Kind::kFormat, "pickle", "not the state of a ptutils.Module");
  auto parts = py::cast<py::tuple>(state);
  set_attributes(self, parts[1]);
  set_native_state(self, parts[0]);
}

py::object arguments_of(const py::args& args, const py::kwargs& kwargs) {
  if (!kwargs.empty())
    fail(Kind::kType, "Module",
         "this class is called with positional "
         "arguments, not with '",
         std::string(py::str(kwargs.begin()->first)), "='");
  if (args.size() == 1 && !PyTuple_Check(args[0].ptr()))
    return py::reinterpret_borrow<py::object>(args[0]);
  return args;
}

void def_state(py::classh<Module, PyModule<Module>>& cls) {
  auto state_dict = [](Module& self, bool copy) {
    direct(self, Method::kStateDict);
    return self.state_dict(copy);
  };
  auto load = [](Module& self, const Value& state, const py::object& only,
                 const py::object& remap, bool strict, bool cast) {
    LoadOptions options = load_options(only, remap, strict, cast);
    Loaded left;
    if (options.whole()) {
      direct(self, Method::kLoadStateDict);
      self.load_state_dict(state);
    } else {
      PySelf::LoadsHere here(dynamic_cast<PySelf*>(&self));
      left = self.load_state_dict(state, options);
    }
    return py::module_::import("ptutils.module")
        .attr("Loaded")(left.missing, left.unexpected);
  };
  const char* load_doc =
      "Back to exactly that state, or a part of it. `only`: a list of names, "
      "prefixes and globs (fnmatch's, where * crosses dots), or a regular "
      "expression (text: ECMAScript's; or re.compile(…)), of names as saved or "
      "as here. `remap`: {saved name or prefix: name here}, the longest "
      "counts, "
      "'' is the root; 'suggested' renames what the error of a mismatch would "
      "propose, and logs it. strict=False leaves names alone that only one "
      "side "
      "has; cast=True takes the dtypes that are here, unless that loses a kind "
      "(bool < integer < float < complex). A mismatch is one error "
      "(WrongState, "
      "a RuntimeError) that lists every missing and unexpected name and every "
      "other shape or dtype; nothing is changed then. Returns "
      "(missing_keys, unexpected_keys): what was asked for and left alone.";
  auto def_load = [&](const char* name, const char* doc) {
    cls.def(name, load, py::arg("state"), py::kw_only(),
            py::arg("only") = py::none(), py::arg("remap") = py::none(),
            py::arg("strict") = true, py::arg("cast") = false, doc);
  };
  cls.def("state_dict", state_dict, py::arg("copy") = true,
          "The state at this moment, children included, as a State. The "
          "tensors are copies (copy=False: they alias the module's).");
  cls.def("state", state_dict, py::arg("copy") = true, "state_dict().");
  def_load("load_state_dict", load_doc);
  def_load("load_state", "load_state_dict(…).");
}

void def_tree(py::classh<Module, PyModule<Module>>& cls) {
  auto objects = [](std::vector<std::pair<std::string, ModulePtr>> named) {
    py::list out;
    for (auto& [name, module] : named)
      out.append(py::make_tuple(name, child_out(module)));
    return out;
  };
  cls.def(
      "named_children",
      [=](Module& self) { return objects(self.named_children()); },
      "Direct children: a list of (name, object).");
  cls.def(
      "named_modules",
      [=](py::object self) {
        py::list out;
        out.append(py::make_tuple("", self));
        for (auto pair : objects(py::cast<Module&>(self).named_modules()))
          out.append(pair);
        return out;
      },
      "This object and all below it: a list of (dotted name, object).");
  cls.def(
      "train",
      [](py::object self, bool mode) {
        auto& module = py::cast<Module&>(self);
        direct(module, Method::kTrain);
        module.train(mode);
        return self;
      },
      py::arg("mode") = true, "Training mode for it and all children.");
  cls.def_property("training", &Module::training, &Module::set_training,
                   "Its own mode; train(mode) sets the children's too.");
  cls.def(
      "to_config",
      [](Module& self) {
        direct(self, Method::kToConfig);
        Value config = self.to_config();
        if (config.is_dict()) config.as_dict().kind = DictKind::kConfiguration;
        return config;
      },
      "The Configuration that rebuilds it: {'func': …, arguments…}.");
  cls.def("__repr__", [](Module& self) {
    const std::string text = self.repr();  // of bytes, where paths are
    return py::reinterpret_steal<py::str>(
        PyUnicode_DecodeUTF8(text.data(), static_cast<py::ssize_t>(text.size()),
                             "backslashreplace"));
  });
}

}  // namespace

py::tuple reduced(py::handle self, const py::dict& arguments,
                  const py::object& extra) {
  const bool training = py::cast<Module&>(self).training();
  return reduced_with(self, arguments,
                      py::make_tuple(py::dict(), extra, training));
}

void def_module_class(py::module_& m) {
  auto cls = bind_module<Module, void, PyModule<Module>, true>(
      m, "Module", "ptutils",
      "The base class of everything: callable, with a state that comes and "
      "goes. Attributes are the state (numbers, text, lists, dicts, arrays, "
      "tensors) and the children (Modules, torch modules and optimizers, lists "
      "and dicts of them); names that begin with '_' are neither.");
  def_state(cls);
  def_tree(cls);
  cls.def("__call__",
          [](Module& self, const py::args& args, const py::kwargs& kwargs) {
            direct(self, Method::kCall);
            return self.call(to_value(arguments_of(args, kwargs)));
          });
  cls.def("__reduce_ex__", [](py::handle self, int) { return reduce(self); });
  // pybind11 takes a def of __setstate__ for a constructor.
  cls.attr("__setstate__") = py::cpp_function(set_state, py::is_method(cls));
  m.def("_rebuild", &rebuild, py::arg("type"), py::arg("arguments"),
        py::arg("native"));
  m.def("_set_dict_types", &set_dict_types);
  m.def("_is_child", [](py::handle object) { return is_child(object); });
  m.def(
      "_roundtrip", [](const Value& v) { return v.clone(); },
      "Through the core and back (for tests).");
  m.def(
      "_identical",
      [](const Value& a, const Value& b) { return a.identical(b); },
      "The same types, order and bits.");
}

}  // namespace ptutils::bindings
