#include <doctest/doctest.h>

#include <string>

#include "ptutils/common/error.h"
#include "ptutils/common/regex.h"

using ptutils::Error;
using ptutils::Kind;
using ptutils::Regex;

namespace {

bool found(const char* pattern, std::string_view text,
           std::string_view options = "") {
  return Regex(pattern, options, "here", "field").search(text);
}

std::string error_in(const char* pattern, std::string_view text,
                     std::string_view options = "") {
  try {
    found(pattern, text, options);
  } catch (const Error& error) {
    CHECK(error.kind() == Kind::kValue);
    return error.what();
  }
  return "no error";
}

bool begins(const std::string& text, std::string_view with) {
  CAPTURE(text);
  return text.starts_with(with);
}

}  // namespace

TEST_CASE("a regular expression is found anywhere, by code points") {
  CHECK(found("b.d", "abcd"));
  CHECK_FALSE(found("^b", "abcd"));
  CHECK(found("^.$", "\xC3\xA9"));
  CHECK(found("", ""));
  CHECK(found("(?<twice>ab)\\k<twice>", "xabab"));
  CHECK(found("É", "é", "i"));
  CHECK(found("^b$", "a\nb\nc", "m"));
  CHECK(found("a.b", "a\nb", "s"));
  CHECK_FALSE(found("a.b", "a\nb"));
}

TEST_CASE("bytes that are not UTF-8 match nothing and hide nothing") {
  CHECK(found("b", "\xff\xfe b"));
  CHECK_FALSE(found("a.b", "a\xff\x62"));
}

TEST_CASE("a wrong regular expression says where it is wrong") {
  CHECK(begins(error_in("a(", ""),
               "[here] field: 'a(' is not a regular expression: missing "
               "closing parenthesis (at character 2)"));
  CHECK(begins(error_in("a", "", "q"), "[here] field: $options takes i, m"));
  CHECK(begins(error_in("((a{1000}){1000}){1000}", ""), "[here] field: '((a{"));
}

TEST_CASE("what a search may cost is bounded") {
  std::string text(200'000, 'a');
  CHECK(found("^(a|b)*$", text));
  CHECK_FALSE(found("(a|b)*z", text.substr(0, 200)));
  for (std::string pattern :
       {"(a|b)*[xyz]", "^(a+)+[xy]", "([a-z_]+)+[XY]", "[a-z]+[XY]",
        "(a*)\\1[xy]", "(?<=a{60000})a?[yz]"}) {
    CAPTURE(pattern);
    CHECK(error_in(pattern.c_str(), text)
              .find("takes too long on a text of 200000") != std::string::npos);
  }
}
