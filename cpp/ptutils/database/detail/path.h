#pragma once

#include <functional>
#include <string_view>

#include "ptutils/module/value.h"

/// Private to this folder.
namespace ptutils::detail {

/// Takes an element of a path, nullptr for a missing one; true ends the walk.
using Visit = std::function<bool(const Value*)>;

/// Visits what a dotted path means in `value`, as MongoDB's matcher does: lists
/// in the middle of the path are entered (their dicts, and the position that a
/// numeric step names), a list at its end gives its elements, then itself
/// (expand=false: only itself). True when a visit returned true.
bool walk_path(const Value& value, std::string_view path, bool expand,
               const Visit& visit);

/// The longest prefix of `path` ("a.b" of "a.b.c") that is a key of `dict`, as
/// its length; 0 when there is none.
std::size_t matching_prefix(const Dict& dict, std::string_view path,
                            const Value** found);

/// `path` without its first `length` characters and the dot after them.
std::string_view rest_of(std::string_view path, std::size_t length);

/// The non-negative integer that is all of `text`.
std::optional<std::int64_t> parse_position(std::string_view text);

}  // namespace ptutils::detail
