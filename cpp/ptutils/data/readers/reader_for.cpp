#include <filesystem>
#include <fstream>

#include "ptutils/data/detail/picture.h"
#include "ptutils/data/readers.h"
#include "ptutils/formats/records.h"
#include "ptutils/module/codec.h"

namespace ptutils::data {
namespace {

namespace fs = std::filesystem;

std::string head_of(const std::string& path) {
  std::string head(8, '\0');
  std::ifstream(path, std::ios::binary)
      .read(head.data(), static_cast<std::streamsize>(head.size()));
  return head;
}

bool begins_as_gzip(const std::string& path) {
  return head_of(path).starts_with("\x1f\x8b");
}

/// Without ".gz".
std::string content_suffix(const fs::path& path) {
  return path.extension() == ".gz" ? path.stem().extension().string()
                                   : path.extension().string();
}

}  // namespace

std::shared_ptr<DataReader> reader_for(const std::string& source) {
  if (fs::is_directory(source) && !fs::exists(fs::path(source) / "data.mdb"))
    return std::make_shared<ImageFolderReader>();
  const std::string suffix = content_suffix(source);
  if (suffix == ".jsonl" || suffix == ".ndjson")
    return std::make_shared<JSONLinesReader>();
  if (suffix.starts_with(".tfrecord") && begins_as_gzip(source))
    return std::make_shared<TFRecordReader>();
  if (const std::string head = head_of(source);
      detail::is_jpeg(head) || detail::is_png(head))
    fail(Kind::kFormat, "Dataset", source,
         " is a picture; ImageFolder(root) reads folders of them, one a class; "
         "single ones: MapDataset(paths, lambda path: "
         "T.DecodeImage()(open(path, 'rb').read()))");
  const std::string format = codec_for_reading(source).name();
  if (format == "hdf5") return std::make_shared<HDF5Reader>();
  if (format == "tfrecord" && !holds_a_value(source))
    return std::make_shared<TFRecordReader>();
  if (format == "lmdb" && !holds_a_value(source))
    return std::make_shared<LMDBReader>();
  return std::make_shared<ArrayReader>();
}

}  // namespace ptutils::data
