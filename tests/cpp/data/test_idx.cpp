#include <cstring>

#include "ptutils/common/hash.h"
#include "ptutils/data/detail/md5.h"
#include "support.h"

using namespace test;  // NOLINT(google-build-using-namespace)

namespace {

std::string idx(unsigned code, const std::vector<std::uint32_t>& shape,
                const std::string& elements) {
  std::string out{0, 0, static_cast<char>(code),
                  static_cast<char>(shape.size())};
  for (std::uint32_t size : shape)
    for (int shift : {24, 16, 8, 0}) out += static_cast<char>(size >> shift);
  return out + elements;
}

std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string little_endian(std::size_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

/// One gzip member of one stored block (RFC 1951, 1952).
std::string gzip(const std::string& bytes) {
  REQUIRE(bytes.size() < 65536);
  return std::string("\x1f\x8b\x08\0\0\0\0\0\0\xff\x01", 11) +
         little_endian(bytes.size(), 2) + little_endian(~bytes.size(), 2) +
         bytes + little_endian(ptutils::crc32(as_bytes(bytes)), 4) +
         little_endian(bytes.size(), 4);
}

template <class T>
std::string big_endian(std::vector<T> values) {
  std::string out;
  for (T value : values) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    out.append(std::reverse_iterator(bytes + sizeof(T)),
               std::reverse_iterator(bytes));
  }
  return out;
}

}  // namespace

TEST_CASE("IDX files of every dtype, plain and gz, whatever their name") {
  Folder folder;
  for (bool packed : {false, true}) {
    auto read = [&](const std::string& bytes) {
      return read_idx(folder.write("some.file", packed ? gzip(bytes) : bytes));
    };
    Tensor u8 = read(idx(0x08, {2, 3}, "\x01\x02\x03\x04\x05\xff"));
    CHECK(u8.dtype() == DType::kU8);
    CHECK(u8.shape() == Dims{2, 3});
    CHECK(u8.data<std::uint8_t>()[5] == 255);
    CHECK(read(idx(0x09, {1}, "\xff")).data<std::int8_t>()[0] == -1);
    CHECK(read(idx(0x0b, {2}, big_endian<std::int16_t>({-2, 300})))
              .data<std::int16_t>()[1] == 300);
    CHECK(read(idx(0x0c, {1}, big_endian<std::int32_t>({-70000})))
              .data<std::int32_t>()[0] == -70000);
    CHECK(read(idx(0x0d, {1}, big_endian<float>({1.5F}))).data<float>()[0] ==
          1.5F);
    CHECK(
        read(idx(0x0e, {2}, big_endian<double>({1, 2.25}))).data<double>()[1] ==
        2.25);
    CHECK(read(idx(0x08, {}, "\x07")).item_i64() == 7);
    CHECK(read(idx(0x08, {0, 28}, "")).numel() == 0);
  }
}

TEST_CASE("a gz file of several members, and one padded with zeros") {
  Folder folder;
  std::string bytes = idx(0x08, {5000}, std::string(5000, 'x'));
  std::string parts = gzip(bytes.substr(0, 100)) + gzip(bytes.substr(100));
  CHECK(read_idx(folder.write("parts", parts)).numel() == 5000);
  CHECK(read_idx(folder.write("padded", gzip(bytes) + std::string(512, '\0')))
            .numel() == 5000);
}

TEST_CASE("an IDX file cut at any byte is a clear error") {
  Folder folder;
  std::string plain =
      idx(0x0c, {2, 3}, big_endian<std::int32_t>({1, 2, 3, 4, 5, 6}));
  for (const std::string& whole : {plain, gzip(plain)}) {
    CHECK(read_idx(folder.write("whole", whole)).numel() == 6);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      auto path = folder.write("cut", whole.substr(0, size));
      CHECK_FAILS(read_idx(path), Kind::kFormat, "cut");
    }
  }
}

TEST_CASE("flipped bits are an error or another array, never a crash") {
  Folder folder;
  std::string plain = idx(0x08, {2, 3}, "abcdef");
  for (const std::string& whole : {plain, gzip(plain)})
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
      std::string flipped = whole;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      try {
        Tensor read = read_idx(folder.write("flipped", flipped));
        CHECK(read.numel() <= 24);
      } catch (const ptutils::Error& e) {
        CHECK(e.kind() == Kind::kFormat);
      }
    }
}

TEST_CASE("headers that lie are errors") {
  Folder folder;
  auto read = [&](const std::string& bytes) {
    return read_idx(folder.write("liar", bytes));
  };
  CHECK_FAILS(read(idx(0x08, {~0U, ~0U, ~0U, ~0U}, "x")), Kind::kFormat,
              "beyond any memory");
  CHECK_FAILS(read(idx(0x08, {~0U}, "x")), Kind::kFormat, "4294967295");
  CHECK_FAILS(read(idx(0x08, {2}, "abc")), Kind::kFormat, "3 bytes");
  CHECK_FAILS(read(idx(0x07, {2}, "ab")), Kind::kFormat, "no IDX file");
  CHECK_FAILS(read("PK\x03\x04 a zip file"), Kind::kFormat, "no IDX file");
  std::string bomb = gzip(idx(0x08, {2}, "ab"));
  std::memset(bomb.data() + bomb.size() - 4, 0xff, 4);  // claims 4 GB
  CHECK_FAILS(read(bomb), Kind::kFormat, "gzip");
  CHECK_FAILS(read_idx(folder.path() / "absent"), Kind::kIO, "absent");
}

TEST_CASE("MD5 gives RFC 1321's answers") {
  using ptutils::data::detail::md5_hex;
  CHECK(md5_hex({}) == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(md5_hex(as_bytes("message digest")) ==
        "f96b697d7cb7938d525a2f31aaf161d0");
  CHECK(md5_hex(as_bytes("1234567890123456789012345678901234567890123456789012"
                         "3456789012345678901234567890")) ==
        "57edf4a22be3c955ac49da2e2107b67a");
}
