#include <doctest/doctest.h>

#include "ptutils/common/names.h"

using namespace ptutils;
using Names = std::vector<std::string>;

TEST_CASE("nearest_names finds a mistyped name") {
  Names known = {"images", "labels", "masks"};
  CHECK(nearest_names("imgs", known) == Names{"images"});
  CHECK(nearest_names("lables", known) == Names{"labels"});  // one swap
  CHECK(nearest_names("weights", known).empty());
}

TEST_CASE("nearest_names puts a name that differs by case first") {
  Names known = {"NaNDetectors", "nandetectr", "NaNDetector"};
  CHECK(nearest_names("NanDetector", known).front() == "NaNDetector");
}

TEST_CASE("nearest_names gives at most the count, each name once") {
  Names known = {"aaa1", "aaa2", "aaa2", "aaa3", "aaa4"};
  CHECK(nearest_names("aaa", known, 2) == Names{"aaa1", "aaa2"});
  CHECK(nearest_names("aaa", known, 9).size() == 4);
}

TEST_CASE("nearest_names takes a replaced single letter for no resemblance") {
  CHECK(nearest_names("a", {"b"}).empty());
  CHECK(nearest_names("", {"b", ""}).empty());
  CHECK(nearest_names("A", {"a"}) == Names{"a"});
}

TEST_CASE("nearest_names ignores texts too long for names") {
  std::string text(100000, 'x');
  CHECK(nearest_names(text, {text}).empty());
  CHECK(nearest_names("x", {text}).empty());
}

TEST_CASE("did_you_mean names the near ones, or all") {
  CHECK(did_you_mean("imgs", {"images", "labels"}) == "; did you mean images?");
  CHECK(did_you_mean("ab1", {"ab2", "ab3"}) == "; did you mean ab2 or ab3?");
  CHECK(did_you_mean("ab1", {"ab2", "ab3", "ab4"}) ==
        "; did you mean ab2, ab3 or ab4?");
  CHECK(did_you_mean("zzzzz", {"images", "labels"}) ==
        "; known: images, labels");
  CHECK(did_you_mean("x", {}).empty());
}

TEST_CASE("did_you_mean cuts a long list") {
  Names known;
  for (char c = 'a'; c <= 'z'; ++c) known.push_back(std::string(9, c));
  std::string text = did_you_mean("0", known);
  CHECK(text.ends_with("lllllllll, … (14 more)"));
}

TEST_CASE("glob_match knows sets of characters, as fnmatch does") {
  CHECK(glob_match("layers.[0-3].*", "layers.2.weight"));
  CHECK_FALSE(glob_match("layers.[0-3].*", "layers.4.weight"));
  CHECK(glob_match("[!a-c]x", "dx"));
  CHECK_FALSE(glob_match("[!a-c]x", "bx"));
  CHECK(glob_match("*[12]", "conv1.2"));
  CHECK(glob_match("[]]", "]"));
  CHECK(glob_match("[ä-ü]", "ö"));
  CHECK(glob_match("a[1", "a[1"));  // nothing closes it
  CHECK_FALSE(glob_match("[a]", ""));
}

TEST_CASE("join writes at most the count") {
  CHECK(join({}) == "");
  CHECK(join({"a"}) == "a");
  CHECK(join({"a", "b"}) == "a, b");
  CHECK(join({"a", "b", "c"}, "; ", 2) == "a; b; … (1 more)");
  CHECK(join({"a", "b"}, ", ", 0) == "… (2 more)");
}

TEST_CASE("glob_match matches runs, single characters and plain text") {
  CHECK(glob_match("", ""));
  CHECK(glob_match("*", ""));
  CHECK(glob_match("net.*.weight", "net.0.weight"));
  CHECK(glob_match("*.weight", "a.weight.weight"));
  CHECK(glob_match("a?c", "abc"));
  CHECK(glob_match("**b*", "aab"));
  CHECK_FALSE(glob_match("a?c", "ac"));
  CHECK_FALSE(glob_match("*.bias", "net.weight"));
  CHECK_FALSE(glob_match("net", "net.0"));
  CHECK_FALSE(glob_match("", "x"));
}

TEST_CASE("glob_match takes a UTF-8 character for one") {
  CHECK(glob_match("?", "ä"));
  CHECK(glob_match("x*?y", "xäöy"));
  CHECK_FALSE(glob_match("??", "ä"));
}

TEST_CASE("glob_match of many stars ends soon") {
  std::string pattern, text(5000, 'a');
  for (int i = 0; i < 50; ++i) pattern += "*a";
  CHECK_FALSE(glob_match(pattern + "b", text));
}
