#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

/// The pages of an LMDB data file, as its versions 0.9 write them on 64-bit
/// little-endian machines; private to formats.
///
/// Pages 0 and 1 each begin with a Meta, the newer of which counts. A tree's
/// branch and leaf pages hold nodes, whose offsets follow the page's header; a
/// value too large for a leaf lies in overflow pages of its own.
namespace ptutils::detail::lmdb {

inline constexpr std::uint32_t kMagic = 0xBEEFC0DE;
inline constexpr std::uint32_t kDataVersion = 1;
inline constexpr std::uint64_t kNoPage = ~std::uint64_t{0};
inline constexpr std::size_t kMetas = 2;
inline constexpr std::size_t kPageSize = 4096;  // of what we write
inline constexpr std::size_t kSmallestPage = 256;
inline constexpr std::size_t kLargestPage = 32768;
inline constexpr unsigned kDeepest = 32;

// Kinds of page.
inline constexpr std::uint16_t kBranch = 0x01;
inline constexpr std::uint16_t kLeaf = 0x02;
inline constexpr std::uint16_t kOverflow = 0x04;
inline constexpr std::uint16_t kMetaPage = 0x08;
inline constexpr std::uint16_t kFixed = 0x20;  // a leaf of equally long keys

// Kinds of node.
inline constexpr std::uint16_t kBig = 0x01;      // a page number, not a value
inline constexpr std::uint16_t kSubtree = 0x02;  // a Tree, not a value
inline constexpr std::uint16_t kDuplicates = 0x04;  // a page or Tree of values

// Kinds of tree.
inline constexpr std::uint16_t kDupSort = 0x04;
inline constexpr std::uint16_t kIntegerKey = 0x08;

struct PageHeader {
  std::uint64_t number;
  std::uint16_t key_size;  // of kFixed
  std::uint16_t flags;
  std::uint16_t lower;  // end of the nodes' offsets
  std::uint16_t upper;  // begin of the nodes

  /// Of kOverflow, which has no nodes.
  std::uint32_t pages() const {
    return lower | static_cast<std::uint32_t>(upper) << 16;
  }
};

struct Node {
  std::uint16_t low;  // the value's size; a child's page
  std::uint16_t high;
  std::uint16_t flags;  // a child's page, continued
  std::uint16_t key_size;

  std::uint32_t size() const {
    return low | static_cast<std::uint32_t>(high) << 16;
  }
  std::uint64_t page() const {
    return size() | static_cast<std::uint64_t>(flags) << 32;
  }
};

struct Tree {
  std::uint32_t pad;  // the page size, in Meta::free
  std::uint16_t flags;
  std::uint16_t depth;
  std::uint64_t branches;
  std::uint64_t leaves;
  std::uint64_t overflows;
  std::uint64_t entries;
  std::uint64_t root;
};

struct Meta {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint64_t address;
  std::uint64_t map_size;
  Tree free;
  Tree main;
  std::uint64_t last_page;
  std::uint64_t transaction;
};

static_assert(sizeof(PageHeader) == 16 && sizeof(Node) == 8 &&
              sizeof(Tree) == 48 && sizeof(Meta) == 136);

/// A record of bytes that are known to be there, aligned or not.
template <class Record>
Record load(std::string_view bytes, std::size_t at) {
  Record record;
  std::memcpy(&record, bytes.data() + at, sizeof record);
  return record;
}

inline std::uint64_t overflow_pages(std::uint64_t size, std::size_t page_size) {
  return (sizeof(PageHeader) + size + page_size - 1) / page_size;
}

}  // namespace ptutils::detail::lmdb
