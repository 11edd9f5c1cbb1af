#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ptutils/formats/detail/lmdb_layout.h"
#include "ptutils/formats/detail/tensor_io.h"

/// LMDB data files without liblmdb, which neither checks what it reads nor
/// writes without a map; private to formats.
namespace ptutils::detail {

/// An entry of a database. Views into the file.
struct LmdbItem {
  std::string_view key;
  std::vector<std::string_view> values;  ///< one, or a key's duplicates
  const lmdb::Tree* subtree = nullptr;   ///< a named database, in no values
};

/// The newest state of a database when it is opened. Every page is checked
/// before it is used and used once, so that no content leads out of the file,
/// in a circle or to more than the file holds; Kind::kFormat else.
class LmdbReader {
 public:
  LmdbReader(std::string_view bytes, std::string prefix);

  const lmdb::Tree& main() const { return meta_.main; }
  /// In the order of keys.
  using Visit = std::function<void(const LmdbItem&)>;
  void walk(const lmdb::Tree& tree, const Visit& visit);
  /// Where the entries of a tree are in the file, in the order of keys, without
  /// a look at their values; Kind::kFormat where one is no single value.
  std::vector<std::uint64_t> positions(const lmdb::Tree& tree);
  /// An entry, checked again: others may have written meanwhile.
  std::pair<std::string_view, std::string_view> entry(
      std::uint64_t position) const;
  /// Whether a writer may have reused pages of this state since.
  bool overtaken() const;

 private:
  struct Page {
    std::string_view bytes;
    lmdb::PageHeader header;
    std::size_t count = 0;
    bool is(std::uint16_t kind) const { return header.flags & kind; }
  };
  using OnLeaf = std::function<std::uint64_t(const Page&)>;

  lmdb::Meta read_meta(std::size_t page, std::size_t page_size) const;
  lmdb::Meta newest_meta() const;
  void check_pages(std::uint64_t first, std::uint64_t count) const;
  void take(std::uint64_t first, std::uint64_t count);
  Page parse_page(std::string_view bytes, std::uint64_t number) const;
  Page open_page(std::uint64_t number);
  using OnNode = std::function<void(const lmdb::Node&, std::size_t key_at)>;
  void for_each_node(const Page& page, const OnNode& visit) const;
  void descend(const lmdb::Tree& tree, const OnLeaf& leaf);
  std::uint64_t descend(const lmdb::Tree& tree, std::uint64_t number,
                        unsigned level, const OnLeaf& leaf);
  std::string_view overflow(std::uint64_t number, std::uint64_t size) const;
  std::uint64_t visit_leaf(const Page& page, const Visit& visit);
  std::uint64_t add_keys(const Page& page,
                         std::vector<std::string_view>& values);
  void add_duplicates(std::string_view value, bool tree, std::uint64_t number,
                      std::vector<std::string_view>& values);

  std::string_view bytes_;
  std::string prefix_;
  std::size_t page_size_ = 0;
  lmdb::Meta meta_{};
  std::vector<bool> taken_;
};

/// The file of a database that is a folder; Kind::kIO for one without.
std::filesystem::path lmdb_data_file(const std::filesystem::path& path);
/// Beside that while others have the database open, and after.
std::filesystem::path lmdb_lock_file(const std::filesystem::path& file);

/// A database of its own in a new file.
class LmdbWriter {
 public:
  static constexpr std::size_t kMaxKey = 511;
  static constexpr std::uint64_t kMaxValue = 0xffffffff;

  struct Entry {
    std::string key;  ///< 1 to kMaxKey bytes
    std::uint64_t size = 0;
  };
  /// By key, in ascending order, each once; at least one.
  explicit LmdbWriter(std::vector<Entry> entries);

  /// The whole file; `put` writes the value of an entry.
  using Put = std::function<void(std::size_t entry)>;
  void write(FileWriter& file, const Put& put) const;

 private:
  struct Range {  // of entries, or of pages a level below
    std::size_t begin;
    std::size_t end;
    std::size_t first;  // entry, whose key is the range's
  };
  using Level = std::vector<Range>;

  bool is_big(std::size_t entry) const;
  std::size_t leaf_node(std::size_t entry) const;
  Level leaves() const;
  Level branches(const Level& below) const;
  lmdb::Meta meta(std::uint64_t transaction) const;
  void write_leaf(FileWriter& file, std::uint64_t number, const Range& range,
                  std::uint64_t& overflow, const Put& put) const;
  void write_branch(FileWriter& file, std::uint64_t number, const Range& range,
                    const Level& children, std::uint64_t first_child) const;

  std::vector<Entry> entries_;
  std::vector<Level> levels_;  // leaves first
  std::uint64_t tree_pages_ = 0;
  std::uint64_t overflow_pages_ = 0;
};

}  // namespace ptutils::detail
