#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "ptutils/tensor/tensor.h"

namespace ptutils::data::detail {

/// By content: the two bytes that every gzip member begins with.
bool is_gzip(std::span<const std::byte> bytes);

struct Unpacked {
  std::shared_ptr<Storage> storage;
  std::size_t size = 0;  ///< bytes of it in use
};

/// Every member of a gzip file, checksums verified. Memory is bounded by what
/// deflate can reach (1032 times the file). Malformed: Kind::kFormat.
Unpacked unpack_gzip(std::span<const std::byte> bytes,
                     const std::filesystem::path& path);

}  // namespace ptutils::data::detail
