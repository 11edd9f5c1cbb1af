#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "module/check.h"
#include "ptutils/module/value.h"

using namespace ptutils;

namespace {

struct Thing : Opaque {
  std::string type_name() const override { return "test.Thing"; }
};

double nan_with(std::uint64_t payload) {
  return std::bit_cast<double>(0x7ff8000000000000ull | payload);
}

Value nested(int depth) {
  Value v = 1;
  for (int i = 0; i < depth; ++i) {
    if (i % 2) {
      Dict d;
      d.set("k", std::move(v));
      v = std::move(d);
    } else {
      List l;
      l.items.push_back(std::move(v));
      v = std::move(l);
    }
  }
  return v;
}

}  // namespace

TEST_CASE("a Value takes 40 bytes") { CHECK(sizeof(Value) == 40); }

TEST_CASE("each type says its name and gives its content") {
  CHECK(Value().is_null());
  CHECK(Value(true).as_bool());
  CHECK(Value(7).as_int() == 7);
  CHECK(Value(1.5f).as_double() == 1.5);
  CHECK(Value(3).as_double() == 3);
  CHECK(Value(std::complex<double>(1, 2)).as_complex().imag() == 2);
  CHECK(Value("text").as_string() == "text");
  CHECK(Value(Bytes{"a\0b"}).is_bytes());
  CHECK(Value(Time{5, 3600}).as_time().utc_offset == 3600);
  CHECK(Value(Tensor::zeros({2})).as_tensor().numel() == 2);
  CHECK(Value::list({1, "two", 3.0}).as_list().items.size() == 3);
  CHECK(Value(Dict{{"a", 1}}).as_dict().at("a").as_int() == 1);
  CHECK(Value(std::make_shared<Thing>()).is_opaque());
  CHECK(Value(Dict()).type_name() == "dict");
  CHECK(Value(BigInt{"1"}).type_name() == "bigint");
}

TEST_CASE("an unsigned integer beyond int64 becomes a BigInt") {
  CHECK(Value(std::numeric_limits<std::uint64_t>::max()).as_bigint().digits ==
        "18446744073709551615");
  CHECK(Value(std::uint64_t{9223372036854775807u}).as_int() ==
        std::numeric_limits<std::int64_t>::max());
  CHECK(Value(std::numeric_limits<std::int64_t>::min()).is_int());
}

TEST_CASE("a wrong type is an error with the place and the value") {
  CHECK_ERROR(Value("abc").as_double("model.lr"), Kind::kType,
              "[model.lr] a number, not 'abc' (string)");
  CHECK_ERROR(Value(true).as_int("n"), Kind::kType, "an integer, not true");
  CHECK_ERROR(Value(1.0).as_int("n"), Kind::kType, "not 1.0 (double)");
  CHECK_ERROR(Value().as_dict("model"), Kind::kType, "a dict, not null");
}

TEST_CASE("a dict keeps the order of insertion, small and indexed") {
  for (int n : {0, 1, 8, 9, 10, 1000}) {
    Dict d;
    for (int i = n; i > 0; --i) d.set(str("key", i), i);
    CHECK(d.size() == static_cast<std::size_t>(n));
    int expected = n;
    bool ordered = true;
    for (const auto& [key, value] : d)
      ordered &= value.as_int() == expected-- &&
                 to_string(key) == str("key", value.as_int());
    CHECK(ordered);
    for (int i = 1; i <= n; ++i) CHECK(d.at(str("key", i)).as_int() == i);
    CHECK(d.find("key0") == nullptr);
    CHECK(!d.contains(""));
  }
}

