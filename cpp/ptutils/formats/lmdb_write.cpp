#include <algorithm>

#include "ptutils/formats/detail/lmdb.h"

namespace ptutils::detail {

using lmdb::kPageSize;
using lmdb::Meta;
using lmdb::Node;
using lmdb::PageHeader;
using lmdb::Tree;

namespace {

constexpr std::size_t kRoom = kPageSize - sizeof(PageHeader);
// LMDB's rule: what would not fit into a page twice goes to overflow pages.
constexpr std::size_t kLargestNode = (kRoom / 2 & ~std::size_t{1}) - 2;
constexpr std::uint16_t kOneFile = 0x4000;  // MDB_NOSUBDIR

std::size_t even(std::size_t size) { return (size + 1) & ~std::size_t{1}; }

template <class Record>
void append_record(FileWriter& file, const Record& record) {
  file.write(std::as_bytes(std::span(&record, 1)));
}

Node make_node(std::uint64_t number, std::size_t key_size) {
  return {static_cast<std::uint16_t>(number),
          static_cast<std::uint16_t>(number >> 16),
          static_cast<std::uint16_t>(number >> 32),
          static_cast<std::uint16_t>(key_size)};
}

/// A page's header, the offsets of nodes of these sizes, and the free space
/// before them.
void begin_page(FileWriter& file, std::uint64_t number, std::uint16_t kind,
                const std::vector<std::size_t>& nodes) {
  std::size_t at = kPageSize;
  for (std::size_t size : nodes) at -= size;
  const std::size_t lower =
      sizeof(PageHeader) + nodes.size() * sizeof(std::uint16_t);
  append_record(file,
                PageHeader{number, 0, kind, static_cast<std::uint16_t>(lower),
                           static_cast<std::uint16_t>(at)});
  const std::size_t gap = at - lower;
  for (std::size_t size : nodes) {
    append_record(file, static_cast<std::uint16_t>(at));
    at += size;
  }
  file.zeros(gap);
}

}  // namespace

LmdbWriter::LmdbWriter(std::vector<Entry> entries)
    : entries_(std::move(entries)) {
  levels_.push_back(leaves());
  while (levels_.back().size() > 1) levels_.push_back(branches(levels_.back()));
  for (const Level& level : levels_) tree_pages_ += level.size();
  for (std::size_t i = 0; i < entries_.size(); ++i)
    if (is_big(i))
      overflow_pages_ += lmdb::overflow_pages(entries_[i].size, kPageSize);
}

bool LmdbWriter::is_big(std::size_t entry) const {
  const auto& [key, size] = entries_[entry];
  return sizeof(Node) + key.size() + size > kLargestNode;
}

std::size_t LmdbWriter::leaf_node(std::size_t entry) const {
  const auto& [key, size] = entries_[entry];
  return even(sizeof(Node) + key.size() +
              (is_big(entry) ? sizeof(std::uint64_t) : size));
}

LmdbWriter::Level LmdbWriter::leaves() const {
  Level out;
  std::size_t room = 0;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const std::size_t size = leaf_node(i) + sizeof(std::uint16_t);
    if (size > room) {
      out.push_back({i, i, i});
      room = kRoom;
    }
    room -= size;
    out.back().end = i + 1;
  }
  return out;
}

LmdbWriter::Level LmdbWriter::branches(const Level& below) const {
  Level out;
  std::size_t room = 0;
  for (std::size_t i = 0; i < below.size(); ++i) {
    const std::string& key = entries_[below[i].first].key;
    const std::size_t size =
        even(sizeof(Node) + key.size()) + sizeof(std::uint16_t);
    if (size > room) {
      out.push_back({i, i, below[i].first});
      room = kRoom;
    }
    room -= size;
    out.back().end = i + 1;
  }
  // A branch has two children at least.
  Range& last = out.back();
  if (out.size() > 1 && last.end - last.begin == 1) {
    --out[out.size() - 2].end;
    last.first = below[--last.begin].first;
  }
  return out;
}

