#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <filesystem>

#include "areas.h"
#include "casters/states.h"
#include "casters/tensor.h"
#include "casters/value.h"
#include "gil.h"
#include "ptutils/common/file.h"
#include "ptutils/common/hash.h"
#include "ptutils/formats/flatten.h"
#include "ptutils/formats/json_text.h"
#include "ptutils/formats/yaml_text.h"
#include "ptutils/module/background_save.h"
#include "ptutils/module/codec.h"

// Files: reading, saving, and codecs that are written in Python.

namespace ptutils::bindings {

namespace {

using Path = std::filesystem::path;

/// A codec written in Python. Its names are asked once.
class PyCodec final : public Codec {
 public:
  explicit PyCodec(py::object codec)
      : codec_(codec.release().ptr()),
        name_(py::cast<std::string>(needed("name"))) {
    py::object suffixes = needed("suffixes");
    if (PyUnicode_Check(suffixes.ptr())) suffixes = py::make_tuple(suffixes);
    for (py::handle suffix : suffixes) {
      suffixes_.push_back(py::cast<std::string>(suffix));
      if (suffixes_.back().size() < 2 || suffixes_.back()[0] != '.')
        fail(Kind::kValue, "register_codec", name_, ": a suffix is '.name', ",
             "not '", suffixes_.back(), "'");
    }
    for (const char* method : {"read", "write"}) needed(method);
  }
  // Codecs are never dropped: the list of them lives as long as the process.

  py::handle object() const { return codec_; }
  std::string name() const override { return name_; }
  std::vector<std::string> suffixes() const override { return suffixes_; }

  bool recognises(std::string_view head, std::size_t size) const override {
    Gil gil;
    if (!py::hasattr(object(), "recognises")) return false;
    return py::cast<bool>(
        object().attr("recognises")(py::bytes(head.data(), head.size()), size));
  }
  Value read(const Path& path, const ReadOptions&) const override {
    Gil gil;
    return to_value(object().attr("read")(path.string()));
  }
  void write(const Path& path, const Value& value,
             const WriteOptions& options) const override {
    Gil gil;
    AtomicFile file(path, options.durable);
    object().attr("write")(file.temporary().string(), to_python(value),
                           options.durable);
    file.commit();
  }

 private:
  py::object needed(const char* attribute) const {
    if (!py::hasattr(object(), attribute))
      fail(Kind::kType, "register_codec", "a ", Py_TYPE(codec_)->tp_name,
           " has no ", attribute,
           "; a codec has name, suffixes, read(path) and write(path, value, "
           "durable)");
    return object().attr(attribute);
  }

  PyObject* codec_;
  std::string name_;
  std::vector<std::string> suffixes_;
};

/// One of ours that lives in ptutils.files, which is imported when it is used.
class LateCodec final : public Codec {
 public:
  using Recognise = bool (*)(std::string_view head);
  LateCodec(const char* name, std::vector<std::string> suffixes,
            Recognise recognise)
      : name_(name), suffixes_(std::move(suffixes)), recognise_(recognise) {}

  py::object object() const {
    return py::module_::import("ptutils.files").attr("_late_codec")(name_);
  }
  std::string name() const override { return name_; }
  std::vector<std::string> suffixes() const override { return suffixes_; }
  bool recognises(std::string_view head, std::size_t) const override {
    return recognise_(head);
  }
  Value read(const Path& path, const ReadOptions& options) const override {
    Gil gil;
    return to_value(
        object().attr("read")(path.string(), py::tuple(), options.verify));
  }
  void write(const Path& path, const Value& value,
             const WriteOptions& options) const override {
    Gil gil;
    object().attr("write")(path.string(), to_python(value), options.durable);
  }

 private:
  const char* name_;
  std::vector<std::string> suffixes_;
  Recognise recognise_;
};

constexpr std::string_view kOldTorch = "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 ";

bool is_pickle(std::string_view head) {
  return head.size() > 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5 &&
         !head.starts_with(kOldTorch);
}

/// torch's archives begin with the member NAME/data.pkl (NAME/.format_version
/// in some versions), its older files with a magic number.
bool is_torch(std::string_view head) {
  if (head.starts_with(kOldTorch)) return true;
  if (head.size() < 30 || !head.starts_with("PK\3\4")) return false;
  const std::size_t length = static_cast<unsigned char>(head[26]) |
                             static_cast<unsigned char>(head[27]) << 8;
  const std::string_view member = head.substr(30, length);
  return member.ends_with("/data.pkl") || member.ends_with("/.format_version");
}

/// The Python object of a codec, or None for one of the core.
py::object python_codec(const Codec& codec) {
  if (auto* python = dynamic_cast<const PyCodec*>(&codec))
    return py::reinterpret_borrow<py::object>(python->object());
  if (auto* late = dynamic_cast<const LateCodec*>(&codec))
    return late->object();
  return py::none();
}

/// While thousands of objects are made, all of which live on, the collector
/// would walk over them again and again.
class NoCollection {
 public:
  NoCollection() : was_enabled_(PyGC_Disable() == 1) {}
  ~NoCollection() {
    if (was_enabled_) PyGC_Enable();
  }
  NoCollection(const NoCollection&) = delete;
  NoCollection& operator=(const NoCollection&) = delete;