TEST_CASE("an index stays right through changes") {
  Dict d;
  for (int i = 0; i < 50; ++i) d[str(i)] = i;
  CHECK(d.find("49")->as_int() == 49);
  d["49"] = -1;
  CHECK(d.size() == 50);
  CHECK(d.erase("10"));
  CHECK(!d.erase("10"));
  CHECK(d.find("10") == nullptr);
  CHECK(d.find("49")->as_int() == -1);
  CHECK(d.find("11")->as_int() == 11);
  for (auto& entry : d)
    if (entry.first == Key("12")) entry.first = "twelve";
  CHECK(d.find("12") == nullptr);
  CHECK(d.find("twelve")->as_int() == 12);
  Dict copy = d;
  copy["new"] = 1;
  CHECK(!d.contains("new"));
  CHECK(copy.find("30")->as_int() == 30);
  Dict moved = std::move(copy);
  CHECK(copy.empty());
  CHECK(copy.find("30") == nullptr);
  copy["again"] = 1;
  CHECK(copy.size() == 1);
  CHECK(moved.find("new")->as_int() == 1);
  for (int i = 0; i < 5000; ++i) moved[str("x", i)] = i;
  CHECK(moved.find("x4999")->as_int() == 4999);
  CHECK(moved.find("new")->as_int() == 1);
}

TEST_CASE("an integer key is not the text of it") {
  for (int n : {2, 40}) {
    Dict d;
    for (int i = 0; i < n; ++i) d.set(i, i);
    d.set("1", "text");
    CHECK(d.find(Key(std::int64_t{1}))->as_int() == 1);
    CHECK(d.find("1")->as_string() == "text");
    CHECK(d.size() == static_cast<std::size_t>(n) + 1);
    CHECK(d.find("0") == nullptr);
    d[Key(std::int64_t{-5})] = 5;
    CHECK(d.erase(Key(std::int64_t{1})));
    CHECK(d.find("1") != nullptr);
    CHECK(to_string(Key(std::int64_t{-5})) == "-5");
  }
}

TEST_CASE("a missing key is an error with the nearest names") {
  Dict d{{"learning_rate", 1}, {"momentum", 2}};
  CHECK_ERROR(d.at("learing_rate"), Kind::kKey,
              "no key 'learing_rate'; did you mean learning_rate?");
}

TEST_CASE("repeated names in a dict literal: the last value, the first place") {
  Dict d{{"a", 1}, {"b", 2}, {"a", 3}};
  CHECK(d.size() == 2);
  CHECK(d.begin()->second.as_int() == 3);
}

TEST_CASE("copies are deep, tensors are handles, clone separates them") {
  Value v = Dict{{"l", Value::list({1, 2})}, {"t", Tensor::zeros({2})}};
  Value copy = v;
  copy.set_path("l.0", 9);
  CHECK(v.find_path("l.0")->as_int() == 1);
  copy.find_path("t")->as_tensor().data<float>()[0] = 5;
  CHECK(v.find_path("t")->as_tensor().data<float>()[0] == 5);
  Value apart = v.clone();
  CHECK(apart.identical(v));
  apart.find_path("t")->as_tensor().data<float>()[0] = 6;
  CHECK(v.find_path("t")->as_tensor().data<float>()[0] == 5);
}

TEST_CASE("a clone keeps tied tensors tied") {
  Tensor weight = Tensor::zeros({3});
  Value v = Dict{{"in", weight},
                 {"out", weight},
                 {"other", Tensor::zeros({3})},
                 {"part", weight.slice(0, 0, 2)}};
  Value c = v.clone();
  auto at = [&](const char* name) {
    return c.find_path(name)->as_tensor().bytes();
  };
  CHECK(at("in") == at("out"));
  CHECK(at("in") != weight.bytes());
  CHECK(at("in") != at("other"));
  CHECK(at("in") != at("part"));
}

