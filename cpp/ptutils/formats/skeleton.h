#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "ptutils/common/export.h"
#include "ptutils/module/value.h"

/// A Value as natural JSON types only, and back, exactly:
///
///     null, bool, int, finite double, string   themselves
///     list                                     array
///     dict (plain, string keys without '$')    object
///     NaN, infinities   {"$float": "nan:7ff8000000000001" | "inf" | "-inf"}
///     BigInt            {"$int": "18446744073709551616"}
///     complex           {"$complex": [re, im]}
///     Bytes             {"$bytes": "base64"}
///     Time              {"$time": [microseconds, offset | null, fold?]}
///     tuple             {"$tuple": [...]}
///     other dicts       {"$dict" | "$state" | "$config" | "$ordered" |
///                        "$counter": {...} | [[key, value], ...]}
///     Tensor            {"$tensor": what the caller makes of it}
///     dict of tensors   {"$tensors": [origin, key, how, key, how…]} where the
///                       caller keeps tensors by name; how is a dtype for a
///                       tensor of that origin that is named by its path, else
///                       its "$tensor"
namespace ptutils {

/// Containers inside containers that a Value may have in a file.
inline constexpr int kMaxDepth = 500;
/// The nesting of JSON that such a Value may take.
inline constexpr int kMaxSkeletonDepth = 3 * kMaxDepth + 8;

/// The payload of "$tensor". `name` is the tensor's path
/// ("model.net.0.weight"), made unique; `again` says that this very tensor
/// (same memory, layout, dtype, origin) had that name before.
using TensorEncoder =
    std::function<Value(const Tensor&, const std::string& name, bool again)>;
/// Keeps a tensor under its name; its "$tensor" is then
/// [name, dtype, "numpy" | "torch" | "native", "scalar"?].
using TensorKeeper =
    std::function<void(const Tensor&, const std::string& name)>;
/// The tensor (or Deferred) of a payload, with its origin; `where` makes the
/// prefix of messages.
using TensorDecoder = std::function<Value(
    const Value& payload, const std::function<std::string()>& where)>;

/// Kind::kType, naming the path, for what no file can hold: Opaque, text that
/// is not UTF-8, nesting above kMaxDepth. `where` (a file) begins the message.
PTUTILS_API Value encode_value(const Value& value, const TensorEncoder& tensors,
                               std::string_view where = {});
/// The same with tensors kept by name. `pack`: with "$tensors".
PTUTILS_API Value encode_value(const Value& value, const TensorKeeper& keep,
                               std::string_view where = {}, bool pack = true);
/// Kind::kFormat when it is not what encode_value makes.
PTUTILS_API Value decode_value(const Value& encoded,
                               const TensorDecoder& tensors,
                               std::string_view where = {});

}  // namespace ptutils
