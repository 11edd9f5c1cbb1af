#pragma once

#include <regex>
#include <string>
#include <string_view>

/// Private to this folder.
namespace ptutils::detail {

/// An ECMAScript regular expression over the code points of UTF-8 text, found
/// anywhere in it. Runs in polynomial time on a bounded stack whatever the text
/// (libstdc++'s breadth-first executor), so a query cannot hang or crash.
/// Kind::kValue for a wrong pattern, naming `where`.
class Regex {
 public:
  Regex(const std::string& pattern, const std::string& options,
        const std::string& where);
  bool search(std::string_view text) const;

 private:
  std::wregex regex_;
};

}  // namespace ptutils::detail
