#include "ptutils/formats/detail/hdf5/driver.h"

#include <algorithm>
#include <limits>
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

namespace ptutils::detail::hdf5 {

namespace {

/// What the access properties carry.
struct Info {
  ByteFile* bytes;
};

/// An open file; the library fills in the base.
struct Driven {
  H5FD_t base;
  ByteFile* bytes;
  haddr_t end;  // of what the library has allocated
};

Driven& driven(H5FD_t* file) { return *reinterpret_cast<Driven*>(file); }
const Driven& driven(const H5FD_t* file) {
  return *reinterpret_cast<const Driven*>(file);
}

H5FD_t* open_driven(const char*, unsigned, hid_t access, haddr_t) {
  const auto* info = static_cast<const Info*>(H5Pget_driver_info(access));
  if (info == nullptr) return nullptr;
  return &(new Driven{{}, info->bytes, 0})->base;
}

herr_t close_driven(H5FD_t* file) {
  delete &driven(file);
  return 0;
}

// Two files are the same when their bytes are.
int compare(const H5FD_t* a, const H5FD_t* b) {
  const ByteFile* left = driven(a).bytes;
  const ByteFile* right = driven(b).bytes;
  return std::less<>()(left, right) ? -1 : left == right ? 0 : 1;
}

herr_t query(const H5FD_t*, unsigned long* flags) {
  if (flags != nullptr)
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA |
             H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_AGGREGATE_SMALLDATA |
             H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  return 0;
}

haddr_t end_of_allocation(const H5FD_t* file, H5FD_mem_t) {
  return driven(file).end;
}

herr_t set_end_of_allocation(H5FD_t* file, H5FD_mem_t, haddr_t end) {
  driven(file).end = end;
  return 0;
}

haddr_t end_of_file(const H5FD_t* file, H5FD_mem_t) {
  return driven(file).bytes->size();
}

herr_t read(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t at, std::size_t size,
            void* into) {
  const std::span bytes(static_cast<std::byte*>(into), size);
  return driven(file).bytes->read(at, bytes) ? 0 : -1;
}

herr_t write(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t at, std::size_t size,
             const void* from) {
  const std::span bytes(static_cast<const std::byte*>(from), size);
  return driven(file).bytes->write(at, bytes) ? 0 : -1;
}

herr_t truncate(H5FD_t* file, hid_t, hbool_t) {
  return driven(file).bytes->extend(driven(file).end) ? 0 : -1;
}

H5FD_class_t make_class() {
  H5FD_class_t out{};
#if H5_VERSION_GE(1, 13, 0)
  out.version = H5FD_CLASS_VERSION;
  out.value = 513;  // 512 and more: of applications
#endif
  out.name = "ptutils";
  out.maxaddr = std::numeric_limits<std::int64_t>::max();
  out.fc_degree = H5F_CLOSE_WEAK;
  out.fapl_size = sizeof(Info);
  out.open = open_driven;
  out.close = close_driven;
  out.cmp = compare;
  out.query = query;
  out.get_eoa = end_of_allocation;
  out.set_eoa = set_end_of_allocation;
  out.get_eof = end_of_file;
  out.read = read;
  out.write = write;
  out.truncate = truncate;
  const H5FD_mem_t map[] = H5FD_FLMAP_DICHOTOMY;
  std::copy(std::begin(map), std::end(map), out.fl_map);
  return out;
}

hid_t driver() {
  static const H5FD_class_t description = make_class();
  static const hid_t id = H5FDregister(&description);
  return id;
}

}  // namespace

Handle access_to(ByteFile& bytes) {
  const Info info{&bytes};
  Handle access(H5Pcreate(H5P_FILE_ACCESS));
  if (!access || H5Pset_driver(access.get(), driver(), &info) < 0)
    fail(Kind::kMemory, "hdf5", "the HDF5 library takes no driver");
  return access;
}

}  // namespace ptutils::detail::hdf5
