#include <unistd.h>

#include <algorithm>

#include "ptutils/data/detail/rows_dataset.h"
#include "ptutils/data/readers.h"

namespace ptutils::data {
namespace {

constexpr std::size_t kMostCache = std::size_t{1} << 30;

std::size_t automatic_cache() {
  const auto pages = static_cast<std::size_t>(::sysconf(_SC_AVPHYS_PAGES));
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return std::min(kMostCache, pages * page / 4);
}

}  // namespace

HDF5Reader::HDF5Reader(FieldChoice fields, std::string group,
                       std::size_t cache_bytes)
    : fields_(std::move(fields)),
      group_(std::move(group)),
      cache_bytes_(cache_bytes) {}

std::shared_ptr<Dataset> HDF5Reader::read(const std::string& source) {
  return std::make_shared<detail::RowsDataset>(
      hdf5_rows(source, group_, fields_.names,
                cache_bytes_ ? cache_bytes_ : automatic_cache()),
      fields_, source);
}

Value HDF5Reader::to_config() {
  Dict config{{"func", class_name()}};
  if (Value fields = detail::config_of(fields_); !fields.is_null())
    config.set("fields", std::move(fields));
  if (!group_.empty()) config.set("group", group_);
  if (cache_bytes_)
    config.set("cache_bytes", static_cast<std::int64_t>(cache_bytes_));
  return config;
}

}  // namespace ptutils::data
