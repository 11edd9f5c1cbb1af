#include <atomic>
#include <bit>

#include "ptutils/formats/detail/lmdb.h"
#include "ptutils/formats/detail/where.h"

namespace ptutils::detail {

using lmdb::load;
using lmdb::Meta;
using lmdb::Node;
using lmdb::PageHeader;
using lmdb::Tree;

namespace {

constexpr int kTries = 100;  // a Meta is written in no time

bool same_meta(const Meta& a, const Meta& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

}  // namespace

LmdbReader::LmdbReader(std::string_view bytes, std::string prefix)
    : bytes_(bytes), prefix_(std::move(prefix)), meta_(newest_meta()) {
  page_size_ = meta_.free.pad;
  if (bytes_.size() / page_size_ < lmdb::kMetas)
    malformed(prefix_, "truncated: ", bytes_.size(), " bytes, less than two ",
              "pages of ", page_size_);
  taken_.resize(bytes_.size() / page_size_);
  taken_[0] = taken_[1] = true;
}

Meta LmdbReader::read_meta(std::size_t page, std::size_t page_size) const {
  const std::size_t at = page * page_size;
  if (bytes_.size() < at + sizeof(PageHeader) + sizeof(Meta))
    malformed(prefix_, "truncated: ", bytes_.size(), " bytes end in page ",
              page);
  // LMDB 1.0's page headers are 8 bytes longer.
  if (load<std::uint32_t>(bytes_, at + 24) == lmdb::kMagic)
    malformed(prefix_, "a database of LMDB 1.0, whose files neither this ",
              "reader nor LMDB 0.9 knows; copy it by its mdb_dump and the ",
              "mdb_load of LMDB 0.9");
  const auto header = load<PageHeader>(bytes_, at);
  Meta meta = load<Meta>(bytes_, at + sizeof header);
  if (meta.magic != lmdb::kMagic || !(header.flags & lmdb::kMetaPage))
    malformed(prefix_, "page ", page, " is no LMDB head (of a 64-bit, ",
              "little-endian machine)");
  if (meta.version != lmdb::kDataVersion)
    malformed(prefix_, "version ", meta.version, " of LMDB's data format; ",
              lmdb::kDataVersion, " is known");
  const std::size_t size = meta.free.pad;
  if (!std::has_single_bit(size) || size < lmdb::kSmallestPage ||
      size > lmdb::kLargestPage || (page > 0 && size != page_size))
    malformed(prefix_, "pages of ", size, " bytes");
  return meta;
}

/// Read again while another process writes one of the two.
Meta LmdbReader::newest_meta() const {
  for (int i = 0;; ++i) {
    const Meta first = read_meta(0, 0);
    const Meta second = read_meta(1, first.free.pad);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const Meta& newest =
        second.transaction > first.transaction ? second : first;
    if (i == kTries || (same_meta(first, read_meta(0, 0)) &&
                        same_meta(second, read_meta(1, first.free.pad))))
      return newest;
  }
}

/// The pages that transaction n + 1 no longer uses, n + 3 may write on, which
/// begins once n + 2 is there.
bool LmdbReader::overtaken() const {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return newest_meta().transaction - meta_.transaction > 1;  // no overflow
}

void LmdbReader::check_pages(std::uint64_t first, std::uint64_t count) const {
  if (first >= taken_.size() || count > taken_.size() - first)
    malformed(prefix_, "page ", first, count > 1 ? " and those behind it" : "",
              ": the file ends at page ", taken_.size(), "; is it truncated?");
}

void LmdbReader::take(std::uint64_t first, std::uint64_t count) {
  check_pages(first, count);
  for (std::uint64_t page = first; page < first + count; ++page) {
    if (taken_[page]) malformed(prefix_, "page ", page, " is used twice");
    taken_[page] = true;
  }
}

/// A page, or the part of one that holds a key's duplicates.
LmdbReader::Page LmdbReader::parse_page(std::string_view bytes,
                                        std::uint64_t number) const {
  Page page{bytes, {}, 0};
  if (bytes.size() < sizeof(PageHeader))
    malformed(prefix_, "page ", number, " has no room for its header");
  page.header = load<PageHeader>(bytes, 0);
  if (page.is(lmdb::kBranch) == page.is(lmdb::kLeaf) ||
      page.is(lmdb::kOverflow | lmdb::kMetaPage))
    malformed(prefix_, "page ", number, " is neither branch nor leaf");
  const std::size_t lower = page.header.lower;
  if (lower < sizeof(PageHeader) || lower > page.header.upper ||
      page.header.upper > bytes.size())
    malformed(prefix_, "page ", number, " has impossible bounds");
  page.count = (lower - sizeof(PageHeader)) / sizeof(std::uint16_t);
  return page;
}

LmdbReader::Page LmdbReader::open_page(std::uint64_t number) {
  take(number, 1);
  const Page page =
      parse_page(bytes_.substr(number * page_size_, page_size_), number);
  if (page.header.number != number)
    malformed(prefix_, "page ", number, " says that it is page ",
              page.header.number);
  return page;
}

/// Nodes lie apart, so that a page does not give more than it holds.
void LmdbReader::for_each_node(const Page& page, const OnNode& visit) const {
  std::size_t left = page.bytes.size() - page.header.upper;
  for (std::size_t i = 0; i < page.count; ++i) {
    const std::size_t at = load<std::uint16_t>(
        page.bytes, sizeof(PageHeader) + i * sizeof(std::uint16_t));
    if (at < page.header.upper || at + sizeof(Node) > page.bytes.size())
      malformed(prefix_, "page ", page.header.number, ": node ", i,
                " lies outside");
    const Node node = load<Node>(page.bytes, at);
    std::uint64_t size = sizeof(Node) + node.key_size;
    if (page.is(lmdb::kLeaf))
      size += node.flags & lmdb::kBig ? sizeof(std::uint64_t) : node.size();
    if (size > left || size > page.bytes.size() - at)
      malformed(prefix_, "page ", page.header.number, ": node ", i,
                " leaves the page");
    left -= size;
    visit(node, at + sizeof(Node));
  }
}

void LmdbReader::descend(const Tree& tree, const OnLeaf& leaf) {
  std::uint64_t entries = 0;
  if (tree.depth > lmdb::kDeepest)
    malformed(prefix_, "a tree of ", tree.depth, " levels");
  if (tree.root != lmdb::kNoPage) entries = descend(tree, tree.root, 1, leaf);
  if (entries != tree.entries)
    malformed(prefix_, "a tree of ", tree.entries, " entries, in which ",
              entries, " are found");
}

std::uint64_t LmdbReader::descend(const Tree& tree, std::uint64_t number,
                                  unsigned level, const OnLeaf& leaf) {
  const Page page = open_page(number);
  if (page.is(lmdb::kLeaf) != (level == tree.depth))
    malformed(prefix_, "page ", number, " lies on level ", level, " of ",
              tree.depth);
  if (page.is(lmdb::kLeaf)) return leaf(page);
  std::uint64_t entries = 0;
  for_each_node(page, [&](const Node& node, std::size_t) {
    entries += descend(tree, node.page(), level + 1, leaf);
  });
  return entries;
}

void LmdbReader::walk(const Tree& tree, const Visit& visit) {
  descend(tree, [&](const Page& page) { return visit_leaf(page, visit); });
}

std::string_view LmdbReader::overflow(std::uint64_t number,
                                      std::uint64_t size) const {
  const std::uint64_t pages = lmdb::overflow_pages(size, page_size_);
  check_pages(number, pages);
  const auto bytes = bytes_.substr(number * page_size_, pages * page_size_);
  const auto header = load<PageHeader>(bytes, 0);
  if (header.number != number || !(header.flags & lmdb::kOverflow) ||
      header.pages() < pages)
    malformed(prefix_, "page ", number, " does not begin a value of ", size,
              " bytes");
  return bytes.substr(sizeof header, size);
}

std::vector<std::uint64_t> LmdbReader::positions(const Tree& tree) {
  if (tree.flags & lmdb::kDupSort)
    malformed(prefix_, "keys have several values each (DUPSORT)");
  std::vector<std::uint64_t> out;
  descend(tree, [&](const Page& page) -> std::uint64_t {
    if (page.is(lmdb::kFixed))
      malformed(prefix_, "page ", page.header.number, " holds no values");
    for_each_node(page, [&](const Node& node, std::size_t at) {
      if (node.flags & lmdb::kSubtree)
        malformed(prefix_, "holds the named database '",
                  page.bytes.substr(at, node.key_size),
                  "'; only records of the unnamed one are read");
      if (node.flags & ~lmdb::kBig)
        malformed(prefix_, "a value of an unknown kind, ", node.flags);
      if (node.flags & lmdb::kBig)
        take(load<std::uint64_t>(page.bytes, at + node.key_size),
             lmdb::overflow_pages(node.size(), page_size_));
      const std::string_view head = page.bytes.substr(at - sizeof(Node));
      out.push_back(static_cast<std::uint64_t>(head.data() - bytes_.data()));
    });
    return page.count;
  });
  return out;
}

std::pair<std::string_view, std::string_view> LmdbReader::entry(
    std::uint64_t position) const {
  const auto node = load<Node>(bytes_, position);
  const std::string_view rest = bytes_.substr(position + sizeof node);
  const bool big = node.flags & lmdb::kBig;
  const std::uint64_t size = big ? sizeof(std::uint64_t) : node.size();
  if (node.key_size > rest.size() || size > rest.size() - node.key_size)
    malformed(prefix_, "the entry at byte ", position, " leaves the file");
  const std::string_view key = rest.substr(0, node.key_size);
  if (!big) return {key, rest.substr(node.key_size, size)};
  return {key, overflow(load<std::uint64_t>(rest, node.key_size), node.size())};
}

std::uint64_t LmdbReader::visit_leaf(const Page& page, const Visit& visit) {
  if (page.is(lmdb::kFixed))
    malformed(prefix_, "page ", page.header.number, " holds no values");
  std::uint64_t entries = 0;
  for_each_node(page, [&](const Node& node, std::size_t at) {
    LmdbItem item{page.bytes.substr(at, node.key_size), {}, nullptr};
    at += node.key_size;
    Tree subtree{};
    const bool tree = node.flags & lmdb::kSubtree;
    if ((node.flags & lmdb::kBig) && node.flags != lmdb::kBig)
      malformed(prefix_, "a value of an unknown kind, ", node.flags);
    if (tree && node.size() != sizeof(Tree))
      malformed(prefix_, "a tree described by ", node.size(), " bytes");
    if (node.flags & lmdb::kDuplicates) {
      add_duplicates(page.bytes.substr(at, node.size()), tree,
                     page.header.number, item.values);
    } else if (tree) {
      subtree = load<Tree>(page.bytes, at);
      item.subtree = &subtree;
    } else if (node.flags & lmdb::kBig) {
      const auto number = load<std::uint64_t>(page.bytes, at);
      take(number, lmdb::overflow_pages(node.size(), page_size_));
      item.values.push_back(overflow(number, node.size()));
    } else {
      item.values.push_back(page.bytes.substr(at, node.size()));
    }
    entries += item.subtree ? 1 : item.values.size();
    visit(item);
  });
  return entries;
}

/// The keys of a leaf that has no values: duplicates are keys themselves.
std::uint64_t LmdbReader::add_keys(const Page& page,
                                   std::vector<std::string_view>& values) {
  if (!page.is(lmdb::kFixed)) {
    for_each_node(page, [&](const Node& node, std::size_t at) {
      values.push_back(page.bytes.substr(at, node.key_size));
    });
    return page.count;
  }
  const std::size_t size = page.header.key_size;
  if (size == 0 || page.count > (page.bytes.size() - sizeof(PageHeader)) / size)
    malformed(prefix_, "page ", page.header.number, " has no room for ",
              page.count, " values of ", size, " bytes");
  for (std::size_t i = 0; i < page.count; ++i)
    values.push_back(page.bytes.substr(sizeof(PageHeader) + i * size, size));
  return page.count;
}

void LmdbReader::add_duplicates(std::string_view value, bool tree,
                                std::uint64_t number,
                                std::vector<std::string_view>& values) {
  if (tree) {
    descend(load<Tree>(value, 0),
            [&](const Page& page) { return add_keys(page, values); });
    return;
  }
  const Page page = parse_page(value, number);
  if (!page.is(lmdb::kLeaf))
    malformed(prefix_, "the duplicates in page ", number, " are no leaf");
  add_keys(page, values);
}

}  // namespace ptutils::detail