TEST_CASE("a value may be assigned from inside itself") {
  Value v = Value::list({Value::list({"inner text beyond the small buffer"})});
  v = v.as_list().items[0];
  v = std::move(v.as_list().items[0]);
  CHECK(v.as_string() == "inner text beyond the small buffer");
  Dict d{{"a", Dict{{"b", "another text beyond the small buffer"}}}};
  d = std::move(d.find("a")->as_dict());
  CHECK(d.at("b").is_string());
  Dict e{{"a", Dict{{"b", 1}}}};
  e = e.find("a")->as_dict();
  CHECK(e.at("b").as_int() == 1);
  Value w = Dict{{"x", 1}};
  Value& same = w;
  w = same;
  w = std::move(same);
  CHECK(w.is_dict());
}

TEST_CASE("a moved-from value is null, and usable") {
  Value v = Dict{{"a", 1}};
  Value taken = std::move(v);
  CHECK(v.is_null());
  Value copy = v;
  v = 3;
  CHECK(v.as_int() == 3);
  CHECK(taken.is_dict());
}

TEST_CASE("identical compares types, order and bits") {
  double nan1 = nan_with(1), nan2 = nan_with(2);
  CHECK(Value(nan1).identical(nan1));
  CHECK(!Value(nan1).identical(nan2));
  CHECK(!Value(0.0).identical(-0.0));
  CHECK(!Value(1).identical(1.0));
  CHECK(!Value(1).identical(true));
  CHECK(!Value("a").identical(Bytes{"a"}));
  CHECK(Value(std::complex<double>(nan1, 0))
            .identical(std::complex<double>(nan1, 0)));
  CHECK(!Value(std::complex<double>(0, 0.0))
             .identical(std::complex<double>(0, -0.0)));
  CHECK(!Value(Time{1, {}}).identical(Time{1, 0}));
  CHECK(!Value::list({1}).identical(Value::list({1}, true)));
  CHECK(!Value::list({1}).identical(Value::list({1, 2})));
  CHECK(!Value(Dict{{"a", 1}, {"b", 2}}).identical(Dict{{"b", 2}, {"a", 1}}));
  Dict text, number;
  text.set("1", 0);
  number.set(1, 0);
  CHECK(!Value(text).identical(number));
  Dict ordered = text;
  ordered.kind = DictKind::kOrdered;
  CHECK(!Value(text).identical(ordered));
  auto thing = std::make_shared<Thing>();
  CHECK(Value(thing).identical(Value(thing)));
  CHECK(!Value(thing).identical(Value(std::make_shared<Thing>())));
}

TEST_CASE("tensors are identical to the bit, with their origin") {
  Value a = Tensor::of<double>({nan_with(3), 0.0}, {2});
  CHECK(a.identical(Tensor::of<double>({nan_with(3), 0.0}, {2})));
  CHECK(!a.identical(Tensor::of<double>({nan_with(4), 0.0}, {2})));
  CHECK(!a.identical(Tensor::of<double>({nan_with(3), -0.0}, {2})));
  Tensor other = Tensor::of<double>({nan_with(3), 0.0}, {2});
  other.origin = Origin::kNumpy;
  CHECK(!a.identical(other));
}

TEST_CASE("a path goes through dicts, lists and keys with dots") {
  Dict state;
  state.set(0, Dict{{"step", 4}});
  Value v = Dict{{"model", Dict{{"optimizer", Dict{{"lr", 0.1}}}}},
                 {"callbacks", Value::list({Dict{{"func", "NaNDetector"}}})},
                 {"a.b", Dict{{"c", 1}}},
                 {"a", Dict{{"b", Dict{{"d", 2}}}}},
                 {"state", state}};
  CHECK(v.find_path("model.optimizer.lr")->as_double() == 0.1);
  CHECK(v.find_path("callbacks.0.func")->as_string() == "NaNDetector");
  CHECK(v.find_path("a.b.c")->as_int() == 1);
  CHECK(v.find_path("a.b.d")->as_int() == 2);
  CHECK(v.find_path("state.0.step")->as_int() == 4);
  CHECK(v.find_path("") == &v);
  for (const char* none :
       {"model.x", "callbacks.1", "callbacks.-1", "callbacks.00", "a.b.c.d",
        "model.", ".model", ".", "..", "model..optimizer"})
    CHECK_MESSAGE(v.find_path(none) == nullptr, none);
}

