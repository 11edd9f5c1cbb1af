#include "ptutils/formats/detail/hdf5/new_file.h"

#include <algorithm>

#include "ptutils/formats/detail/hdf5/links.h"
#include "ptutils/formats/detail/hdf5/types.h"

namespace ptutils::detail::hdf5 {

namespace {

constexpr hsize_t kAlignment = 64;
constexpr hsize_t kAlignedFrom = 512;  // smaller data lies together
constexpr std::size_t kCacheBytes = std::size_t{4} << 20;
constexpr unsigned kNotedLevel = 6;

/// Ours leave out times, so that equal values are equal files.
Handle untimed(hid_t kind) {
  Handle out(H5Pcreate(kind));
  H5Pset_obj_track_times(out.get(), false);
  return out;
}

Handle access_for_writing(ByteFile& bytes) {
  Handle access = access_to(bytes);
  // Object headers with checksums, readable from HDF5 1.8 on.
  H5Pset_libver_bounds(access.get(), H5F_LIBVER_V18, H5F_LIBVER_V18);
  H5Pset_alignment(access.get(), kAlignedFrom, kAlignment);
  H5AC_cache_config_t cache{};
  cache.version = H5AC__CURR_CACHE_CONFIG_VERSION;
  H5Pget_mdc_config(access.get(), &cache);
  cache.max_size = std::min(cache.max_size, kCacheBytes);
  cache.initial_size = std::min(cache.initial_size, kCacheBytes);
  H5Pset_mdc_config(access.get(), &cache);
  return access;
}

Handle space_of(const Dims& shape, std::string_view prefix) {
  const std::vector<hsize_t> sizes(shape.begin(), shape.end());
  if (sizes.empty())
    return open(H5Screate(H5S_SCALAR), prefix, "no space can be made");
  return open(
      H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr),
      prefix, "no space can be made");
}

}  // namespace

bool NewFile::Target::read(std::size_t offset, std::span<std::byte> into) {
  std::fill(into.begin(), into.end(), std::byte{0});
  if (error) return true;
  try {
    file.read_at(offset, into);
  } catch (...) {
    error = std::current_exception();
  }
  return true;
}

bool NewFile::Target::write(std::size_t offset,
                            std::span<const std::byte> from) {
  if (error) return true;
  try {
    file.extend(offset + from.size());
    file.write_at(offset, from);
  } catch (...) {
    error = std::current_exception();
  }
  return true;
}

bool NewFile::Target::extend(std::size_t size) {
  if (error) return true;
  try {
    file.extend(size);
  } catch (...) {
    error = std::current_exception();
  }
  return true;
}

NewFile::NewFile(AtomicFile& file, std::string prefix)
    : prefix_(std::move(prefix)), target_(file) {
  const Locked locked;
  const Handle creation = untimed(H5P_FILE_CREATE);
  const Handle access = access_for_writing(target_);
  group_properties_ = untimed(H5P_GROUP_CREATE);
  link_properties_ = Handle(H5Pcreate(H5P_LINK_CREATE));
  H5Pset_char_encoding(link_properties_.get(), H5T_CSET_UTF8);
  file_ = open(H5Fcreate(file.temporary().c_str(), H5F_ACC_TRUNC,
                         creation.get(), access.get()),
               prefix_, "cannot be created");
}

NewFile::~NewFile() = default;

std::string NewFile::link_of(const std::string& name,
                             const std::unordered_set<std::string>& names) {
  std::string link = name;
  for (std::size_t dot = name.find('.'); dot != std::string::npos;
       dot = name.find('.', dot + 1)) {
    const bool empty =
        dot == 0 || dot + 1 == name.size() || name[dot + 1] == '.';
    if (empty || names.contains(name.substr(0, dot))) return link_of_flat(name);
    link[dot] = '/';
  }
  return link;
}

bool NewFile::make_groups(const std::string& link) {
  for (std::size_t slash = link.find('/'); slash != std::string::npos;
       slash = link.find('/', slash + 1)) {
    const std::string group = link.substr(0, slash);
    if (sets_.contains(group)) return false;
    if (!groups_.insert(group).second) continue;
    open(H5Gcreate2(file_.get(), group.c_str(), link_properties_.get(),
                    group_properties_.get(), H5P_DEFAULT),
         prefix_, str("the group '", group, "' cannot be made"));
  }
  return true;
}

Handle NewFile::create(const std::string& link, DType dtype, const Dims& shape,
                       const Handle& properties) {
  make_groups(link);
  Handle set =
      open(H5Dcreate2(file_.get(), link.c_str(), type_of(dtype).get(),
                      space_of(shape, prefix_).get(), link_properties_.get(),
                      properties.get(), H5P_DEFAULT),
           prefix_, str("the data set '", link, "' cannot be made"));
  sets_.insert(link);
  return set;
}

std::size_t NewFile::add(const std::string& link, DType dtype,
                         const Dims& shape) {
  const Locked locked;
  const Handle properties = untimed(H5P_DATASET_CREATE);
  H5Pset_alloc_time(properties.get(), H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(properties.get(), H5D_FILL_TIME_NEVER);
  const Handle set = create(link, dtype, shape, properties);
  const haddr_t offset = H5Dget_offset(set.get());
  return offset == HADDR_UNDEF ? 0 : static_cast<std::size_t>(offset);
}

Handle NewFile::add_chunked(const std::string& link, DType dtype,
                            const Grid& grid, bool compress) {
  const Locked locked;
  const std::vector<hsize_t> sizes(grid.chunk.begin(), grid.chunk.end());
  const Handle properties = untimed(H5P_DATASET_CREATE);
  H5Pset_chunk(properties.get(), static_cast<int>(sizes.size()), sizes.data());
  H5Pset_fill_time(properties.get(), H5D_FILL_TIME_NEVER);
  if (compress && grid.item > 1) H5Pset_shuffle(properties.get());
  if (compress) H5Pset_deflate(properties.get(), kNotedLevel);
  return create(link, dtype, grid.shape, properties);
}

void NewFile::write_chunk(const Handle& set, const Dims& origin,
                          const ByteBuffer& chunk) {
  const std::vector<hsize_t> at(origin.begin(), origin.end());
  const Locked locked;
  check(H5Dwrite_chunk(set.get(), H5P_DEFAULT, 0, at.data(), chunk.size(),
                       chunk.data()),
        prefix_, "a chunk cannot be written");
}

Handle NewFile::object(const std::string& link) {
  const Locked locked;
  if (link.empty())
    return open(H5Gopen2(file_.get(), "/", H5P_DEFAULT), prefix_,
                "its root cannot be opened");
  const bool set = sets_.contains(link);
  if (!make_groups(set ? link : link + "/")) return {};
  return open(H5Oopen(file_.get(), link.c_str(), H5P_DEFAULT), prefix_,
              str("'", link, "' cannot be opened"));
}

void NewFile::check_written() {
  if (target_.error) std::rethrow_exception(target_.error);
}

void NewFile::finish() {
  const bool closed = file_.close();
  check_written();
  if (!closed) fail_call(prefix_, "cannot be closed");
}

}  // namespace ptutils::detail::hdf5
