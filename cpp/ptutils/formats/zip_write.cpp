#include <libdeflate.h>

#include <algorithm>

#include "ptutils/formats/detail/zip.h"
#include "ptutils/formats/detail/zip_layout.h"

namespace ptutils::detail {

using zip::Record;

namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::uint64_t kVersion = 20;
constexpr std::uint64_t kVersion64 = 45;
constexpr std::size_t kCrcAt = 14;  // in the local header
constexpr int kLevel = 6;           // zlib's default

std::uint64_t flags_of(const std::string& name) {
  const bool ascii = std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x80;
  });
  return ascii ? 0 : zip::kUtf8;
}

std::uint16_t method_of(const ZipMember& member) {
  return member.deflated ? zip::kDeflated : zip::kStored;
}

bool is_large(const ZipMember& member) {
  return std::max(member.size, member.packed) >= zip::kSee64;
}

}  // namespace

Deflated deflate(std::string name, std::span<const std::byte> bytes) {
  Deflated out{std::move(name), {}, bytes.size(), 0};
  auto* compressor = libdeflate_alloc_compressor(kLevel);
  if (!compressor) fail(Kind::kMemory, "npz", "no memory to deflate");
  out.bytes.resize(libdeflate_deflate_compress_bound(compressor, bytes.size()));
  out.bytes.resize(libdeflate_deflate_compress(compressor, bytes.data(),
                                               bytes.size(), out.bytes.data(),
                                               out.bytes.size()));
  libdeflate_free_compressor(compressor);
  out.crc = libdeflate_crc32(0, bytes.data(), bytes.size());
  return out;
}

void ZipWriter::open(ZipMember member) {
  member.offset = file_.size();
  const bool large = zip64_ || is_large(member);
  Record extra;
  if (large)
    extra.u16(zip::kExtra64).u16(16).u64(member.size).u64(member.packed);
  const std::size_t used = member.offset + zip::kLocalSize +
                           member.name.size() + extra.bytes().size() + 4;
  const std::size_t padding = (kAlignment - used % kAlignment) % kAlignment;
  extra.u16(zip::kExtraPad).u16(padding).text(std::string(padding, '\0'));
  Record header;
  header.u32(zip::kLocalHeader).u16(large ? kVersion64 : kVersion);
  header.u16(flags_of(member.name)).u16(method_of(member));
  header.u16(0).u16(zip::kFirstDay).u32(member.crc);
  header.u32(large ? zip::kSee64 : member.packed);
  header.u32(large ? zip::kSee64 : member.size);
  header.u16(member.name.size()).u16(extra.bytes().size());
  header.text(member.name).text(extra.bytes());
  file_.write(header.bytes());
  written_ = 0;
  members_.push_back(std::move(member));
}

void ZipWriter::begin(const std::string& name, std::uint64_t size) {
  ZipMember member;  // the crc is known at the end
  member.name = name;
  member.size = member.packed = size;
  open(std::move(member));
}

void ZipWriter::put(const Deflated& content) {
  ZipMember member;
  member.name = content.name;
  member.deflated = true;
  member.crc = content.crc;
  member.size = content.size;
  member.packed = content.bytes.size();
  open(std::move(member));
  file_.write(content.bytes);
}

void ZipWriter::write(std::span<const std::byte> bytes) {
  // Piece by piece, so that the crc and the write meet the bytes in the cache.
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(kPiece, bytes.size()));
    bytes = bytes.subspan(piece.size());
    ZipMember& member = members_.back();
    member.crc = libdeflate_crc32(member.crc, piece.data(), piece.size());
    file_.write(piece);
    written_ += piece.size();
  }
}

void ZipWriter::end() {
  const ZipMember& member = members_.back();
  if (written_ != member.size)
    fail(Kind::kState, "npz", "the member '", member.name,
         "' was announced "
         "with ",
         member.size, " bytes, ", written_, " were written");
  file_.patch(member.offset + kCrcAt, Record().u32(member.crc).bytes());
}

void ZipWriter::finish() {
  const std::uint64_t offset = file_.size();
  for (const ZipMember& member : members_) {
    const bool large = zip64_ || is_large(member);
    const bool far = zip64_ || member.offset >= zip::kSee64;
    Record sizes;
    if (large) sizes.u64(member.size).u64(member.packed);
    if (far) sizes.u64(member.offset);
    Record extra;
    if (large || far)
      extra.u16(zip::kExtra64).u16(sizes.bytes().size()).text(sizes.bytes());
    const std::uint64_t version = large || far ? kVersion64 : kVersion;
    Record entry;
    entry.u32(zip::kEntry).u16(version).u16(version);
    entry.u16(flags_of(member.name)).u16(method_of(member));
    entry.u16(0).u16(zip::kFirstDay);
    entry.u32(member.crc);
    entry.u32(large ? zip::kSee64 : member.packed);
    entry.u32(large ? zip::kSee64 : member.size);
    entry.u16(member.name.size()).u16(extra.bytes().size());
    entry.u16(0).u16(0).u16(0).u32(0);  // comment, volume, attributes
    entry.u32(far ? zip::kSee64 : member.offset);
    file_.write(entry.text(member.name).text(extra.bytes()).bytes());
  }
  const std::uint64_t size = file_.size() - offset;
  const std::uint64_t count = members_.size();
  Record end;
  const bool large = zip64_ || count >= zip::kCountSee64 ||
                     offset >= zip::kSee64 || size >= zip::kSee64;
  if (large) {
    end.u32(zip::kEnd64).u64(zip::kEnd64Size - 12);
    end.u16(kVersion64).u16(kVersion64).u32(0).u32(0);
    end.u64(count).u64(count).u64(size).u64(offset);
    end.u32(zip::kLocator64).u32(0).u64(offset + size).u32(1);
  }
  const std::uint64_t shown_count = large ? zip::kCountSee64 : count;
  end.u32(zip::kEnd).u16(0).u16(0).u16(shown_count).u16(shown_count);
  end.u32(large ? zip::kSee64 : size).u32(large ? zip::kSee64 : offset);
  file_.write(end.u16(0).bytes());
}

}  // namespace ptutils::detail
