#include <libdeflate.h>

#include "formats/support.h"
#include "ptutils/formats/detail/npz.h"

using namespace ptutils;
using namespace ptutils::testing;

namespace {

std::string npy(std::string dict, const std::string& data,
                std::string version = std::string("\1\0", 2)) {
  dict += "\n";
  return "\x93NUMPY" + version + static_cast<char>(dict.size()) + '\0' + dict +
         data;
}

std::string header(const std::string& descr, const std::string& shape,
                   const std::string& fortran = "False") {
  return "{'descr': " + descr + ", 'fortran_order': " + fortran +
         ", 'shape': " + shape + ", }";
}

Value read_bytes(const std::string& format, const std::string& bytes) {
  TempDir dir;
  spill(dir / "a", bytes);
  return codec(format).read(dir / "a");
}

std::string error_of(const std::string& format, const std::string& bytes) {
  return message_of(Kind::kFormat, [&] { read_bytes(format, bytes); });
}

std::string u(std::uint64_t v, int width) {
  std::string out;
  for (int i = 0; i < width; ++i, v >>= 8) out += static_cast<char>(v & 255);
  return out;
}

/// A zip archive by hand, to get each field wrong.
struct Zip {
  std::string bytes;
  std::string directory;
  int count = 0;

  Zip& add(const std::string& name, const std::string& packed, std::size_t size,
           std::uint32_t crc, int method = 0, int flags = 0) {
    const std::string common = u(flags, 2) + u(method, 2) + u(0, 4) +
                               u(crc, 4) + u(packed.size(), 4) + u(size, 4) +
                               u(name.size(), 2) + u(0, 2);
    directory += "PK\1\2" + u(20, 2) + u(20, 2) + common + u(0, 10) +
                 u(bytes.size(), 4) + name;
    bytes += "PK\3\4" + u(20, 2) + common + name + packed;
    ++count;
    return *this;
  }
  Zip& store(const std::string& name, const std::string& data) {
    return add(name, data, data.size(),
               libdeflate_crc32(0, data.data(), data.size()));
  }
  std::string done(const std::string& comment = "") const {
    return bytes + directory + "PK\5\6" + u(0, 4) + u(count, 2) + u(count, 2) +
           u(directory.size(), 4) + u(bytes.size(), 4) + u(comment.size(), 2) +
           comment;
  }
};

std::string deflate(const std::string& data) {
  std::string out(data.size() + 100, '\0');
  auto* c = libdeflate_alloc_compressor(6);
  out.resize(libdeflate_deflate_compress(c, data.data(), data.size(),
                                         out.data(), out.size()));
  libdeflate_free_compressor(c);
  return out;
}

const std::string kTwo =
    npy(header("'<u2'", "(2,)"), std::string("\1\0\2\0", 4));

}  // namespace

TEST_CASE("npy of others: versions, orders, spellings") {
  const Value two = read_bytes("npy", kTwo);
  CHECK(two.as_tensor().data<std::uint16_t>()[1] == 2);
  CHECK(two.as_tensor().origin == Origin::kNumpy);
  const std::string v2 =
      "\x93NUMPY" + std::string("\2\0", 2) + u(50, 4) +
      header("\"<u2\"", "(1L,)").append(50, ' ').substr(0, 50);
  CHECK_CONTAINS(error_of("npy", v2), "header");
  CHECK(read_bytes("npy", npy(header("'|u1'", "()"), "x")).as_tensor().dim() ==
        0);
  const Tensor f =
      read_bytes("npy", npy(header("'|i1'", "(2, 3)", "True"), "abcdef"))
          .as_tensor();
  CHECK(f.shape() == Dims{2, 3});
  CHECK(f.select(0, 0).select(0, 1).item<int>() == 99);  // "c"
  // np.load stops at the end of the array.
  CHECK(read_bytes("npy", kTwo + "more").identical(two));
}

TEST_CASE("arrays that have no tensor are named") {
  const auto error = [](const std::string& descr) {
    return error_of("npy", npy(header(descr, "(1,)"), std::string(64, '\0')));
  };
  CHECK_CONTAINS(error("'>f3'"), "dtype");
  CHECK_CONTAINS(error("'|O'"), "Python objects");
  CHECK_CONTAINS(error("'<U5'"), "text");
  CHECK_CONTAINS(error("'|S5'"), "text");
  CHECK_CONTAINS(error("'<M8[ns]'"), "dates");
  CHECK_CONTAINS(error("'<f16'"), "dtype '<f16'");
  CHECK_CONTAINS(error("[('a', '<f4')]"), "structures");
  CHECK_CONTAINS(error("'|V2'"), "'|V2'");
}

TEST_CASE("malformed npy headers are errors") {
  for (const std::string& bad :
       {std::string(""), std::string("{}"), header("'<f4'", "(-1,)"),
        header("'<f4'", "(1"), header("'<f4'", "(1 2)"), header("'<f4'", "1"),
        header("'<f4'", "(1,)", "0"), header("<f4", "(1,)"),
        header("'<f4'", "(1,)") + "x",
        header("'<f4'", "(99999999999999999999,)"),
        header("'<f4'", "(4294967296, 4294967296, 4294967296)"),
        header("'<f4'", "(0, 9223372036854775807)"),
        std::string("{'descr': '<f4', 'descr': '<f4', 'shape': ()}"),
        std::string(
            "{'descr': '<f4', 'shape': (), 'fortran_order': False, 'x': 1}")})
    error_of("npy", npy(bad, "1234"));
  CHECK_CONTAINS(error_of("npy", npy(header("'<f4'", "(2,)"), "1234567")),
                 "truncated: the shape wants 8 bytes, 7 are there");
  CHECK_CONTAINS(error_of("npy", npy("{}", "", std::string("\4\0", 2))),
                 "version 4.0");
}

