#pragma once

#include <string>
#include <string_view>

#include "ptutils/formats/records.h"
#include "ptutils/module/value.h"

namespace ptutils::data::detail {

/// What becomes of a record's, or a feature's, bytes.
struct RecordFormat {
  enum class As { kAny, kBytes, kText, kImage, kNumbers, kArray };
  As as = As::kAny;
  DType dtype{};
  Dims shape;  // of kArray
};

/// null, "bytes", "text", "image", a dtype's name, or [dtype, [size, …]] (one
/// may be -1). Kind::kType, Kind::kValue for anything else.
RecordFormat record_format(const Value& given, const std::string& where);

/// Bytes that lie in record i. kNumbers is no format of theirs.
Value decode_record(const RecordFormat& format, const Records& records,
                    std::int64_t i, std::string_view bytes);

}  // namespace ptutils::data::detail
