#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "ptutils/data/dataset.h"
#include "ptutils/formats/detail/gzip.h"

namespace ptutils::data {
namespace {

std::optional<DType> dtype_of_code(unsigned code) {
  switch (code) {
    case 0x08:
      return DType::kU8;
    case 0x09:
      return DType::kI8;
    case 0x0b:
      return DType::kI16;
    case 0x0c:
      return DType::kI32;
    case 0x0d:
      return DType::kF32;
    case 0x0e:
      return DType::kF64;
    default:
      return {};
  }
}

std::uint32_t load_be32(const std::byte* p) {
  return std::to_integer<std::uint32_t>(p[0]) << 24 |
         std::to_integer<std::uint32_t>(p[1]) << 16 |
         std::to_integer<std::uint32_t>(p[2]) << 8 |
         std::to_integer<std::uint32_t>(p[3]);
}

struct Header {
  DType dtype = DType::kU8;
  Dims shape;
  std::size_t size = 0;  ///< bytes before the elements
};

Header parse_header(std::span<const std::byte> bytes, const std::string& path) {
  if (bytes.size() < 4)
    fail(Kind::kFormat, "read_idx", path, " has ", bytes.size(),
         " bytes, too few for an IDX header; get the file again");
  auto dtype = dtype_of_code(std::to_integer<unsigned>(bytes[2]));
  if (bytes[0] != std::byte{0} || bytes[1] != std::byte{0} || !dtype)
    fail(Kind::kFormat, "read_idx", path,
         " is no IDX file (its first bytes are not 0, 0 and a type)");
  auto dims = std::to_integer<std::size_t>(bytes[3]);
  Header out{*dtype, {}, 4 + 4 * dims};
  if (bytes.size() < out.size)
    fail(Kind::kFormat, "read_idx", path, " ends in its header (", bytes.size(),
         " of ", out.size, " bytes); get the file again");
  for (std::size_t d = 0; d < dims; ++d)
    out.shape.push_back(load_be32(bytes.data() + 4 + 4 * d));
  return out;
}

/// Elements are big-endian in the file.
void copy_swapped(const std::byte* source, const Tensor& out) {
  std::size_t item = item_size(out.dtype());
  std::byte* to = out.bytes();
  for (std::int64_t i = 0; i < out.numel(); ++i, source += item, to += item)
    std::reverse_copy(source, source + item, to);
}

Tensor parse(const std::shared_ptr<Storage>& storage, std::size_t size,
             const std::string& path) {
  Header header = parse_header({storage->data(), size}, path);
  std::size_t item = item_size(header.dtype);
  std::size_t wanted = 0;
  try {
    wanted =
        item * static_cast<std::size_t>(count_elements(header.shape, item));
  } catch (const Error&) {
    fail(Kind::kFormat, "read_idx", path,
         ": its header gives a shape beyond any memory; get the file again");
  }
  std::size_t have = size - header.size;
  if (have != wanted)
    fail(Kind::kFormat, "read_idx", path,
         have < wanted ? " is cut off: " : ": ", have,
         " bytes of elements where its header gives ", wanted,
         "; get the file again");
  if (item == 1 || std::endian::native == std::endian::big)
    return Tensor::view_bytes(storage, header.dtype, header.shape, header.size)
        .to_contiguous();
  Tensor out = Tensor::empty(header.shape, header.dtype);
  copy_swapped(storage->data() + header.size, out);
  return out;
}

}  // namespace

Tensor read_idx(const std::filesystem::path& path) {
  const auto storage = ptutils::detail::map_or_unpack(
      path, str("[read_idx] ", path.string(), ": "));
  return parse(storage, storage->bytes(), path.string());
}

}  // namespace ptutils::data
