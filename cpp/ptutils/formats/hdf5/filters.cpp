#include "ptutils/formats/detail/hdf5/filters.h"

#include <libdeflate.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "ptutils/formats/detail/where.h"

namespace ptutils::detail::hdf5 {

namespace {

constexpr H5Z_filter_t kLzf = 32000;  // h5py's
constexpr std::size_t kSumBytes = 4;
constexpr int kDeflateLevel = 6;

/// The first bytes of all items, then the second ones, …; a rest stays behind.
template <std::size_t N>
void shuffle_items(const std::byte* from, std::byte* to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t b = 0; b < N; ++b) to[b * count + i] = from[i * N + b];
}

template <std::size_t N>
void unshuffle_items(const std::byte* from, std::byte* to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t b = 0; b < N; ++b) to[i * N + b] = from[b * count + i];
}

void shuffle(std::span<const std::byte> from, std::byte* to, std::size_t item) {
  const std::size_t count = from.size() / item;
  const std::byte* in = from.data();
  if (item == 2)
    shuffle_items<2>(in, to, count);
  else if (item == 4)
    shuffle_items<4>(in, to, count);
  else if (item == 8)
    shuffle_items<8>(in, to, count);
  else
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t b = 0; b < item; ++b)
        to[b * count + i] = in[i * item + b];
  std::copy(in + count * item, in + from.size(), to + count * item);
}

void unshuffle(std::span<const std::byte> from, std::byte* to,
               std::size_t item) {
  const std::size_t count = from.size() / item;
  const std::byte* in = from.data();
  if (item == 2)
    unshuffle_items<2>(in, to, count);
  else if (item == 4)
    unshuffle_items<4>(in, to, count);
  else if (item == 8)
    unshuffle_items<8>(in, to, count);
  else
    for (std::size_t b = 0; b < item; ++b)
      for (std::size_t i = 0; i < count; ++i)
        to[i * item + b] = in[b * count + i];
  std::copy(in + count * item, in + from.size(), to + count * item);
}

/// One a thread.
libdeflate_decompressor& inflater() {
  struct Free {
    void operator()(libdeflate_decompressor* d) const {
      libdeflate_free_decompressor(d);
    }
  };
  thread_local std::unique_ptr<libdeflate_decompressor, Free> made(
      libdeflate_alloc_decompressor());
  if (!made) fail(Kind::kMemory, "hdf5", "no memory to inflate");
  return *made;
}

void inflate(std::span<const std::byte> from, std::span<std::byte> to,
             std::string_view where) {
  if (libdeflate_zlib_decompress(&inflater(), from.data(), from.size(),
                                 to.data(), to.size(),
                                 nullptr) != LIBDEFLATE_SUCCESS)
    malformed(where, "damaged: a chunk does not inflate to its ", to.size(),
              " bytes");
}

/// LibLZF's format: a byte below 32 begins a run of as many bytes and one;
/// any other a copy of earlier ones.
bool expand_lzf(std::span<const std::byte> in, std::span<std::byte> out) {
  std::size_t at = 0;
  std::size_t to = 0;
  auto next = [&] { return std::to_integer<std::size_t>(in[at++]); };
  while (at < in.size()) {
    const std::size_t control = next();
    if (control < 32) {
      const std::size_t run = control + 1;
      if (run > in.size() - at || run > out.size() - to) return false;
      std::memcpy(out.data() + to, in.data() + at, run);
      at += run;
      to += run;
      continue;
    }
    std::size_t length = control >> 5;
    if (length == 7) {
      if (at == in.size()) return false;
      length += next();
    }
    length += 2;
    if (at == in.size()) return false;
    const std::size_t back = ((control & 31) << 8) + next() + 1;
    if (back > to || length > out.size() - to) return false;
    for (; length > 0; --length, ++to) out[to] = out[to - back];
  }
  return to == out.size();
}

/// Of words of two bytes, the first the higher.
std::uint32_t fletcher32(std::span<const std::byte> bytes) {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  auto fold = [](std::uint32_t sum) { return (sum & 0xFFFF) + (sum >> 16); };
  std::size_t words = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    const auto first = std::to_integer<std::uint32_t>(bytes[i]);
    const auto second =
        i + 1 < bytes.size() ? std::to_integer<std::uint32_t>(bytes[i + 1]) : 0;
    low += first << 8 | second;
    high += low;
    if (++words % 360 == 0) {
      low = fold(low);
      high = fold(high);
    }
  }
  low = fold(fold(low));
  high = fold(fold(high));
  return high << 16 | low;
}

/// The bytes before it.
std::span<const std::byte> checked_sum(std::span<const std::byte> chunk,
                                       std::string_view where) {
  std::uint32_t stored = 0;
  if (chunk.size() < kSumBytes)
    malformed(where, "damaged: a chunk of ", chunk.size(), " bytes");
  const auto content = chunk.first(chunk.size() - kSumBytes);
  std::memcpy(&stored, chunk.data() + content.size(), kSumBytes);
  const std::uint32_t sum = fletcher32(content);
  // Libraries before 1.6.3 swapped the bytes of each half.
  const std::uint32_t swapped =
      (sum & 0x00FF00FF) << 8 | (sum >> 8 & 0x00FF00FF);
  if (stored != sum && stored != swapped)
    malformed(where, "damaged: the Fletcher-32 of a chunk differs");
  return content;
}

}  // namespace

