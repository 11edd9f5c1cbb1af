#include "ptutils/formats/detail/hdf5/heap.h"

#include <algorithm>
#include <cstring>

#include "ptutils/formats/detail/where.h"

namespace ptutils::detail::hdf5 {

namespace {

constexpr std::size_t kHead = 16;  // of a collection, and of an object in it

template <class T>
T number_in(std::span<const std::byte> bytes, std::size_t at) {
  T out{};
  std::memcpy(&out, bytes.data() + at, sizeof out);
  return out;
}

}  // namespace

std::optional<GlobalHeap> GlobalHeap::of(
    const std::shared_ptr<OpenFile>& file) {
  const Locked locked;
  const Handle properties(H5Fget_create_plist(file->id()));
  std::size_t addresses = 0, sizes = 0;
  hsize_t user_block = 0;
  if (!properties || H5Pget_sizes(properties.get(), &addresses, &sizes) < 0 ||
      H5Pget_userblock(properties.get(), &user_block) < 0 || addresses != 8 ||
      sizes != 8)
    return {};
  return GlobalHeap(file, user_block);
}

template <class T>
T GlobalHeap::number(std::size_t at) const {
  return number_in<T>({file_->bytes()->data(), file_->size()}, at);
}

std::size_t GlobalHeap::length(std::span<const std::byte> reference) {
  return number_in<std::uint32_t>(reference, 0);
}

std::size_t GlobalHeap::place(std::span<const std::byte> reference,
                              std::size_t item,
                              const std::string& where) const {
  const std::uint64_t address = number_in<std::uint64_t>(reference, 4);
  const auto index = number_in<std::uint32_t>(reference, 12);
  const std::size_t bytes = length(reference) * item;
  const auto damaged = [&](const char* what) {
    malformed(where, "damaged: the global heap has ", what, " {", address, ", ",
              index, "}");
  };
  const std::size_t all = file_->size();
  if (address > all || base_ > all - address || all - base_ - address < kHead)
    damaged("no collection");
  const std::size_t begin = base_ + address;
  if (std::memcmp(file_->bytes()->data() + begin, "GCOL", 4) != 0)
    damaged("no collection");
  const std::size_t end =
      begin +
      std::min<std::size_t>(number<std::uint64_t>(begin + 8), all - begin);
  for (std::size_t at = begin + kHead; at + kHead <= end;) {
    const auto found = number<std::uint16_t>(at);
    const auto size = number<std::uint64_t>(at + 8);
    if (found == 0) break;  // what is free, the last
    at += kHead;
    if (size > end - at) break;
    if (found == index) {
      if (size < bytes) damaged("a shorter object");
      return at;
    }
    at += (size + 7) / 8 * 8;
  }
  damaged("no object");
  return 0;
}

}  // namespace ptutils::detail::hdf5