 private:
  bool was_enabled_;
};

std::span<const std::byte> bytes_of(const py::buffer_info& info) {
  return {static_cast<const std::byte*>(info.ptr),
          static_cast<std::size_t>(info.size * info.itemsize)};
}

void def_files(py::module_& m) {
  m.def(
      "read",
      [](const Path& path, bool verify, bool lazy, bool isolate) {
        Value value;
        {
          py::gil_scoped_release release;
          value =
              read(path, {.verify = verify, .lazy = lazy, .isolate = isolate});
          if (lazy) value = with_deferred_in_dicts(std::move(value), false);
        }
        const NoCollection none_is_garbage;
        const SharedKeeper one_file;
        return to_python(value);
      },
      py::arg("path"), py::arg("verify") = false, py::arg("lazy") = false,
      py::arg("isolate") = false);
  m.def(
      "save",
      [](const Path& path, py::handle object, bool durable,
         const py::dict& format, bool background) {
        Value value = with_states(to_value(object), false);
        WriteOptions options{durable, to_value(format, "save").as_dict()};
        py::gil_scoped_release release;
        (background ? save_in_background : save)(path, value, options);
      },
      py::arg("path"), py::arg("value"), py::arg("durable") = true,
      py::arg("format") = py::dict(), py::arg("background") = false);
  // These two make no Python objects: what a library holds is not imported.
  m.def(
      "_convert",
      [](const Path& from, const Path& to, const py::dict& format) {
        const WriteOptions options{true, to_value(format, "save").as_dict()};
        py::gil_scoped_release release;
        save(to, read(from), options);
      },
      py::arg("source"), py::arg("path"), py::arg("format"));
  m.def(
      "_verify",
      [](const Path& path) {
        py::gil_scoped_release release;
        read(path, {.verify = true});
      },
      py::arg("path"));
  m.def("_wait_for_saves_to", &ptutils::detail::wait_for_saves_to,
        py::arg("path"), py::call_guard<py::gil_scoped_release>());
  m.def("sync", &sync_saves, py::call_guard<py::gil_scoped_release>());
  m.def(
      "metadata",
      [](const Path& path) {
        py::gil_scoped_release release;
        return Value(read_metadata(path));
      },
      py::arg("path"));
  py::class_<AtomicFile>(m, "_AtomicFile",
                         "A file that is written by write(), or by a library "
                         "by the name `temporary`; commit() puts it in place, "
                         "whole.")
      .def(py::init<Path, bool>(), py::arg("path"), py::arg("durable"))
      .def_property_readonly(
          "temporary",
          [](const AtomicFile& file) { return file.temporary().string(); })
      .def("write",
           [](AtomicFile& file, const py::buffer& content) {
             const py::buffer_info info = content.request();
             const auto bytes = bytes_of(info);
             py::gil_scoped_release release;
             file.write(bytes);
             return bytes.size();
           })
      .def("commit", &AtomicFile::commit,
           py::call_guard<py::gil_scoped_release>());
  m.def(
      "_codec_for_reading",
      [](const Path& path) { return python_codec(codec_for_reading(path)); },
      py::arg("path"));
  m.def(
      "_codec_for_writing",
      [](const Path& path) { return python_codec(codec_for_writing(path)); },
      py::arg("path"));
  m.def(
      "_format_of",
      [](const Path& path) { return codec_for_reading(path).name(); },
      py::arg("path"));
  py::class_<Deferred, std::shared_ptr<Deferred>>(
      m, "_Deferred", "A tensor of a file that has not been read yet.")
      .def("get",
           [](Deferred& deferred) {
             Value tensor;
             {
               py::gil_scoped_release release;
               tensor = deferred.get();
             }
             return to_python(tensor);  // of the library that it is of
           })
      .def_property_readonly("shape",
                             [](const Deferred& deferred) {
                               return py::tuple(py::cast(deferred.shape()));
                             })
      .def_property_readonly("error", &Deferred::error)
      .def_property_readonly("dtype", [](const Deferred& deferred) {
        return std::string(name(deferred.dtype()));
      });
  m.def("_add_codec", [](py::object codec) {
    add_codec(std::make_shared<PyCodec>(std::move(codec)));
  });
  m.def(
      "codecs",
      [] {
        py::dict out;
        for (const auto& codec : codecs())
          out[py::str(codec->name())] = py::cast(codec->suffixes());
        return out;
      },
      "The known file formats: {name: [suffixes]}.");
  m.def(
      "write_file",
      [](const Path& path, const py::buffer& content, bool durable) {
        const py::buffer_info info = content.request();
        const auto bytes = bytes_of(info);
        py::gil_scoped_release release;
        write_file(path, bytes, durable);
      },
      py::arg("path"), py::arg("content"), py::arg("durable") = true,
      "Writes a file whole or not at all.");
}

void def_text(py::module_& m) {
  m.def(
      "parse_json",
      [](const std::string& text, const std::string& where) {
        return parse_json(text, where);
      },
      py::arg("text"), py::arg("where") = "");
  m.def(
      "to_json",
      [](const Value& value, int indent) { return to_json(value, indent); },
      py::arg("value"), py::arg("indent") = 0);
  m.def(
      "parse_yaml",
      [](const std::string& text, const std::string& where) {
        return parse_yaml(text, where);
      },
      py::arg("text"), py::arg("where") = "");
  m.def(
      "to_yaml", [](const Value& value) { return to_yaml(value); },
      py::arg("value"));
  m.def(
      "parse_scalar",
      [](const std::string& text) { return parse_scalar(text); },
      py::arg("text"));
}

/// The flattening rule for codecs in Python: (sealed skeleton, without
/// "$tensors", [(name, torch tensor)]) and back from {name: tensor}.
void def_flatten(py::module_& m) {
  m.def("_flatten_torch", [](py::handle object, const std::string& where) {
    const Flat flat =
        flatten(with_states(to_value(object), false), where, false);
    py::list tensors;
    for (const auto& [name, tensor] : flat.tensors)
      tensors.append(py::make_tuple(name, tensor_to_torch(tensor)));
    return py::make_tuple(sealed(flat), tensors);
  });
  m.def(
      "_unflatten",
      [](const std::string& skeleton, const py::dict& tensors,
         const std::string& where, bool verify) {
        return unflatten(
            skeleton,
            [&](const std::string& name) -> Value {
              py::str key(name);
              if (!tensors.contains(key))
                fail(Kind::kFormat, where, "no tensor '", name, "'");
              return tensor_or_fail(tensors[key], where).to_contiguous();
            },
            where, verify);
      },
      py::arg("skeleton"), py::arg("tensors"), py::arg("where"),
      py::arg("verify") = false);
  m.def("_cloned", [](const Value& value) { return value.clone(); });
  m.def("_checksums_compared", &checksums_compared);
  m.def("_note_checksums_compared", &note_checksums_compared);
  m.def("_hash64", [](const py::buffer& content) {
    return hash64(bytes_of(content.request()));
  });
  py::class_<Hash64>(m, "_Hash64", "_hash64 of what comes piece by piece.")
      .def(py::init<>())
      .def("update",
           [](Hash64& hash, const py::buffer& content) {
             const py::buffer_info info = content.request();
             const auto bytes = bytes_of(info);
             py::gil_scoped_release release;
             hash.update(bytes);
           })
      .def("digest", &Hash64::digest);
  m.def("_as", [](const Value& value, const std::string& origin) {
    if (origin == "numpy") return with_origin(value, Origin::kNumpy);
    if (origin == "torch") return with_origin(value, Origin::kTorch);
    if (origin == "native") return with_origin(value, Origin::kNative);
    fail(Kind::kValue, "read", "as_ is 'torch', 'native' or 'numpy', not '",
         origin, "'");
  });
}

}  // namespace

void def_formats(py::module_& m) {
  add_codec(std::make_shared<LateCodec>(
      "pickle", std::vector<std::string>{".pkl", ".pickle"}, is_pickle));
  add_codec(std::make_shared<LateCodec>(
      "torch", std::vector<std::string>{".pt", ".pth"}, is_torch));
  def_files(m);
  def_text(m);
  def_flatten(m);
}

}  // namespace ptutils::bindings
