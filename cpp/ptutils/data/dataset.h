#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ptutils/data/transforms.h"
#include "ptutils/module/registry.h"
#include "ptutils/tensor/random.h"

namespace ptutils::data {

class DataReader;
namespace detail {
class FieldChains;
}

/// What is done to the fields of a sample, by their names ("0", "1", … where
/// they have none); "" is the first field. All of a sample's chains draw from
/// the same stream: where transform i crops an image, transform i of its mask's
/// chain crops the mask at the same place.
using Preprocessor = std::vector<std::pair<std::string, Chain>>;

/// What a loader is making, for the code that makes samples.
struct BatchInfo {
  std::uint64_t seed = 0;  ///< the loader's
  std::int64_t epoch = 0;
  std::int64_t batch = 0;
  Value request;  ///< the one that it answers (DataLoader::request), or null
};
/// Of the batch that this thread makes; null outside of a loader.
PTUTILS_API const BatchInfo* batch_info();
/// Between samples: Kind::kInterrupted where nobody wants the batch any more
/// that this thread makes.
PTUTILS_API void check_wanted();

/// One way through samples that come one after another.
class PTUTILS_API SampleStream {
 public:
  SampleStream() = default;
  virtual ~SampleStream() = default;
  SampleStream(const SampleStream&) = delete;
  SampleStream& operator=(const SampleStream&) = delete;
  /// False at its end.
  virtual bool next(Value& sample) = 0;
  /// Past so many samples; false at its end. Default: makes and drops them.
  virtual bool skip(std::int64_t count);
  /// Where it is, as load_state takes it; null: a resume begins again, and
  /// skips.
  virtual Value state() { return {}; }
  virtual void load_state(const Value& state);
};

/// Samples by index. A sample is a Value: a tensor, a number, a list (tuple) or
/// dict of them; every sample of a data set has the same structure. `get` is
/// called from many threads at once; what it draws at random comes from
/// `random`, a stream of (seed, epoch, index), so that results do not depend on
/// the workers.
///
/// A subclass makes the samples, or they are those of files (open).
class PTUTILS_API Dataset : public Module {
 public:
  struct Options {
    /// Files, folders, patterns ("train-*.h5", sorted): one after another.
    std::vector<std::string> data_source;
    /// In their place: data sets, one after another (data_source: where they
    /// came from; then they are no children).
    std::vector<std::shared_ptr<Dataset>> datasets;
    std::shared_ptr<DataReader> data_reader;  ///< empty: by the files' format
    Preprocessor preprocessor;
  };
  Dataset();
  explicit Dataset(Options options) : Dataset() { open(std::move(options)); }
  ~Dataset() override;
  std::string class_name() const override { return "ptutils.data.Dataset"; }
  std::string extra_repr() override;  // its size, and its files
  /// Opens the files. Kind::kIO where one is missing, Kind::kKey for a
  /// preprocessor of a field that there is not.
  void open(Options options);
  void fields(Fields& f) override;  // the reader, the transforms
  Meta meta() const override;       // which are not its state
  Value to_config() override;

  virtual std::int64_t size() const;
  virtual Value get(std::int64_t index, Random random);
  /// A whole batch, already collated (first dimension = indices.size()), into
  /// recycled buffers where it can. Default: get() and collate.
  virtual Value get_batch(std::span<const std::int64_t> indices,
                          const std::vector<Random>& random,
                          const Value& reuse);
  /// Whether `get` draws from its stream; if not, none are made for a batch
  /// (`random` may then be empty).
  virtual bool draws_random() const;
  /// Samples are made by Python: workers then hold the interpreter's lock.
  virtual bool is_python() const;
  /// Where the user's arrays came from, for `output=None`. (Of a Python data
  /// set: what its samples have turned out to be.)
  virtual Origin origin() const;
  /// Of a sample that is a tuple or dict; empty where they have none.
  virtual std::vector<std::string> field_names() const;
  /// What the labels mean, by label, where the data tell it; else empty.
  virtual std::vector<std::string> class_names() const;
  /// Of each field, where all samples' are known to be the same; else empty.
  virtual std::vector<DType> field_dtypes() const;
  /// What open() was given; empty where it was not called.
  std::optional<Options> opened() const;
  /// Neighbours that are read together: the first sample of each such block.
  /// Empty where samples are read one by one.
  virtual std::vector<std::int64_t> blocks() const;

  /// get_batch has several threads make a batch that is awaited.
  virtual bool shares_batches() const;
  /// Its samples come one after another, and have no index.
  virtual bool is_iterable() const;
  /// One way through an iterable one, before its preprocessor; sample i draws
  /// from stream.at(epoch, i).
  virtual std::unique_ptr<SampleStream> iterate(const Random& stream,
                                                std::int64_t epoch);
  /// The preprocessor of what iterate() gives, and what it makes of a sample.
  const detail::FieldChains& chains() const;
  Value processed(Value sample, const Random& random) const;

