#include <dlfcn.h>

#include "ptutils/formats/detail/codecs.h"
#include "ptutils/formats/detail/hdf5_plugin.h"
#include "ptutils/formats/detail/where.h"

// https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html; what
// reads and writes is in hdf5/, a shared library of its own.
namespace ptutils::detail {

namespace {

constexpr std::string_view kHdf5Signature = "\x89HDF\r\n\x1a\n";
constexpr std::string_view kPluginFile = "libptutils_hdf5.so";

/// Beside the library that this function is in.
std::filesystem::path plugin_path() {
  Dl_info self{};
  if (::dladdr(reinterpret_cast<const void*>(&plugin_path), &self) == 0 ||
      self.dli_fname == nullptr)
    return kPluginFile;
  return std::filesystem::path(self.dli_fname).parent_path() / kPluginFile;
}

const Hdf5Plugin& load_plugin() {
  const std::string path = plugin_path().string();
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  const void* symbol = library ? ::dlsym(library, kHdf5Plugin) : nullptr;
  if (!symbol)
    fail(Kind::kState, "hdf5", "cannot load ", kPluginFile, ": ", ::dlerror(),
         "; it comes with ptutils and needs HDF5's library (Debian, Ubuntu: "
         "apt-get install libhdf5-dev)");
  return *static_cast<const Hdf5Plugin*>(symbol);
}

const Hdf5Plugin& plugin() {
  static const Hdf5Plugin& loaded = load_plugin();
  return loaded;
}

class Hdf5Codec : public Codec {
 public:
  std::string name() const override { return "hdf5"; }
  std::vector<std::string> suffixes() const override {
    return {".hdf5", ".h5"};
  }

  // Behind a user block of 512, 1024, 2048 … bytes, too.
  bool recognises(std::string_view head, std::size_t) const override {
    if (head.starts_with(kHdf5Signature)) return true;
    for (std::size_t at = 512; at < head.size(); at *= 2)
      if (head.substr(at).starts_with(kHdf5Signature)) return true;
    return false;
  }

  std::vector<std::string> options() const override {
    return {"compress", "chunks"};
  }

  Value read(const std::filesystem::path& path,
             const ReadOptions& options) const override {
    return plugin().read(path, options);
  }

  void write(const std::filesystem::path& path, const Value& value,
             const WriteOptions& options) const override {
    plugin().write(path, value, options);
  }
};

}  // namespace

std::shared_ptr<Codec> hdf5_codec() { return std::make_shared<Hdf5Codec>(); }

}  // namespace ptutils::detail

namespace ptutils {

NamedRows hdf5_rows(const std::filesystem::path& path, const std::string& group,
                    const std::vector<std::string>& names,
                    std::size_t cache_bytes) {
  return detail::plugin().rows(path, group, names, cache_bytes);
}

}  // namespace ptutils
