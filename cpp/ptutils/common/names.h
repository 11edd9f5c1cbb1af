#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ptutils/common/export.h"

namespace ptutils {

/// The known names nearest to `name` (Damerau-Levenshtein, case-insensitive
/// hits first), best first, at most `count`; empty when nothing is near.
PTUTILS_API std::vector<std::string> nearest_names(
    std::string_view name, const std::vector<std::string>& known,
    std::size_t count = 3);

/// "; did you mean A or B?" or, when nothing is near, "; known: A, B, C" (cut
/// after 12). Empty when `known` is empty.
PTUTILS_API std::string did_you_mean(std::string_view name,
                                     const std::vector<std::string>& known);

/// "a, b, c" with at most `count` items, then ", … (n more)".
PTUTILS_API std::string join(const std::vector<std::string>& items,
                             std::string_view separator = ", ",
                             std::size_t count = 12);

/// Insertions, deletions, substitutions and swaps of neighbours from one to
/// the other.
PTUTILS_API std::size_t edit_distance(std::string_view a, std::string_view b);

/// Shell-style match as Python's fnmatchcase: `*` any run of characters (dots
/// and slashes too), `?` one, `[a-z_]` one of these, `[!a-z]` one of the
/// others; a `[` that nothing closes stands for itself.
PTUTILS_API bool glob_match(std::string_view pattern, std::string_view text);

/// True for a key that names a secret (token, secret, password, passwd, key as
/// a word: api_key, AWS_SECRET), case-insensitive.
PTUTILS_API bool is_secret_name(std::string_view name);

/// `text` with the password of every URI in it replaced by "***"
/// (mongodb://user:pass@host -> mongodb://user:***@host).
PTUTILS_API std::string hide_uri_passwords(std::string_view text);

/// `text` (a diff, a log) line by line: a line that assigns to a secret name
/// keeps the name and gets "***" for the rest; URI passwords are hidden.
PTUTILS_API std::string hide_secrets(std::string_view text);

}  // namespace ptutils