Pipeline::Pipeline(hid_t properties, std::string_view where) {
  constexpr std::size_t kMaxParameters = 64;
  const int count =
      check(H5Pget_nfilters(properties), where, "its filters cannot be read");
  for (int i = 0; i < count; ++i) {
    Filter filter;
    unsigned flags = 0;
    std::size_t parameters = kMaxParameters;
    char name[64] = {};
    filter.parameters.resize(kMaxParameters);
    filter.id = H5Pget_filter2(properties, static_cast<unsigned>(i), &flags,
                               &parameters, filter.parameters.data(),
                               sizeof name, name, nullptr);
    check(filter.id, where, "its filters cannot be read");
    filter.parameters.resize(std::min(parameters, kMaxParameters));
    filter.name = name;
    if (filter.id != kLzf && H5Zfilter_avail(filter.id) <= 0)
      malformed(where, "is packed with the filter ", filter.id, " '",
                filter.name,
                "', which this HDF5 has not; write it again with "
                "h5py and compression='gzip' or 'lzf'");
    filters_.push_back(std::move(filter));
  }
}

bool Pipeline::known() const {
  int packing = 0;
  for (const Filter& filter : filters_) {
    const bool packs = filter.id == H5Z_FILTER_DEFLATE || filter.id == kLzf;
    packing += packs ? 1 : 0;
    if (!packs && filter.id != H5Z_FILTER_SHUFFLE &&
        filter.id != H5Z_FILTER_FLETCHER32)
      return false;
  }
  return packing <= 1;
}

/// What filter `i` was given: the chunk, with the checksums of those before.
std::size_t Pipeline::size_before(std::size_t i, std::uint32_t skipped,
                                  std::size_t size) const {
  for (std::size_t j = 0; j < i; ++j)
    if ((skipped >> j & 1) == 0 && filters_[j].id == H5Z_FILTER_FLETCHER32)
      size += kSumBytes;
  return size;
}

void Pipeline::undo(const Filter& filter, std::span<const std::byte> in,
                    std::span<std::byte> out, std::string_view where) {
  if (filter.id == H5Z_FILTER_DEFLATE) {
    inflate(in, out, where);
  } else if (filter.id == kLzf) {
    if (!expand_lzf(in, out))
      malformed(where, "damaged: a chunk does not expand to its ", out.size(),
                " bytes");
  } else {
    if (filter.parameters.empty() || filter.parameters[0] == 0)
      malformed(where, "damaged: items of no size are shuffled");
    if (in.size() != out.size())
      malformed(where, "damaged: a chunk of ", in.size(), " bytes, not ",
                out.size());
    unshuffle(in, out.data(), filter.parameters[0]);
  }
}

void Pipeline::decode(std::span<const std::byte> chunk, std::uint32_t skipped,
                      std::span<std::byte> out, std::string_view where) const {
  thread_local ByteBuffer between[2];
  std::span<const std::byte> in = chunk;
  bool done = false;
  for (std::size_t i = filters_.size(); i-- > 0;) {
    if (skipped >> i & 1) continue;
    if (filters_[i].id == H5Z_FILTER_FLETCHER32) {
      in = checked_sum(in, where);
      continue;
    }
    const std::size_t expected = size_before(i, skipped, out.size());
    // The last one that makes new bytes makes them where they are wanted.
    bool last = expected == out.size();
    for (std::size_t j = 0; j < i; ++j) last = last && (skipped >> j & 1);
    ByteBuffer& buffer = between[in.data() == between[0].data() ? 1 : 0];
    if (!last) buffer.resize(expected);
    const std::span<std::byte> to = last ? out : std::span(buffer);
    undo(filters_[i], in, to, where);
    in = to;
    done = last;
  }
  if (done) return;
  if (in.size() != out.size())
    malformed(where, "damaged: a chunk of ", in.size(), " bytes, not ",
              out.size());
  std::copy(in.begin(), in.end(), out.begin());
}

ByteBuffer packed(std::span<const std::byte> chunk, std::size_t item) {
  ByteBuffer shuffled;
  if (item > 1) {
    shuffled.resize(chunk.size());
    shuffle(chunk, shuffled.data(), item);
    chunk = shuffled;
  }
  auto* compressor = libdeflate_alloc_compressor(kDeflateLevel);
  if (!compressor) fail(Kind::kMemory, "hdf5", "no memory to deflate");
  ByteBuffer out(libdeflate_zlib_compress_bound(compressor, chunk.size()));
  out.resize(libdeflate_zlib_compress(compressor, chunk.data(), chunk.size(),
                                      out.data(), out.size()));
  libdeflate_free_compressor(compressor);
  return out;
}

}  // namespace ptutils::detail::hdf5
