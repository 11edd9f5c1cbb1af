#include <algorithm>

#include "ptutils/common/log.h"
#include "ptutils/formats/detail/gzip.h"
#include "ptutils/formats/detail/record_index.h"
#include "ptutils/formats/detail/tensor_io.h"
#include "ptutils/formats/detail/tfrecord.h"
#include "ptutils/formats/flatten.h"
#include "ptutils/formats/records.h"
#include "ptutils/formats/tf_example.h"
#include "ptutils/module/codec.h"

namespace ptutils {
namespace {

class TfrecordRecords final : public Records {
 public:
  explicit TfrecordRecords(const std::filesystem::path& path)
      : Records("tfrecord", path) {
    memory_ = detail::map_file(path);
    auto scanned = [this] { return scan(); };
    if (!detail::is_gzip({memory_->data(), memory_->bytes()})) {
      positions_ = detail::indexed(
          path, scanned, [this](const auto& kept) { return fit(kept); });
      check_last();
      return;
    }
    memory_ = detail::map_or_unpack(path, str("[tfrecord] ", path_, ": "));
    positions_ = scan();
    check_last();
  }
  Record at(std::int64_t i) const override {
    return {{},
            detail::record_bytes(rest(position(i)), [&] { return where(i); })};
  }
  std::string label(std::int64_t i) const override {
    return label(i, position(i));
  }

 private:
  std::string label(std::int64_t i, std::size_t at) const {
    return str(path_, ": record ", i, " (at byte ", at, ")");
  }
  /// An index may be another file's all the same, of this size and time.
  std::string_view rest(std::size_t at) const {
    return text().substr(std::min(at, text().size()));
  }
  /// Where a record's end cannot be found, those before it are good: it is the
  /// last one, and at() says what is wrong with it.
  detail::Positions scan() const {
    detail::Positions out;
    try {
      for (std::size_t at = 0; at < text().size();) {
        out.push_back(at);
        const std::uint64_t length = detail::record_length(rest(at), [&] {
          return str("[tfrecord] ",
                     label(static_cast<std::int64_t>(out.size()) - 1, at),
                     ": ");
        });
        at += detail::kRecordHead + length + detail::kRecordFoot;
      }
    } catch (const Error&) {
      if (out.size() == 1) throw;
    }
    return out;
  }
  /// Some of the records begin and end there, the first and the last among
  /// them.
  bool fit(const detail::Positions& kept) const {
    constexpr std::size_t kLooks = 64;
    if (kept.empty()) return text().empty();
    if (kept[0] != 0) return false;
    const std::size_t last = kept.size() - 1;
    for (std::size_t look = 0; look <= kLooks; ++look) {
      const std::size_t i = last * look / kLooks;
      const std::size_t end = i < last ? kept[i + 1] : text().size();
      try {
        const auto length =
            detail::record_length(rest(kept[i]), [] { return std::string(); });
        if (kept[i] + detail::kRecordHead + length + detail::kRecordFoot != end)
          return false;
      } catch (const Error&) {
        return false;
      }
    }
    return true;
  }
  void check_last() const {
    if (positions_.empty()) return;
    const std::int64_t last = size() - 1;
    try {
      detail::record_length(rest(position(last)), [&] { return where(last); });
    } catch (const Error& error) {
      log::warning(error.what(), "; ", last,
                   " records before it are there, those behind it are not "
                   "found");
    }
  }
};

bool holds_a_tfrecord_value(std::string_view file, const std::string& where) {
  if (file.empty()) return false;
  int ours = 0, others = 0;
  try {
    for_each_feature(detail::record_bytes(file, [&] { return where; }), where,
                     [&](std::string_view name, std::string_view) {
                       ++(name == kSkeletonName ? ours : others);
                     });
  } catch (const Error& error) {
    if (error.kind() != Kind::kFormat) throw;
    return false;  // a damaged record of several, which may be left out
  }
  return ours == 1 && others == 0;
}

/// By bisection: keys are in the order of their bytes.
bool holds_an_lmdb_value(const std::filesystem::path& path) {
  const auto records = lmdb_records(path);
  std::int64_t low = 0, high = records->size();
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    const std::string_view key = records->at(middle).key;
    if (key == kSkeletonName) return true;
    if (key < kSkeletonName)
      low = middle + 1;
    else
      high = middle;
  }
  return false;
}

}  // namespace

std::shared_ptr<Records> tfrecord_records(const std::filesystem::path& path) {
  return std::make_shared<TfrecordRecords>(path);
}

std::string tfrecord_of(const TfExample& example) {
  const std::string record = serialize_example(example);
  auto number = [](auto value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof value);
  };
  const std::string length = number(std::uint64_t{record.size()});
  return str(length, number(detail::masked_crc(length)), record,
             number(detail::masked_crc(record)));
}

bool holds_a_value(const std::filesystem::path& path) {
  const std::string format = codec_for_reading(path).name();
  if (format == "lmdb") return holds_an_lmdb_value(path);
  if (format != "tfrecord") return false;
  const auto file = detail::map_file(path);
  return holds_a_tfrecord_value(
      detail::text_of(*file),
      str("[tfrecord] ", path.string(), ": record 0 (at byte 0): "));
}

}  // namespace ptutils
