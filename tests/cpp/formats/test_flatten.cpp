#include <limits>

#include "formats/random_value.h"
#include "formats/support.h"
#include "ptutils/formats/flatten.h"
#include "ptutils/formats/json_text.h"

using namespace ptutils;
using namespace ptutils::testing;

namespace {

Value again(const Value& value) {
  const Flat flat = flatten(value);
  return unflatten(flat.skeleton, [&](const std::string& name) {
    for (const auto& [known, tensor] : flat.tensors)
      if (known == name) return tensor.clone();
    FAIL("asked for ", name);
    return Tensor();
  });
}

Value read_skeleton(const std::string& text) {
  return unflatten(text, [](const std::string&) { return Tensor(); });
}

Value nested(int levels, bool tuple) {
  Value value = 1;
  for (int i = 0; i < levels; ++i) value = Value::list({value}, tuple);
  return value;
}

}  // namespace

TEST_CASE("flatten and unflatten are inverse") {
  for (unsigned seed = 0; seed < 300; ++seed) {
    const Value value = RandomValue(seed).value(3);
    CAPTURE(seed);
    CAPTURE(value.repr(2000));
    CHECK(again(value).identical(value));
  }
}

TEST_CASE("tensors are named by their path") {
  const Tensor weight = Tensor::zeros({2, 2});
  const Value value =
      Dict{{"model", Dict{{"net", Value::list({Dict{{"weight", weight}}})}}}};
  const Flat flat = flatten(value);
  REQUIRE(flat.tensors.size() == 1);
  CHECK(flat.tensors[0].first == "model.net.0.weight");
  CHECK(flat.skeleton == R"({"version":3,"value":{"model":{"net":[)"
                         R"({"$tensors":["native","weight","f32"]}]}}})");
  CHECK(flatten(Value::list({weight})).skeleton ==
        R"({"version":3,"value":[{"$tensor":["0","f32","native"]}]})");
  CHECK(flatten(weight).tensors[0].first == "value");
}

TEST_CASE("names are unique and safe") {
  Dict inner;
  inner.set("b", Tensor::zeros({1}));
  Dict value;
  value.set("a.b", Tensor::zeros({1}));
  value.set("a", inner);
  value.set("../x\n", Tensor::zeros({1}));
  value.set("__ptutils__", Tensor::zeros({1}));
  value.set(std::string(3000, 'n'), Tensor::zeros({1}));
  const Flat flat = flatten(value);
  CHECK(flat.tensors[0].first == "a.b");
  CHECK(flat.tensors[1].first == "a.b~1");
  CHECK(flat.tensors[2].first == ".._x_");
  CHECK(flat.tensors[3].first == "__ptutils__~1");
  CHECK(flat.tensors[4].first.size() == 1000);
  CHECK(again(value).identical(value));
}

TEST_CASE("dicts of tensors of every kind come back") {
  Tensor numpy = Tensor::zeros({2});
  numpy.origin = Origin::kNumpy;
  Tensor scalar = Tensor::zeros({});
  scalar.origin = Origin::kNumpy;
  scalar.numpy_scalar = true;
  Dict mixed{{"a", numpy}, {"b", Tensor::zeros({1}, DType::kBF16)}};
  mixed.set("c", scalar);
  mixed.set("again", numpy);
  mixed.set("odd/name", Tensor::zeros({3}));
  mixed.set(std::string(3000, 'n'), Tensor::zeros({1}));
  for (DictKind kind : {DictKind::kPlain, DictKind::kState, DictKind::kOrdered,
                        DictKind::kConfiguration}) {
    mixed.kind = kind;
    CHECK(again(mixed).identical(mixed));
    const Value inside = Dict{{"x", Value::list({mixed, mixed})}};
    CHECK(again(inside).identical(inside));
  }
  mixed.set("$dollar", numpy);
  mixed.set(std::int64_t{7}, numpy);
  CHECK(again(mixed).identical(mixed));
}

TEST_CASE("one tensor in two places is stored once and shared again") {
  const Tensor tied = Tensor::of<float>({1, 2}, {2});
  Tensor other_origin = tied;
  other_origin.origin = Origin::kTorch;
  const Value value = Dict{{"a", tied}, {"b", tied}, {"c", other_origin}};
  CHECK(flatten(value).tensors.size() == 2);
  const Value back = again(value);
  CHECK(back.identical(value));
  const Dict& dict = back.as_dict();
  CHECK(dict.at("a").as_tensor().bytes() == dict.at("b").as_tensor().bytes());
  CHECK(dict.at("a").as_tensor().bytes() != dict.at("c").as_tensor().bytes());
  // A view of the same memory in another layout is another tensor.
  const Tensor square = Tensor::zeros({2, 2});
  CHECK(flatten(Value::list({square, square.transpose(0, 1)})).tensors.size() ==
        2);
}

