#include "ptutils/formats/detail/hdf5/open_file.h"

#include "ptutils/formats/detail/tensor_io.h"
#include "ptutils/formats/detail/where.h"

namespace ptutils::detail::hdf5 {

namespace {

// Deflate makes at most 1032 of one.
constexpr std::uint64_t kMaxDecoded = 1032;
constexpr std::uint64_t kAlwaysAllowed = std::uint64_t{64} << 20;

}  // namespace

OpenFile::OpenFile(const std::filesystem::path& path, std::string prefix)
    : OpenFile(std::make_shared<MappedFile>(path, /*to_copy=*/true), path,
               std::move(prefix)) {}

OpenFile::OpenFile(std::shared_ptr<MappedFile> file,
                   const std::filesystem::path& path, std::string prefix)
    : prefix_(std::move(prefix)),
      bytes_(Storage::wrap(file->bytes().data(), file->bytes().size(), file)),
      map_(*file) {
  const Locked locked;
  const Handle access = access_to(map_);
  file_ = open(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), prefix_,
               "cannot be opened as HDF5");
}

std::string OpenFile::where(std::string_view kind,
                            std::string_view path) const {
  return str(prefix_, kind, " '", path, "': ");
}

void OpenFile::claim(std::size_t bytes, std::string_view where) {
  const std::uint64_t limit = kMaxDecoded * size() + kAlwaysAllowed;
  if (bytes <= limit && claimed_.fetch_add(bytes) + bytes <= limit) return;
  malformed(where, "claims ", bytes, " bytes of memory, in a file of ", size(),
            " bytes; if that is meant (fill values take no room in a file), "
            "read a part of it with h5py");
}

}  // namespace ptutils::detail::hdf5
