#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ptutils/common/export.h"

/// tf.train.Example (tensorflow/core/example/{example,feature}.proto) in the
/// wire format of protocol buffers, as TFRecord files hold it.
namespace ptutils {

/// A feature's values: bytes_list, float_list, int64_list; empty when the
/// feature has no kind. Bytes point into the parsed text.
using TfFeature = std::variant<std::vector<std::string_view>,
                               std::vector<float>, std::vector<std::int64_t>>;
/// In the order of the file; of a name that is there twice the last.
using TfExample = std::vector<std::pair<std::string_view, TfFeature>>;

/// Bounds-checked; Kind::kFormat, beginning with `prefix`, for text that is no
/// Example. Fields that are not known are skipped, as the format wants it.
PTUTILS_API TfExample parse_example(std::string_view text,
                                    std::string_view prefix);

/// Each feature's name and, as text for parse_feature, what it holds, in the
/// order of the file: for who wants some of them. Errors as of parse_example.
using OnFeature =
    std::function<void(std::string_view name, std::string_view feature)>;
PTUTILS_API void for_each_feature(std::string_view example,
                                  std::string_view prefix,
                                  const OnFeature& visit);
PTUTILS_API TfFeature parse_feature(std::string_view feature,
                                    std::string_view prefix);

/// The inverse, but for the bytes of the last feature when it is a bytes_list
/// of one value with `tail` bytes: they follow the returned text.
PTUTILS_API std::string serialize_example(const TfExample& example,
                                          std::string_view tail_name = {},
                                          std::uint64_t tail = 0);

}  // namespace ptutils
