#include <doctest/doctest.h>

#include <limits>

#include "ptutils/common/error.h"
#include "support.h"

using ptutils::Error;
using ptutils::Kind;

TEST_CASE("str writes numbers so that they read back the same") {
  CHECK(ptutils::str("n=", 3, " x=", 0.1, " f=", 0.1F) == "n=3 x=0.1 f=0.1");
  CHECK(ptutils::str(true, ' ', false) == "true false");
  CHECK(ptutils::str(std::numeric_limits<std::int64_t>::min()) ==
        "-9223372036854775808");
  CHECK(ptutils::str(std::numeric_limits<std::uint64_t>::max()) ==
        "18446744073709551615");
  CHECK(ptutils::str(std::numeric_limits<double>::quiet_NaN()) == "nan");
}

TEST_CASE("fail throws an error with its kind and where it happened") {
  auto failing = [] { ptutils::fail(Kind::kKey, "Here", "no ", 7, " there"); };
  CHECK(test::message_of(failing) == "[Here] no 7 there");
  CHECK(test::kind_of(failing) == static_cast<int>(Kind::kKey));
}

TEST_CASE(
    "an error is a standard runtime_error and keeps its kind when copied") {
  Error error(Kind::kBusy, "in use");
  Error copy = error;
  const std::runtime_error& base = copy;
  CHECK(std::string(base.what()) == "in use");
  CHECK(copy.kind() == Kind::kBusy);
}
