#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "ptutils/tensor/tensor.h"

namespace ptutils::detail {

/// By content: the two bytes that every gzip member begins with.
bool is_gzip(std::span<const std::byte> bytes);

struct Unpacked {
  std::shared_ptr<Storage> storage;
  std::size_t size = 0;  ///< bytes of it in use
};

/// Every member of a gzip file, checksums verified. Memory is bounded by what
/// deflate can reach (1032 times the file). Malformed: Kind::kFormat, beginning
/// with `prefix`.
Unpacked unpack_gzip(std::span<const std::byte> bytes, std::string_view prefix);

/// A file as memory: its map, or what a gzip file holds.
std::shared_ptr<Storage> map_or_unpack(const std::filesystem::path& path,
                                       std::string_view prefix);

}  // namespace ptutils::detail
