#include <cstring>

#include "formats/support.h"

using namespace ptutils;
using namespace ptutils::testing;

namespace {

std::string file_of(const std::string& header, std::size_t data) {
  const std::uint64_t length = header.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 8);
  return out + header + std::string(data, '\1');
}

Value read_bytes(const std::string& bytes) {
  TempDir dir;
  spill(dir / "a.safetensors", bytes);
  return codec("safetensors").read(dir / "a.safetensors");
}

std::string error_of(const std::string& header, std::size_t data) {
  return message_of(Kind::kFormat, [&] { read_bytes(file_of(header, data)); });
}

}  // namespace

TEST_CASE("a file of others is a flat dict of NumPy tensors") {
  const Value value = read_bytes(
      file_of(R"({"__metadata__":{"format":"pt"},)"
              R"("b.w":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]},)"
              R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
              R"("c":{"dtype":"C64","shape":[0],"data_offsets":[8,8]}}  )",
              8));
  const Dict& dict = value.as_dict();
  CHECK(dict.keys() == std::vector<std::string>{"b.w", "a", "c"});
  CHECK(dict.at("a").as_tensor().origin == Origin::kNumpy);
  CHECK(dict.at("a").as_tensor().shape().empty());
  CHECK(dict.at("b.w").as_tensor().dtype() == DType::kBF16);
  CHECK(dict.at("b.w").as_tensor().origin == Origin::kNative);
  CHECK(dict.at("c").as_tensor().dtype() == DType::kC64);
}

TEST_CASE("a malformed header says which tensor and what") {
  const auto entry = [](const char* name, const char* dtype, const char* shape,
                        const char* offsets) {
    return str("\"", name, "\":{\"dtype\":\"", dtype, "\",\"shape\":", shape,
               ",\"data_offsets\":", offsets, "}");
  };
  const auto header = [](const std::string& entries) {
    return "{" + entries + "}";
  };
  const std::string a = entry("a", "F32", "[1]", "[0,4]");
  CHECK_CONTAINS(error_of(header(entry("a", "F32", "[2]", "[0,8]")), 7),
                 "tensor 'a': ends at byte 8");
  CHECK_CONTAINS(error_of(header(entry("a", "F32", "[2]", "[0,4]")), 4),
                 "has 4 bytes, its shape and dtype want 8");
  CHECK_CONTAINS(error_of(header(entry("a", "F4", "[2]", "[0,4]")), 4),
                 "has the dtype 'F4'; known are BOOL U8");
  CHECK_CONTAINS(error_of(header(a + "," + a), 4), "'a' is there twice");
  CHECK_CONTAINS(
      error_of(header(a + "," + entry("b", "F32", "[1]", "[2,6]")), 6),
      "inside the one before");
  CHECK_CONTAINS(
      error_of(header(a + "," + entry("b", "F32", "[1]", "[8,12]")), 12),
      "after a gap");
  CHECK_CONTAINS(error_of(header(a), 9), "5 bytes behind the last tensor");
  CHECK_CONTAINS(
      error_of(header(entry("a", "F32", "[4294967296,4294967296,4294967296]",
                            "[0,4]")),
               4),
      "overflow");
  CHECK_CONTAINS(
      error_of(header(entry("a", "F32", "[0,9223372036854775807]", "[0,0]")),
               0),
      "overflow");
  CHECK_CONTAINS(error_of(header(entry("a", "BOOL", "[1]", "[0,1]")), 0),
                 "truncated");
  error_of(header(entry("a", "F32", "[-1]", "[0,4]")), 4);
  error_of(header(entry("a", "F32", "[1.0]", "[0,4]")), 4);
  error_of(header(entry("a", "F32", "1", "[0,4]")), 4);
  error_of(header(entry("a", "F32", "[1]", "[4,0]")), 4);
  error_of(header(entry("a", "F32", "[1]", "[0]")), 4);
  error_of(header("\"a\":3"), 0);
  error_of(header("\"a\":{}"), 0);
  error_of(header("\"a\":[[[[[[]]]]]]"), 0);
  error_of("[]", 0);
  error_of(header("\"__metadata__\":{\"x\":1}"), 0);
  error_of(header("\"__metadata__\":{\"__ptutils__\":\"{}\"}"), 0);
  CHECK_CONTAINS(error_of(header("\"__metadata__\":{\"__ptutils__\":"
                                 R"("{\"version\":9,\"value\":1}"})"),
                          0),
                 "newer ptutils");
  CHECK_CONTAINS(error_of(header("\"__metadata__\":{\"__ptutils__\":"
                                 R"("{\"version\":1,\"value\":1}"},)" +
                                 a),
                          4),
                 "holds 'a', which its skeleton does not name");
}

TEST_CASE("a header above 100 MB is refused before it is read") {
  std::string bytes = file_of("{}", 0);
  const std::uint64_t length = 100'000'001;
  std::memcpy(bytes.data(), &length, 8);
  CHECK_CONTAINS(message_of(Kind::kFormat, [&] { read_bytes(bytes); }),
                 "at most 100000000");
}

TEST_CASE("a bool that is neither 0 nor 1 is an error") {
  std::string bytes =
      file_of(R"({"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}})", 1);
  CHECK(read_bytes(bytes).as_dict().at("a").as_tensor().data<bool>()[0]);
  bytes.back() = '\2';
  CHECK_CONTAINS(message_of(Kind::kFormat, [&] { read_bytes(bytes); }),
                 "tensor 'a': a bool is neither 0 nor 1 but 2");
}

TEST_CASE("tensors are views of the mapped file, each aligned") {
  TempDir dir;
  const Value value = Dict{{"b", Tensor::zeros({3}, DType::kU8)},
                           {"z", Tensor::zeros({3}, DType::kC128)},
                           {"f", Tensor::zeros({3}, DType::kF32)}};
  codec("safetensors").write(dir / "x", value, {.durable = false});
  const Value back = codec("safetensors").read(dir / "x");
  const Dict& dict = back.as_dict();
  CHECK(dict.at("b").as_tensor().storage() ==
        dict.at("f").as_tensor().storage());
  CHECK(dict.at("z").as_tensor().aligned());
  CHECK(dict.keys() == std::vector<std::string>{"b", "z", "f"});
}
