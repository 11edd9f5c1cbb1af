#include <libdeflate.h>

#include <algorithm>
#include <unordered_set>

#include "ptutils/formats/detail/text_coding.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/detail/zip.h"
#include "ptutils/formats/detail/zip_layout.h"

namespace ptutils::detail {

using zip::number;

namespace {

constexpr std::size_t kMaxComment = 65535;
constexpr std::uint64_t kMaxRatio = 1032;

}  // namespace

ZipReader::ZipReader(std::shared_ptr<Storage> file, std::string prefix)
    : file_(std::move(file)),
      prefix_(std::move(prefix)),
      bytes_(text_of(*file_)) {
  const Directory directory = find_directory();
  std::string_view rest =
      slice(directory.offset, directory.size, "the directory");
  if (directory.count > directory.size / zip::kEntrySize)
    malformed(prefix_, "a directory of ", directory.size, " bytes with ",
              directory.count, " members");
  members_.reserve(directory.count);
  std::unordered_set<std::string_view> names;
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    members_.push_back(read_entry(rest));
    if (!names.insert(members_.back().name).second)
      malformed(prefix_, "the member '", members_.back().name,
                "' is there twice");
  }
  if (!rest.empty()) malformed(prefix_, "more in the directory than members");
  for (ZipMember& member : members_) find_data(member, directory.offset);
  check_apart();
}

std::string_view ZipReader::slice(std::uint64_t offset, std::uint64_t size,
                                  std::string_view what) const {
  if (offset > bytes_.size() || size > bytes_.size() - offset)
    malformed(prefix_, what, " (byte ", offset, ", ", size,
              " bytes) leaves the file of ", bytes_.size(),
              " bytes; is it truncated?");
  return bytes_.substr(offset, size);
}

ZipReader::Directory ZipReader::find_directory() const {
  // The end record closes the file, but for a comment whose length it says.
  std::size_t at = bytes_.size();
  for (std::size_t comment = 0;; ++comment) {
    if (comment > kMaxComment || bytes_.size() < zip::kEndSize + comment)
      malformed(prefix_, "no zip directory at the end; is it truncated?");
    at = bytes_.size() - zip::kEndSize - comment;
    if (number(bytes_, at, 4) == zip::kEnd &&
        number(bytes_, at + 20, 2) == comment)
      break;
  }
  const std::string_view end = bytes_.substr(at);
  Directory directory;
  directory.count = number(end, 10, 2);
  directory.size = number(end, 12, 4);
  directory.offset = number(end, 16, 4);
  if (number(end, 4, 4) != 0 || number(end, 8, 2) != directory.count)
    malformed(prefix_, "an archive of several volumes");
  const bool has_locator =
      at >= zip::kLocator64Size &&
      number(bytes_, at - zip::kLocator64Size, 4) == zip::kLocator64;
  if (has_locator) return find_directory64(at);
  if (directory.offset + directory.size != at)
    malformed(prefix_,
              "the directory does not end where its end record begins");
  return directory;
}

ZipReader::Directory ZipReader::find_directory64(std::size_t end_record) const {
  const std::size_t locator = end_record - zip::kLocator64Size;
  const std::uint64_t at = number(bytes_, locator + 8, 8);
  const std::string_view end = slice(at, zip::kEnd64Size, "the zip64 record");
  if (number(end, 0, 4) != zip::kEnd64 || at + zip::kEnd64Size != locator)
    malformed(prefix_, "no zip64 record at byte ", at);
  Directory directory;
  directory.count = number(end, 32, 8);
  directory.size = number(end, 40, 8);
  directory.offset = number(end, 48, 8);
  if (directory.offset > at || directory.size != at - directory.offset)
    malformed(prefix_,
              "the directory does not end where its end record begins");
  return directory;
}

ZipMember ZipReader::read_entry(std::string_view& rest) const {
  if (rest.size() < zip::kEntrySize || number(rest, 0, 4) != zip::kEntry)
    malformed(prefix_, "a malformed entry in the directory");
  const std::uint64_t name_size = number(rest, 28, 2);
  const std::uint64_t extra_size = number(rest, 30, 2);
  const std::uint64_t total =
      zip::kEntrySize + name_size + extra_size + number(rest, 32, 2);
  if (total > rest.size())
    malformed(prefix_, "a malformed entry in the directory");
  ZipMember member;
  member.name = rest.substr(zip::kEntrySize, name_size);
  if (!valid_utf8(member.name))
    malformed(prefix_, "the name of member ", members_.size(), " is not UTF-8");
  const std::uint64_t method = number(rest, 10, 2);
  if (number(rest, 8, 2) & zip::kEncrypted)
    malformed(prefix_, "the member '", member.name, "' is encrypted");
  if (method != zip::kStored && method != zip::kDeflated)
    malformed(prefix_, "the member '", member.name, "' is packed with method ",
              method, "; stored and deflated ones can be read");
  member.deflated = method == zip::kDeflated;
  member.crc = static_cast<std::uint32_t>(number(rest, 16, 4));
  member.packed = number(rest, 20, 4);
  member.size = number(rest, 24, 4);
  member.offset = number(rest, 42, 4);
  read_zip64(rest.substr(zip::kEntrySize + name_size, extra_size), member);
  rest.remove_prefix(total);
  return member;
}