Meta LmdbWriter::meta(std::uint64_t transaction) const {
  Meta out{};
  out.magic = lmdb::kMagic;
  out.version = lmdb::kDataVersion;
  const std::uint64_t pages = lmdb::kMetas + tree_pages_ + overflow_pages_;
  out.map_size = pages * kPageSize;
  out.free.pad = kPageSize;
  out.free.flags = kOneFile | lmdb::kIntegerKey;
  out.free.root = lmdb::kNoPage;
  out.main.depth = static_cast<std::uint16_t>(levels_.size());
  out.main.leaves = levels_.front().size();
  out.main.branches = tree_pages_ - out.main.leaves;
  out.main.overflows = overflow_pages_;
  out.main.entries = entries_.size();
  out.main.root = lmdb::kMetas + tree_pages_ - 1;
  out.last_page = pages - 1;
  out.transaction = transaction;
  return out;
}

void LmdbWriter::write_leaf(FileWriter& file, std::uint64_t number,
                            const Range& range, std::uint64_t& overflow,
                            const Put& put) const {
  std::vector<std::size_t> nodes;
  for (std::size_t i = range.begin; i < range.end; ++i)
    nodes.push_back(leaf_node(i));
  begin_page(file, number, lmdb::kLeaf, nodes);
  for (std::size_t i = range.begin; i < range.end; ++i) {
    const auto& [key, size] = entries_[i];
    Node node = make_node(size, key.size());
    node.flags = is_big(i) ? lmdb::kBig : 0;
    append_record(file, node);
    file.write(key);
    std::size_t used = sizeof node + key.size();
    if (is_big(i)) {
      append_record(file, overflow);
      overflow += lmdb::overflow_pages(size, kPageSize);
      used += sizeof overflow;
    } else {
      put(i);
      used += size;
    }
    file.zeros(even(used) - used);
  }
}

/// The first child's key is not stored: all that is smaller goes there too.
void LmdbWriter::write_branch(FileWriter& file, std::uint64_t number,
                              const Range& range, const Level& children,
                              std::uint64_t first_child) const {
  auto key = [&](std::size_t child) -> std::string_view {
    if (child == range.begin) return {};
    return entries_[children[child].first].key;
  };
  std::vector<std::size_t> nodes;
  for (std::size_t i = range.begin; i < range.end; ++i)
    nodes.push_back(even(sizeof(Node) + key(i).size()));
  begin_page(file, number, lmdb::kBranch, nodes);
  for (std::size_t i = range.begin; i < range.end; ++i) {
    append_record(file, make_node(first_child + i, key(i).size()));
    file.write(key(i));
    file.zeros(key(i).size() % 2);
  }
}

void LmdbWriter::write(FileWriter& file, const Put& put) const {
  for (std::size_t i = 0; i < lmdb::kMetas; ++i) {
    append_record(file, PageHeader{i, 0, lmdb::kMetaPage, 0, 0});
    append_record(file, meta(i));
    file.zeros(kPageSize - sizeof(PageHeader) - sizeof(Meta));
  }
  std::uint64_t number = lmdb::kMetas;
  std::uint64_t overflow = lmdb::kMetas + tree_pages_;
  for (const Range& range : levels_[0])
    write_leaf(file, number++, range, overflow, put);
  for (std::size_t l = 1; l < levels_.size(); ++l) {
    const std::uint64_t first_child = number - levels_[l - 1].size();
    for (const Range& range : levels_[l])
      write_branch(file, number++, range, levels_[l - 1], first_child);
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!is_big(i)) continue;
    const std::uint64_t size = entries_[i].size;
    const std::uint64_t pages = lmdb::overflow_pages(size, kPageSize);
    append_record(file, PageHeader{number, 0, lmdb::kOverflow,
                                   static_cast<std::uint16_t>(pages),
                                   static_cast<std::uint16_t>(pages >> 16)});
    put(i);
    file.zeros(pages * kPageSize - sizeof(PageHeader) - size);
    number += pages;
  }
}

}  // namespace ptutils::detail