TEST_CASE("npy holds one array and says what else to use") {
  TempDir dir;
  CHECK_CONTAINS(message_of(Kind::kType,
                            [&] {
                              codec("npy").write(dir / "a.npy", Dict{},
                                                 {.durable = false});
                            }),
                 "not a dict; save it as .npz");
}

TEST_CASE("npz of others: stored, deflated, bytes, comment") {
  const std::string big =
      npy(header("'|u1'", "(5000,)"), std::string(5000, 'a'));
  Zip zip;
  zip.store("a.npy", kTwo).store("notes.txt", "hello").store("../up.npy", kTwo);
  zip.add("b.npy", deflate(big), big.size(),
          libdeflate_crc32(0, big.data(), big.size()), 8);
  const Value value = read_bytes("npz", zip.done("a comment"));
  const Dict& dict = value.as_dict();
  CHECK(dict.keys() ==
        std::vector<std::string>{"a", "notes.txt", "../up", "b"});
  CHECK(dict.at("notes.txt").identical(Bytes{"hello"}));
  CHECK(dict.at("b").as_tensor().data<std::uint8_t>()[4999] == 'a');
  CHECK(read_bytes("npz", Zip().done()).identical(Dict{}));
}

TEST_CASE("malformed zip archives are errors") {
  const auto error = [](const Zip& zip) { return error_of("npz", zip.done()); };
  const std::uint32_t crc = libdeflate_crc32(0, kTwo.data(), kTwo.size());
  CHECK_CONTAINS(error(Zip().add("a.npy", kTwo, kTwo.size(), crc ^ 1)),
                 "member 'a.npy' is damaged");
  CHECK_CONTAINS(error(Zip().store("a.npy", kTwo).store("a.npy", kTwo)),
                 "'a.npy' is there twice");
  CHECK_CONTAINS(error(Zip().store("a.npy", kTwo).store("a", kTwo)),
                 "'a' is there twice");
  CHECK_CONTAINS(error(Zip().add("a.npy", kTwo, kTwo.size(), crc, 0, 1)),
                 "encrypted");
  CHECK_CONTAINS(error(Zip().add("a.npy", kTwo, kTwo.size(), crc, 12)),
                 "method 12");
  CHECK_CONTAINS(error(Zip().add("a.npy", kTwo, kTwo.size() + 1, crc)),
                 "is stored in");
  CHECK_CONTAINS(error(Zip().add("\xff.npy", kTwo, kTwo.size(), crc)),
                 "not UTF-8");
  CHECK_CONTAINS(error(Zip().store("a.npy", kTwo + "x")),
                 "1 bytes behind the array");
  CHECK_CONTAINS(error(Zip().store("__ptutils__.npy", kTwo)), "no skeleton");
  CHECK_CONTAINS(error_of("npz", Zip().store("a", kTwo).done() + "tail"),
                 "no zip directory");
}

TEST_CASE("a zip bomb is refused by its claim") {
  const std::string packed = deflate(std::string(1000, 'a'));
  CHECK_CONTAINS(
      error_of("npz", Zip().add("a", packed, 0xfffffff0, 0, 8).done()),
      "more than deflate can pack");
  CHECK_CONTAINS(error_of("npz", Zip().add("a", packed, 999, 0, 8).done()),
                 "does not inflate to its 999 bytes");
  CHECK_CONTAINS(error_of("npz", Zip().add("a", packed, 1001, 0, 8).done()),
                 "does not inflate to its 1001 bytes");
  Zip overlapping;  // two entries for the same bytes
  overlapping.store("a", kTwo);
  std::string twin = overlapping.directory;
  twin.back() = 'b';
  overlapping.directory += twin;
  overlapping.count = 2;
  error_of("npz", overlapping.done());
}

TEST_CASE("zip64 records are written and read") {
  TempDir dir;
  const Value value = Dict{{"a", Tensor::of<float>({1, 2}, {2})},
                           {"gr\xC3\xBC\xC3\x9F", Tensor::zeros({3})}};
  detail::write_npz(dir / "x.npz", value, {.durable = false}, true);
  CHECK(codec("npz").read(dir / "x.npz").identical(value));
  const std::string whole = slurp(dir / "x.npz");
  for (std::size_t n = 0; n < whole.size(); ++n)
    error_of("npz", whole.substr(0, n));
}

TEST_CASE("an npz of very many members comes back") {
  Dict value;
  for (int i = 0; i < 70000; ++i)
    value.set(std::int64_t{i},
              i % 10000 ? Value(i) : Value(Tensor::zeros({1})));
  Dict many;
  for (int i = 0; i < 66000; ++i)  // above what a plain zip counts
    many.set(std::int64_t{i}, Tensor::zeros({0}));
  CHECK(there_and_back("npz", value).identical(value));
  CHECK(there_and_back("npz", many).identical(many));
}
