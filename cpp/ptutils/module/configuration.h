#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "ptutils/module/registry.h"

namespace ptutils {

/// Builds a configuration: any dict with "func" becomes the object of that
/// class, built recursively as func(**dict); other values stay. Errors name the
/// path, the value, and the nearest known names:
/// "[callbacks[0].func] no 'NanDetecter'; did you mean NaNDetector?".
PTUTILS_API Value configure(const Value& config, const BuildContext& context);
/// The same where a Module is wanted.
PTUTILS_API ModulePtr configure_module(const Value& config,
                                       const BuildContext& context);

/// Checks a dict's keys against the known ones: Kind::kKey lists every unknown
/// key with its nearest names.
PTUTILS_API void check_keys(const Dict& dict,
                            const std::vector<std::string>& known,
                            std::string_view where);

/// "a.b=c" -> sets a.b; c is read as a YAML 1.2 core scalar or flow value
/// (through `parse`, since formats are a level up). Kind::kValue without "=";
/// an unknown parent is Kind::kKey with the nearest names.
PTUTILS_API void apply_override(Value& config, std::string_view assignment,
                                Value (*parse)(std::string_view text));

/// One difference of two configurations.
struct Change {
  std::string path;
  Value before;  ///< null when added
  Value after;   ///< null when removed
};
/// Leaf by leaf, in order. Lists are compared by position.
PTUTILS_API std::vector<Change> compare(const Value& before,
                                        const Value& after);
/// Whether a change is of structure (a "func", or a part added or removed), not
/// of a value.
PTUTILS_API bool is_structural(const Change& change);

}  // namespace ptutils