TEST_CASE("set_path replaces, and makes dicts on the way") {
  Value v;
  v.set_path("a.b.c", 1);
  v.set_path("a.b.d", 2);
  CHECK(v.identical(Dict{{"a", Dict{{"b", Dict{{"c", 1}, {"d", 2}}}}}}));
  v.set_path("a.b", Value::list({1, Dict()}));
  v.set_path("a.b.1.x", 5);
  CHECK(v.find_path("a.b.1.x")->as_int() == 5);
  CHECK_ERROR(v.set_path("a.b.0.x", 5), Kind::kType,
              "[a.b.0] is 1 (int), neither a dict nor a list; it has no 'x'");
  CHECK_ERROR(v.set_path("a.b.2", 5), Kind::kIndex,
              "[a.b] no position '2' in a list of 2");
  Value dotted = Dict{{"x.y", Dict()}};
  dotted.set_path("x.y.z", 1);
  CHECK(dotted.identical(Dict{{"x.y", Dict{{"z", 1}}}}));
  Value wrong = 3;
  CHECK_ERROR(wrong.set_path("a", 1), Kind::kType, "is 3 (int)");
}

TEST_CASE("repr is one line, and is cut") {
  Dict d{{"a", 1}, {"b", Value::list({1.0, 1e300, true, nullptr}, true)}};
  d.set(3, "it's\n\t\\");
  CHECK(Value(d).repr() ==
        R"({'a': 1, 'b': (1.0, 1e+300, true, null), 3: 'it\'s\n\t\\'})");
  CHECK(Value(Bytes{std::string("a\0\xff", 3)}).repr() == R"(b'a\x00\xff')");
  CHECK(Value(std::nan("")).repr() == "nan");
  CHECK(Value(-std::numeric_limits<double>::infinity()).repr() == "-inf");
  CHECK(Value(std::complex<double>(1, -2)).repr() == "(1-2j)");
  CHECK(Value(Tensor::zeros({2, 3})).repr() == "tensor(f32, (2, 3))");
  CHECK(Value(Tensor::scalar_of<std::int64_t>(4)).repr() == "tensor(i64, 4)");
  CHECK(Value(std::make_shared<Thing>()).repr() == "<test.Thing>");
  CHECK(Value::list({1}, true).repr() == "(1,)");
  CHECK(Value(Time{0, {}}).repr() == "1970-01-01T00:00:00");
  CHECK(Value(Time{1709210096000001, -19800}).repr() ==
        "2024-02-29T12:34:56.000001-05:30");
  CHECK(Value(Time{-1, 0}).repr() == "1969-12-31T23:59:59.999999+00:00");
  CHECK(Value(std::string(500, 'x')).repr(10) == "'xxxxxxxxx…");
  CHECK(Value("ööööö").repr(4) == "'ö…");
  CHECK(Value(List{std::vector<Value>(100000, 1), false}).repr(20).size() < 30);
}

TEST_CASE("a deeply nested value is destroyed without deep recursion") {
  { Value v = nested(100000); }
  Value v = nested(100000);
  v = 1;
  Value moved = nested(1000);
  Value taken = std::move(moved);
  CHECK(taken.repr(10).size() < 20);
  {
#if defined(__SANITIZE_ADDRESS__)
    constexpr int kDepth = 1000;  // a copy recurses, and frames are large there
#else
    constexpr int kDepth = 10000;
#endif
    Value copy = nested(kDepth);
    Value again = copy;
  }
}

TEST_CASE("values destroyed by an error are destroyed once") {
  for (int i = 0; i < 3; ++i) {
    try {
      Value v = nested(300);
      v.as_int("x");
    } catch (const Error&) {
    }
  }
  CHECK(Value(nested(3)).repr() == "[{'k': [1]}]");
}
