// The law of every codec: what is written comes back identical, or is refused
// before the file is touched.
#include <cmath>

#include "formats/random_value.h"
#include "formats/support.h"

using namespace ptutils;
using namespace ptutils::testing;

namespace {

const std::vector<std::string> kWhole = {"json",        "yaml",     "npz",
                                         "safetensors", "tfrecord", "hdf5"};

Value nested(int levels) {
  Value value = Tensor::of<float>({1}, {1});
  for (int i = 0; i < levels; ++i) value = Value::list({value}, i % 2 == 0);
  return value;
}

}  // namespace

TEST_CASE("random values come back identical from every codec") {
  for (const std::string& format : kWhole)
    for (unsigned seed = 0; seed < 150; ++seed) {
      const Value value = RandomValue(seed).value(static_cast<int>(seed % 4));
      CAPTURE(format);
      CAPTURE(seed);
      CAPTURE(value.repr(2000));
      const Value back = there_and_back(format, value);
      CAPTURE(back.repr(2000));
      CHECK(back.identical(value));
    }
}

TEST_CASE("random tensors come back identical from npy") {
  RandomValue random(1);
  for (int i = 0; i < 200; ++i) {
    const Tensor tensor = random.tensor();
    CAPTURE(Value(tensor).repr());
    CHECK(there_and_back("npy", tensor).identical(tensor));
  }
}

TEST_CASE("every dtype, origin and odd shape comes back") {
  for (int d = 0; d < kDTypeCount; ++d)
    for (Origin origin : {Origin::kNative, Origin::kNumpy, Origin::kTorch})
      for (const Dims& shape : {Dims{}, {0}, {3}, {2, 0, 5}, {1, 7}}) {
        Tensor tensor = Tensor::zeros(shape, static_cast<DType>(d));
        for (std::size_t i = 0; i < tensor.nbytes(); ++i)
          tensor.bytes()[i] = static_cast<std::byte>(
              d == 0 ? i % 2 : 0xF1 + 7 * i);  // NaN payloads among them
        tensor.origin = origin;
        CAPTURE(Value(tensor).repr());
        for (const char* format :
             {"json", "yaml", "npy", "npz", "safetensors", "tfrecord", "hdf5"})
          CHECK(there_and_back(format, tensor).identical(tensor));
      }
}

TEST_CASE("tied tensors are tied again") {
  const Tensor tied = Tensor::of<float>({1, 2}, {2});
  for (const std::string& format : kWhole) {
    CAPTURE(format);
    const Value back = there_and_back(
        format, Dict{{"a", tied}, {"b", Value::list({tied}, true)}});
    const Tensor& a = back.as_dict().at("a").as_tensor();
    const Tensor& b = back.as_dict().at("b").as_list().items[0].as_tensor();
    CHECK(a.bytes() == b.bytes());
  }
}

TEST_CASE("strided tensors of several blocks are gathered in order") {
  const std::int64_t side = 1700;  // 11.6 MB
  Tensor square = Tensor::empty({side, side}, DType::kI32);
  for (std::int64_t i = 0; i < side * side; ++i)
    square.data<std::int32_t>()[i] = static_cast<std::int32_t>(i);
  const Value value = square.transpose(0, 1);
  const Value thin =
      square.reshape({1, side * side}).broadcast_to({2, side * side});
  for (const char* format : {"npy", "npz", "safetensors", "tfrecord", "hdf5"}) {
    CHECK(there_and_back(format, value).identical(value));
    CHECK(there_and_back(format, thin).identical(thin));
  }
}

TEST_CASE("a natural value is a natural file") {
  TempDir dir;
  const Value value = Dict{{"lr", 0.001},
                           {"query", Dict{{"$gt", 3}}},
                           {"names", Value::list({"a", nullptr})}};
  codec("json").write(dir / "a.json", value, {.durable = true});
  CHECK(slurp(dir / "a.json") ==
        "{\n  \"lr\": 0.001,\n  \"query\": {\n    \"$gt\": 3\n  },\n"
        "  \"names\": [\n    \"a\",\n    null\n  ]\n}\n");
  codec("yaml").write(dir / "a.yaml", value, {.durable = true});
  CHECK(slurp(dir / "a.yaml") ==
        "lr: 0.001\nquery:\n  \"$gt\": 3\nnames: [a, null]\n");
  for (const char* format : {"json", "yaml"})
    for (const Value& odd :
         {Value(Dict{{"__ptutils__", 1}}), Value(Dict{{"__ptutils__", "x"}}),
          Value(NAN), Value(INFINITY), Value(1), Value(), Value("")})
      CHECK(there_and_back(format, odd).identical(odd));
}

TEST_CASE("the deepest values come back or are refused") {
  for (const std::string& format : kWhole) {
    CAPTURE(format);
    TempDir dir;
    for (int levels : {100, 250, 300, 499, 500, 501, 700}) {
      CAPTURE(levels);
      const Value value = nested(levels);
      bool refused = false;
      try {
        codec(format).write(dir / "x", value, {.durable = false});
      } catch (const Error& error) {
        refused = true;
        CHECK(error.kind() == Kind::kType);
        CHECK_CONTAINS(std::string(error.what()), "deeper than");
      }
      if (!refused) CHECK(codec(format).read(dir / "x").identical(value));
      CHECK(refused == (levels > (format == "yaml" ? 300 : 500)));
    }
  }
}

TEST_CASE("a refused write leaves the old file and no temporary") {
  TempDir dir;
  for (const char* format :
       {"json", "yaml", "npy", "npz", "safetensors", "tfrecord", "hdf5"}) {
    const auto path = dir / (std::string("x.") + format);
    spill(path, "old");
    const Value bad = Dict{{"a", 1}, {"hook", a_function()}};
    const std::string message = message_of(Kind::kType, [&] {
      codec(format).write(path, bad, {.durable = true});
    });
    CHECK_CONTAINS(message,
                   "[" + std::string(format) + "] " + path.string() + ": ");
    CHECK_CONTAINS(message, std::string(format) == "npy" ? ".npz" : "'hook'");
    CHECK(slurp(path) == "old");
  }
  CHECK(dir.files() == 7);
}

TEST_CASE("formats are recognised by their first bytes") {
  TempDir dir;
  const Value value = Tensor::zeros({2});
  for (const char* format : {"npy", "npz", "safetensors", "tfrecord", "hdf5"}) {
    codec(format).write(dir / "x", value, {.durable = false});
    const std::string bytes = slurp(dir / "x");
    for (const auto& other : codecs())
      CHECK(other->recognises(bytes.substr(0, 4096), bytes.size()) ==
            (other->name() == format));
  }
  for (const auto& known : codecs()) {
    CHECK_FALSE(known->recognises("", 0));
    CHECK_FALSE(known->recognises("PK\3\4", 4));
    CHECK_FALSE(known->recognises("{\"a\": 1}", 8));
  }
}

TEST_CASE("tensors outlive the file and the reader") {
  TempDir dir;
  for (const char* format : {"npy", "npz", "safetensors", "tfrecord", "hdf5"}) {
    const auto path = dir / format;
    const Value value = Tensor::of<double>({1, 2, 3}, {3});
    codec(format).write(path, value, {.durable = false});
    const Value back = codec(format).read(path);
    codec(format).write(path, Tensor::zeros({3}, DType::kF64),
                        {.durable = false});
    std::filesystem::remove(path);
    CHECK(back.identical(value));
    back.as_tensor().data<double>()[0] = 5;  // a private page
  }
}