void ZipReader::read_zip64(std::string_view extra, ZipMember& member) const {
  while (extra.size() >= 4) {
    const std::uint64_t id = number(extra, 0, 2);
    const std::uint64_t size = number(extra, 2, 2);
    if (size > extra.size() - 4)
      malformed(prefix_, "a malformed extra field of '", member.name, "'");
    std::string_view data = extra.substr(4, size);
    extra.remove_prefix(4 + size);
    if (id != zip::kExtra64) continue;
    // Only what does not fit into the entry, in this order.
    for (std::uint64_t* value :
         {&member.size, &member.packed, &member.offset}) {
      if (*value != zip::kSee64) continue;
      if (data.size() < 8)
        malformed(prefix_, "a short zip64 field of '", member.name, "'");
      *value = number(data, 0, 8);
      data.remove_prefix(8);
    }
    return;
  }
}

void ZipReader::find_data(ZipMember& member, std::uint64_t directory) const {
  const std::string what = str("the member '", member.name, "'");
  const std::string_view local = slice(member.offset, zip::kLocalSize, what);
  if (number(local, 0, 4) != zip::kLocalHeader)
    malformed(prefix_, what, " has no header at byte ", member.offset);
  const std::uint64_t name_size = number(local, 26, 2);
  const std::uint64_t skip = zip::kLocalSize + name_size + number(local, 28, 2);
  if (slice(member.offset, skip, what).substr(zip::kLocalSize, name_size) !=
      member.name)
    malformed(prefix_, what, " has another name in its own header");
  member.offset += skip;
  if (member.offset > directory || member.packed > directory - member.offset)
    malformed(prefix_, what, " has ", member.packed,
              " bytes, which reach into the directory");
  if (!member.deflated && member.packed != member.size)
    malformed(prefix_, what, " is stored in ", member.packed, " bytes, not ",
              member.size);
  if (member.deflated && member.size / kMaxRatio > member.packed)
    malformed(prefix_, what, " claims ", member.size, " bytes in ",
              member.packed, ", more than deflate can pack");
}

void ZipReader::check_apart() const {
  std::vector<const ZipMember*> order;
  for (const ZipMember& member : members_) order.push_back(&member);
  std::sort(order.begin(), order.end(),
            [](const ZipMember* a, const ZipMember* b) {
              return a->offset < b->offset;
            });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const ZipMember& before = *order[i - 1];
    // A header lies between the data of two members.
    if (before.offset + before.packed + zip::kLocalSize +
            order[i]->name.size() >
        order[i]->offset)
      malformed(prefix_, "the members '", before.name, "' and '",
                order[i]->name, "' overlap");
  }
}

std::string ZipReader::head(const ZipMember& member, std::size_t size) const {
  std::string out(size, '\0');
  auto* inflater = libdeflate_alloc_decompressor();
  if (!inflater) fail(Kind::kMemory, "npz", "no memory to inflate");
  // It fills what there is room for, then says that it was too little.
  (void)libdeflate_deflate_decompress(inflater, bytes_.data() + member.offset,
                                      member.packed, out.data(), out.size(),
                                      nullptr);
  libdeflate_free_decompressor(inflater);
  return out;
}

ZipReader::Content ZipReader::content(const ZipMember& member,
                                      bool check) const {
  Content out{file_, member.offset, member.size};
  if (member.deflated) {
    out.storage = Storage::allocate(member.size);
    out.offset = 0;
    auto* inflater = libdeflate_alloc_decompressor();
    if (!inflater) fail(Kind::kMemory, "npz", "no memory to inflate");
    const auto result = libdeflate_deflate_decompress(
        inflater, bytes_.data() + member.offset, member.packed,
        out.storage->data(), member.size, nullptr);
    libdeflate_free_decompressor(inflater);
    if (result != LIBDEFLATE_SUCCESS)
      malformed(prefix_, "the member '", member.name,
                "' does not inflate to its ", member.size, " bytes");
  }
  if (!member.deflated && !check) return out;
  const auto text = out.text();
  if (libdeflate_crc32(0, text.data(), text.size()) != member.crc)
    malformed(prefix_, "the member '", member.name,
              "' is damaged: its CRC-32 differs");
  return out;
}

}  // namespace ptutils::detail
