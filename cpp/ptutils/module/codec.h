#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ptutils/module/value.h"

namespace ptutils {

struct ReadOptions {
  /// Compare every checksum that the file has (ours, in the skeleton, and the
  /// format's own); Kind::kFormat names what is damaged.
  bool verify = false;
  /// Tensors that cannot be mapped come as Deferred: their bytes are read when
  /// they are asked for. Mapped ones are lazy by themselves.
  bool lazy = false;
  /// Read it in a forked process with bounded memory and time, so that a crash
  /// of the format's library is an error here (Kind::kFormat). The value
  /// crosses by a temporary file. Honoured by read(path, options), not by a
  /// Codec.
  bool isolate = false;
};

struct WriteOptions {
  bool durable = true;  ///< false skips only the fsyncs
  Dict format = {};     ///< the codec's own choices, by Codec::options()
};

/// A tensor of a file whose bytes are read when it is asked for. It holds what
/// it needs for that (the open file), also when the file is deleted.
class PTUTILS_API Deferred : public Opaque {
 public:
  Deferred(Dims shape, DType dtype, std::function<Tensor()> load)
      : shape_(std::move(shape)), dtype_(dtype), load_(std::move(load)) {}
  /// One that cannot be read: get() throws that error.
  explicit Deferred(const Error& error)
      : dtype_(DType::kU8),
        load_([error]() -> Tensor { throw error; }),
        error_(error.what()) {}
  std::string type_name() const override { return "tensor not yet read"; }
  /// Why it cannot be read; empty where it can.
  const std::string& error() const { return error_; }
  const Dims& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  /// Reads it, once; from any thread.
  Tensor get();

 private:
  Dims shape_;
  DType dtype_;
  std::function<Tensor()> load_;
  std::string error_;
  std::mutex mutex_;
  std::optional<Tensor> read_;
};

/// One file format. State and Session name no implementation: formats/
/// registers them (register_formats), users add theirs with add_codec.
class PTUTILS_API Codec {
 public:
  virtual ~Codec();
  virtual std::string name() const = 0;                   ///< "safetensors"
  virtual std::vector<std::string> suffixes() const = 0;  ///< ".safetensors"
  /// Whether the first bytes (up to 4096) of a file of `size` bytes are this
  /// format's. Text formats without a signature answer false.
  virtual bool recognises(std::string_view head, std::size_t size) const = 0;
  /// What `write` takes beside `durable`: names in WriteOptions::format.
  virtual std::vector<std::string> options() const { return {}; }
  /// Malformed content is Kind::kFormat: "[codec] FILE: what, where".
  virtual Value read(const std::filesystem::path& path,
                     const ReadOptions& options = {}) const = 0;
  /// Exact, or refuses (Kind::kType, naming the path inside the value and the
  /// reason) before the file is touched. Atomic.
  virtual void write(const std::filesystem::path& path, const Value& value,
                     const WriteOptions& options = {}) const = 0;
  /// The text that others put beside the value: names and strings, without
  /// reading tensors. Kind::kType for formats that have none.
  virtual Dict metadata(const std::filesystem::path& path) const;
};

PTUTILS_API void add_codec(std::shared_ptr<Codec> codec);
PTUTILS_API const std::vector<std::shared_ptr<Codec>>& codecs();
/// By suffix; Kind::kValue lists the known ones. Kind::kKey for an option that
/// the format does not have.
PTUTILS_API const Codec& codec_for_writing(const std::filesystem::path& path,
                                           const WriteOptions& options = {});
/// By content, the suffix deciding among formats without a signature.
PTUTILS_API const Codec& codec_for_reading(const std::filesystem::path& path);

/// Reads any known file. A file that we wrote comes back as it was; one that
/// others wrote as its tensors (Origin::kNumpy; bf16 native) and values.
PTUTILS_API Value read(const std::filesystem::path& path,
                       const ReadOptions& options = {});
/// Codec::metadata of any known file.
PTUTILS_API Dict read_metadata(const std::filesystem::path& path);
/// Writes by suffix, atomically.
PTUTILS_API void save(const std::filesystem::path& path, const Value& value,
                      const WriteOptions& options = {});

}  // namespace ptutils
