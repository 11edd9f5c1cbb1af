#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ptutils/data/dataset.h"

/// A reader for each format that holds samples.
namespace ptutils::data {

/// Which fields a sample has: one gives the value itself, several a tuple in
/// this order, none said all of them, as a dict.
struct FieldChoice {
  bool one = false;
  std::vector<std::string> names;
};

/// The rows of an HDF5 file's data sets (paths below `group`; texts too).
/// Chunks are inflated by the threads that ask for them, and kept in a cache of
/// `cache_bytes` (0: a quarter of the memory that is free when the first file
/// is opened, 1 GiB at most).
class PTUTILS_API HDF5Reader : public DataReader {
 public:
  explicit HDF5Reader(FieldChoice fields = {}, std::string group = "",
                      std::size_t cache_bytes = 0);
  std::string class_name() const override { return "ptutils.data.HDF5Reader"; }
  std::shared_ptr<Dataset> read(const std::string& source) override;
  Value to_config() override;

 private:
  FieldChoice fields_;
  std::string group_;
  std::size_t cache_bytes_;
};

/// The rows of the arrays of .npz, .npy, .safetensors, .csv and whatever else
/// ptutils::read reads as arrays of one length; mapped where the format allows.
class PTUTILS_API ArrayReader : public DataReader {
 public:
  explicit ArrayReader(FieldChoice fields = {}) : fields_(std::move(fields)) {}
  std::string class_name() const override { return "ptutils.data.ArrayReader"; }
  std::shared_ptr<Dataset> read(const std::string& source) override;
  Value to_config() override;

 private:
  FieldChoice fields_;
};

/// The Examples (tf.train.Example) of a TFRecord file, plain or gzip. A plain
/// file is mapped, and where its records begin is kept in NAME.index beside it
/// (see tfrecord_records).
class PTUTILS_API TFRecordReader : public DataReader {
 public:
  /// `features`: what becomes of a feature, by its name: "int64", "float32" or
  /// another dtype (its numbers: one as a number, several as an array),
  /// [dtype, shape] (an array, of its numbers or of the memory that its bytes
  /// are, viewed where it lies), "image" (a JPEG or PNG file), "bytes", "text".
  /// Other features come as they are: numbers, or bytes (a list of several).
  /// A sample has the features of `fields`, else those of `features`, else
  /// those of the file's first record.
  explicit TFRecordReader(Dict features = {}, FieldChoice fields = {});
  std::string class_name() const override {
    return "ptutils.data.TFRecordReader";
  }
  std::shared_ptr<Dataset> read(const std::string& source) override;
  Value to_config() override;

 private:
  Dict features_;
  FieldChoice fields_;
};

/// The values of an LMDB database (a file, or a folder with data.mdb), in the
/// order of their keys; 8 bytes of memory each.
class PTUTILS_API LMDBReader : public DataReader {
 public:
  /// `decode`: null or "bytes", "text", "image", or [dtype, shape] for values
  /// that are an array's memory. `keys`: samples are (key, value).
  explicit LMDBReader(Value decode = {}, bool keys = false);
  std::string class_name() const override { return "ptutils.data.LMDBReader"; }
  std::shared_ptr<Dataset> read(const std::string& source) override;
  Value to_config() override;

 private:
  Value decode_;
  bool keys_;
};

/// A JSON value a line (.jsonl, .ndjson), plain or gzip, parsed when it is
/// asked for; blank lines are no samples. 8 bytes of memory a line.
class PTUTILS_API JSONLinesReader : public DataReader {
 public:
  explicit JSONLinesReader(FieldChoice fields = {})
      : fields_(std::move(fields)) {}
  std::string class_name() const override {
    return "ptutils.data.JSONLinesReader";
  }
  std::shared_ptr<Dataset> read(const std::string& source) override;
  Value to_config() override;

 private:
  FieldChoice fields_;
};

/// A folder of folders of pictures, one a class, in sorted order (torchvision's
/// layout): samples (picture u8 (3, height, width), label int64). Pictures are
/// decoded when a transform wants their pixels.
class PTUTILS_API ImageFolderReader : public DataReader {
 public:
  /// `dct_scaling`: see EncodedImage.
  explicit ImageFolderReader(bool dct_scaling = false)
      : dct_scaling_(dct_scaling) {}
  std::string class_name() const override {
    return "ptutils.data.ImageFolderReader";
  }
  std::shared_ptr<Dataset> read(const std::string& source) override;
  Value to_config() override;

 private:
  bool dct_scaling_;
};

/// The folders in a folder of pictures, sorted: its classes. Hidden ones are
/// none. Kind::kIO where it cannot be read.
PTUTILS_API std::vector<std::string> class_folders(const std::string& root);

/// By the content of the file, or a folder's layout. Kind::kFormat names the
/// readers there are.
PTUTILS_API std::shared_ptr<DataReader> reader_for(const std::string& source);

/// ImageFolderReader over one folder, with its classes.
class PTUTILS_API ImageFolder : public Dataset {
 public:
  ImageFolder() = default;  ///< open_folder() follows
  ImageFolder(const std::string& root, Preprocessor preprocessor,
              bool dct_scaling = false);
  std::string class_name() const override { return "ptutils.data.ImageFolder"; }
  void open_folder(const std::string& root, Preprocessor preprocessor,
                   bool dct_scaling);
  Value to_config() override;
  std::vector<std::string> classes() const { return class_names(); }
  /// The path and the label of each, looked up in the folder again.
  std::vector<std::pair<std::string, std::int64_t>> samples() const;
  bool dct_scaling() const { return dct_scaling_; }

 private:
  std::string root_;
  bool dct_scaling_ = false;
};

}  // namespace ptutils::data