TEST_CASE("every special value has one key that begins with $") {
  const auto skeleton = [](const Value& value) {
    const std::string text = flatten(value).skeleton;
    return text.substr(21, text.size() - 22);
  };
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(skeleton(1.0) == "1.0");
  CHECK(skeleton(1e22) == "1.0e+22");
  CHECK(skeleton(-0.0) == "-0.0");
  CHECK(skeleton(inf) == R"({"$float":"inf"})");
  CHECK(skeleton(std::bit_cast<double>(0x7ff8000000000001ull)) ==
        R"({"$float":"nan:7ff8000000000001"})");
  CHECK(skeleton(std::complex<double>(1, -inf)) ==
        R"({"$complex":[1.0,{"$float":"-inf"}]})");
  CHECK(skeleton(BigInt{"9223372036854775808"}) ==
        R"({"$int":"9223372036854775808"})");
  CHECK(skeleton(Bytes{"abc"}) == R"({"$bytes":"YWJj"})");
  CHECK(skeleton(Time{5, std::nullopt}) == R"({"$time":[5,null]})");
  CHECK(skeleton(Time{5, 3600}) == R"({"$time":[5,3600]})");
  CHECK(skeleton(Value::list({1}, true)) == R"({"$tuple":[1]})");
  CHECK(skeleton(Dict{{"$gt", 1}}) == R"({"$dict":[["$gt",1]]})");
  Dict state{{"a", 1}};
  state.kind = DictKind::kState;
  CHECK(skeleton(state) == R"({"$state":{"a":1}})");
  state.set(std::int64_t{3}, 2);
  CHECK(skeleton(state) == R"({"$state":[["a",1],[3,2]]})");
}

TEST_CASE("what no file holds is refused, with its path") {
  const auto refused = [](const Value& value) {
    return message_of(Kind::kType, [&] { flatten(value, "x.npz"); });
  };
  std::string message =
      refused(Dict{{"model", Value::list({1, a_function()})}});
  CHECK_CONTAINS(message, "[flatten] x.npz: 'model.1' is of type function");
  message = refused(Dict{{"name", "\xff"}});
  CHECK_CONTAINS(message, "'name': the text is not UTF-8");
  message = refused(Dict{{"a", Dict{{"\xed\xa0\x80", 1}}}});
  CHECK_CONTAINS(message, "'a': a key is not UTF-8");
  CHECK_CONTAINS(refused(BigInt{"12"}), "BigInt '12'");
}

TEST_CASE("the depth limit holds both ways") {
  for (bool tuple : {false, true}) {
    const Value deepest = nested(kMaxDepth, tuple);
    CHECK(again(deepest).identical(deepest));
    CHECK_CONTAINS(
        message_of(Kind::kType, [&] { flatten(nested(kMaxDepth + 1, tuple)); }),
        "deeper than 500");
  }
  const std::string deep = R"({"version":1,"value":)" + std::string(501, '[') +
                           std::string(501, ']') + "}";
  message_of(Kind::kFormat, [&] { read_skeleton(deep); });
}

TEST_CASE("a malformed skeleton is an error that says where") {
  const auto error = [](const std::string& value) {
    return message_of(Kind::kFormat, [&] {
      read_skeleton(R"({"version":1,"value":)" + value + "}");
    });
  };
  CHECK_CONTAINS(error(R"({"a":[{"$bytes":"x"}]})"), "at 'a.0' has $bytes");
  for (const char* bad : {R"({"$what":1})",
                          R"({"$int":"12"})",
                          R"({"$int":12})",
                          R"({"$float":"nan:7ff0000000000000"})",
                          R"({"$float":1.0})",
                          R"({"$complex":[1,2]})",
                          R"({"$time":[1]})",
                          R"({"$time":[1,9999999999]})",
                          R"({"$tuple":{}})",
                          R"({"$dict":[[1,2],[1,3]]})",
                          R"({"$dict":[[1]]})",
                          R"({"$dict":[[null,1]]})",
                          R"({"$a":1,"b":2})",
                          R"({"$tensors":["numpy"]})",
                          R"({"$tensors":["numpy","x"]})",
                          R"({"$tensors":["numpy","x","f99"]})",
                          R"({"$tensors":["mars","x","f32"]})",
                          R"({"$tensors":["numpy","x","f32","x","f32"]})",
                          R"({"$tensors":["numpy",1,"f32"]})",
                          R"({"$tensors":{"x":"f32"}})",
                          R"({"$tensor":["x"]})",
                          R"({"$tensor":["x","f32","mars"]})",
                          R"({"$tensor":["x","float32","numpy"]})",
                          R"({"$tensor":["x","f64","numpy"]})",
                          R"({"$tensor":["x","f32","numpy","sc"]})",
                          R"({"$tensor":"x"})",
                          R"({"$bytes":"YWI"})",
                          R"({"$bytes":"YWJ="})"})
    CHECK_MESSAGE(error(bad).find("[unflatten] the skeleton at ") == 0, bad);
  CHECK_CONTAINS(
      message_of(Kind::kFormat,
                 [&] { read_skeleton(R"({"version":4,"value":1})"); }),
      "newer ptutils");
  for (const char* bad :
       {"", "1", "{}", R"({"version":1})", R"({"value":1})",
        R"({"version":0,"value":1})", R"({"version":1,"value":1,"x":2})"})
    message_of(Kind::kFormat, [&] { read_skeleton(bad); });
}
