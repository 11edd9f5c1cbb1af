#include <filesystem>

#include "ptutils/data/readers.h"
#include "ptutils/module/codec.h"

namespace ptutils::data {

std::shared_ptr<DataReader> reader_for(const std::string& source) {
  if (std::filesystem::is_directory(source))
    return std::make_shared<ImageFolderReader>();
  if (codec_for_reading(source).name() == "hdf5")
    return std::make_shared<HDF5Reader>();
  return std::make_shared<ArrayReader>();
}

}  // namespace ptutils::data
