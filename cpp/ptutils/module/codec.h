#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ptutils/module/value.h"

namespace ptutils {

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
  /// Malformed content is Kind::kFormat: "[codec] FILE: what, where".
  virtual Value read(const std::filesystem::path& path) const = 0;
  /// Exact, or refuses (Kind::kType, naming the path inside the value and the
  /// reason) before the file is touched. Atomic.
  virtual void write(const std::filesystem::path& path, const Value& value,
                     bool durable) const = 0;
};

PTUTILS_API void add_codec(std::shared_ptr<Codec> codec);
PTUTILS_API const std::vector<std::shared_ptr<Codec>>& codecs();
/// By suffix; Kind::kValue lists the known ones.
PTUTILS_API const Codec& codec_for_writing(const std::filesystem::path& path);
/// By content, the suffix deciding among formats without a signature.
PTUTILS_API const Codec& codec_for_reading(const std::filesystem::path& path);

/// Reads any known file. A file that we wrote comes back as it was; one that
/// others wrote as its tensors (Origin::kNumpy; bf16 native) and values.
PTUTILS_API Value read(const std::filesystem::path& path);
/// Writes by suffix, atomically.
PTUTILS_API void save(const std::filesystem::path& path, const Value& value,
                      bool durable = true);

}  // namespace ptutils
