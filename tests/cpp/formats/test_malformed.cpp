// Whatever bytes a file holds: a value, or Kind::kFormat, soon.
#include <cstring>

#include "formats/random_value.h"
#include "formats/support.h"
#include "ptutils/formats/flatten.h"

using namespace ptutils;
using namespace ptutils::testing;

namespace {

const std::vector<std::string> kFormats = {
    "json", "yaml", "npy", "npz", "tfrecord", "safetensors", "hdf5"};

Value sample(const std::string& format) {
  Tensor half = Tensor::of<float>({1, 2, 3, 4}, {2, 2});
  half.origin = Origin::kTorch;
  if (format == "npy") return half;
  Dict inner{{"w", half}, {"same", half}, {"z", std::complex<double>(1, 2)}};
  inner.set(std::int64_t{3}, Tensor::zeros({3}, DType::kBool));
  return Dict{{"a", inner},
              {"c", Tensor::zeros({2}, DType::kC128)},
              {"t", Value::list({Bytes{"xyz"}, 1.5, nullptr}, true)}};
}

/// True when it reads; an error other than a clear one fails the test.
bool reads(const Codec& codec, const std::filesystem::path& path) {
  try {
    const Value value = codec.read(path);
    flatten(value);  // whatever came is whole
    return true;
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK_MESSAGE(error.kind() == Kind::kFormat, message);
    CHECK_MESSAGE(message.find("[" + codec.name() + "] " + path.string()) == 0,
                  message);
    return false;
  }
}

}  // namespace

TEST_CASE("a file cut at any byte is an error") {
  TempDir dir;
  for (const std::string& format : kFormats) {
    const auto path = dir / format;
    codec(format).write(path, sample(format), {.durable = false});
    const std::string whole = slurp(path);
    REQUIRE(reads(codec(format), path));
    // A text format may lose its last line feed; YAML, which has no end, lines.
    const std::size_t end = whole.size() - (format == "json" ? 1 : 0);
    for (std::size_t n = 0; n < end; ++n) {
      CAPTURE(format);
      CAPTURE(n);
      spill(path, std::string_view(whole).substr(0, n));
      const bool ok = reads(codec(format), path);
      CHECK((!ok || format == "yaml"));
    }
  }
}

TEST_CASE("flipped bits give an error or a value") {
  TempDir dir;
  std::mt19937 random(7);
  for (const std::string& format : kFormats) {
    CAPTURE(format);
    const auto path = dir / format;
    codec(format).write(path, sample(format), {.durable = false});
    const std::string whole = slurp(path);
    for (int i = 0; i < 2000; ++i) {
      std::string damaged = whole;
      for (unsigned n = 1 + random() % 3; n > 0; --n)
        damaged[random() % damaged.size()] ^=
            static_cast<char>(1 << random() % 8);
      spill(path, damaged);
      reads(codec(format), path);
    }
  }
}

TEST_CASE("random bytes after a signature are an error") {
  TempDir dir;
  std::mt19937 random(11);
  const std::string signatures[] = {
      "",
      "{",
      "\x93NUMPY\x01",
      std::string("\x93NUMPY\x01\x00\x20\x00{", 11),
      "PK\3\4",
      std::string("PK\5\6", 4) + std::string(18, '\0'),
      std::string("\x10\0\0\0\0\0\0\0{", 9)};
  for (const std::string& format : kFormats)
    for (const std::string& signature : signatures)
      for (int i = 0; i < 60; ++i) {
        std::string bytes = signature;
        for (unsigned n = random() % 100; n > 0; --n)
          bytes += static_cast<char>(random());
        spill(dir / "x", bytes);
        reads(codec(format), dir / "x");
      }
}

TEST_CASE("a missing file is an I/O error that names it") {
  for (const std::string& format : kFormats)
    CHECK_CONTAINS(
        message_of(Kind::kIO, [&] { codec(format).read("/nowhere/x"); }),
        "/nowhere/x");
}
