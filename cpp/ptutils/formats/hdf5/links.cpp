#include "ptutils/formats/detail/hdf5/links.h"

#include "ptutils/formats/detail/text_coding.h"
#include "ptutils/formats/detail/where.h"

namespace ptutils::detail::hdf5 {

namespace {

constexpr std::string_view kDot = ".";
constexpr std::string_view kDotLink = "\\.";  // flat names have no '\'

herr_t refuse_external(const char*, const char*, const char*, const char*,
                       unsigned*, hid_t, void*) {
  return -1;
}

Object described(Handle handle, std::string_view where) {
  H5O_info_t info{};
  check(H5Oget_info2(handle.get(), &info, H5O_INFO_BASIC), where,
        "it cannot be read");
  return {std::move(handle), info.type, info.addr};
}

/// Where a symbolic link leads.
std::string target_of(hid_t group, const std::string& name, std::size_t size) {
  std::string value(size, '\0');
  if (H5Lget_val(group, name.c_str(), value.data(), value.size(), H5P_DEFAULT) <
      0)
    return "?";
  return value.substr(0, value.find('\0'));
}

/// The file of an external link.
std::string file_of(hid_t group, const std::string& name, std::size_t size) {
  std::string value(size, '\0');
  const char* file = nullptr;
  if (H5Lget_val(group, name.c_str(), value.data(), value.size(), H5P_DEFAULT) <
          0 ||
      H5Lunpack_elink_val(value.data(), value.size(), nullptr, &file, nullptr) <
          0)
    return "?";
  return file;
}

}  // namespace

Links::Links(OpenFile& file) : file_(file) {
  const Locked locked;
  access_ = Handle(H5Pcreate(H5P_LINK_ACCESS));
  H5Pset_elink_cb(access_.get(), refuse_external, nullptr);
}

Object Links::root() const {
  const Locked locked;
  return described(hdf5::open(H5Gopen2(file_.id(), "/", H5P_DEFAULT),
                              file_.prefix(), "its root cannot be read"),
                   file_.prefix());
}

bool Links::has(const Object& group, const std::string& name) const {
  const Locked locked;
  return check(H5Lexists(group.handle.get(), name.c_str(), H5P_DEFAULT),
               file_.prefix(), "its root cannot be read") > 0;
}

std::vector<std::string> Links::names(const Object& group,
                                      std::string_view path) const {
  const Locked locked;
  const std::string where = file_.where("group", path);
  const Handle properties = hdf5::open(H5Gget_create_plist(group.handle.get()),
                                       where, "its properties cannot be read");
  unsigned order = 0;
  check(H5Pget_link_creation_order(properties.get(), &order), where,
        "its properties cannot be read");
  const H5_index_t index =
      order & H5P_CRT_ORDER_TRACKED ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
  Names found;
  const herr_t status = H5Literate(group.handle.get(), index, H5_ITER_INC,
                                   nullptr, &Names::note<H5L_info_t>, &found);
  std::vector<std::string> out =
      found.take(status, where, "its members cannot be listed");
  for (const std::string& name : out)
    if (!valid_utf8(name))
      malformed(where,
                "the name of a member is not UTF-8; rename it with "
                "h5py");
  return out;
}

Object Links::open(const Object& group, const std::string& name,
                   std::string_view path) const {
  const Locked locked;
  const std::string where =
      file_.where("link", path == "/" ? "/" + name : str(path, "/", name));
  Handle object(H5Oopen(group.handle.get(), name.c_str(), access_.get()));
  if (!object) fail_open(group, name, where);
  return described(std::move(object), where);
}

void Links::fail_open(const Object& group, const std::string& name,
                      std::string_view where) const {
  const hid_t id = group.handle.get();
  H5L_info_t info{};
  std::string advice = "; delete it with h5py (del file[...])";
  Handle failure(H5Eget_current_stack());
  if (H5Lget_info(id, name.c_str(), &info, H5P_DEFAULT) >= 0) {
    if (info.type == H5L_TYPE_EXTERNAL)
      malformed(where, "leads to another file, '",
                file_of(id, name, info.u.val_size),
                "', which is not followed; copy the data with h5py "
                "(copy(..., expand_external=True))");
    if (info.type == H5L_TYPE_SOFT)
      malformed(where, "a soft link to '", target_of(id, name, info.u.val_size),
                "', which is not in this file", advice);
    if (info.type > H5L_TYPE_EXTERNAL)
      malformed(where, "a link of a user's own kind", advice);
  }
  H5Eset_current_stack(failure.release());  // which closes it
  fail_call(where, "it cannot be opened");
}

std::string link_of_flat(std::string_view name) {
  return std::string(name == kDot ? kDotLink : name);
}

std::string flat_of_link(std::string_view link) {
  return std::string(link == kDotLink ? kDot : link);
}

}  // namespace ptutils::detail::hdf5
