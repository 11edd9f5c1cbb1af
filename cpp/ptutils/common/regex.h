#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ptutils/common/export.h"

namespace ptutils {

/// A regular expression, as MongoDB has them (PCRE2), over UTF-8 text. What it
/// may cost is bounded, whatever the pattern and the text: neither a hang nor a
/// full stack. Thread-safe once it is made.
class PTUTILS_API Regex {
 public:
  /// options: i (either case), m (^ and $ at every line), s (a dot matches a
  /// line's end). Kind::kValue for another, or a wrong pattern: "[where] what:
  /// '(' is not a regular expression: …".
  Regex(std::string pattern, std::string_view options, std::string where,
        std::string what);
  ~Regex();
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;

  /// Whether it is found anywhere in the text (bytes that are not UTF-8 match
  /// nothing). Kind::kValue when it takes too long: some tens of steps a byte
  /// are allowed, at least ten million.
  bool search(std::string_view text) const;

 private:
  struct Compiled;
  [[noreturn]] void fail_limits(std::size_t bytes) const;

  std::string pattern_, where_, what_;
  std::unique_ptr<const Compiled> compiled_;
};

}  // namespace ptutils