 protected:
  /// get() of each, collated.
  Value get_each(std::span<const std::int64_t> indices,
                 const std::vector<Random>& random, const Value& reuse);

 private:
  Value in_one(std::span<const std::int64_t> indices, const Value& reuse) const;
  struct Source;
  std::unique_ptr<Source> source_;  // empty: a subclass makes the samples
};

/// Samples that come one after another: a subclass's iterate(), or those of the
/// sources (which may have indices) in order. It has no size.
class PTUTILS_API IterableDataset : public Dataset {
 public:
  using Dataset::Dataset;
  std::string class_name() const override {
    return "ptutils.data.IterableDataset";
  }
  bool is_iterable() const override { return true; }
};

/// Opens data of one format.
class PTUTILS_API DataReader : public Module {
 public:
  std::string class_name() const override { return "ptutils.data.DataReader"; }
  std::string extra_repr() override;  // its arguments
  /// The samples of one source: a file, a folder. Kind::kIO where there is
  /// none, Kind::kFormat where it is damaged.
  virtual std::shared_ptr<Dataset> read(const std::string& source) = 0;
};

/// Tensors (or a dict of them) that share their first dimension; a sample is a
/// tuple (or dict) of their rows.
class PTUTILS_API ArrayDataset : public Dataset {
 public:
  explicit ArrayDataset(Value arrays);  ///< List or Dict of Tensors, or one
  std::string class_name() const override {
    return "ptutils.data.ArrayDataset";
  }
  std::int64_t size() const override { return size_; }
  Value get(std::int64_t index, Random random) override;
  Value get_batch(std::span<const std::int64_t> indices,
                  const std::vector<Random>& random,
                  const Value& reuse) override;
  Origin origin() const override;
  bool draws_random() const override { return false; }
  const Value& arrays() const { return arrays_; }
  /// get_batch, its fields through their chains: where what they do is the same
  /// for all rows, without a look at each. Null where it is not.
  Value get_batch_through(const detail::FieldChains& chains,
                          std::span<const std::int64_t> indices,
                          const Value& reuse) const;
  /// Data is not state: an ArrayDataset has none, and no configuration.
 private:
  Value arrays_;
  std::int64_t size_ = 0;
};

/// An IDX file (LeCun's format), plain or gzip, as a u8 tensor (or the file's
/// dtype). Malformed: Kind::kFormat with file and what.
PTUTILS_API Tensor read_idx(const std::filesystem::path& path);

/// Items: (f32 (1, 28, 28) in [0, 1], i64 label). Files in `root` or
/// root/NAME/raw, plain or .gz; else, FashionMNIST, Debian's package
/// (/usr/share/datasets/fashion-mnist); else fetched into root/NAME/raw when
/// `download` (checksums verified, of the published .gz or, FashionMNIST, of
/// what is in it; `url` names another source, and the package is not used).
class PTUTILS_API IdxImages : public Dataset {
 public:
  struct Options {
    std::string root = "data";
    bool train = true;
    bool download = false;
    std::string url;            ///< base URL; empty: the data set's own mirrors
    Preprocessor preprocessor;  ///< of the images, f32 in [0, 1], and labels
  };
  Value get_batch(std::span<const std::int64_t> indices,
                  const std::vector<Random>& random,
                  const Value& reuse) override;
  bool shares_batches() const override;
  Value to_config() override;
  const Tensor& images() const;                        ///< u8 (n, 28, 28)
  const Tensor& labels() const;                        ///< u8 (n)
  const Options& options() const { return options_; }  ///< as it was given
  /// What the labels mean, by label.
  virtual std::vector<std::string> classes() const = 0;

 protected:
  IdxImages(const std::string& name, Options options);

 private:
  class Rows;  // the samples as the files have them
  Options options_;
  std::shared_ptr<Rows> rows_;
};

class PTUTILS_API FashionMNIST : public IdxImages {
 public:
  explicit FashionMNIST(Options options)
      : IdxImages("FashionMNIST", std::move(options)) {}
  std::string class_name() const override {
    return "ptutils.data.FashionMNIST";
  }
  std::vector<std::string> classes() const override;
};
class PTUTILS_API MNIST : public IdxImages {
 public:
  explicit MNIST(Options options) : IdxImages("MNIST", std::move(options)) {}
  std::string class_name() const override { return "ptutils.data.MNIST"; }
  std::vector<std::string> classes() const override;
};

/// How the files are fetched (bindings install Python's urllib; a C++ process
/// without it gets an error that says what to download where).
using Fetcher = std::function<void(const std::string& url,
                                   const std::filesystem::path& to)>;
PTUTILS_API void set_fetcher(Fetcher fetcher);

}  // namespace ptutils::data
