#include "ptutils/formats/detail/tensor_io.h"

#include <algorithm>
#include <cstring>

#include "ptutils/formats/detail/where.h"

namespace ptutils::detail {

namespace {

constexpr std::size_t kMaxDims = 64;  // NumPy's limit
constexpr std::size_t kBuffer = std::size_t{1} << 20;
constexpr std::size_t kBlock = std::size_t{8} << 20;

std::span<const std::byte> memory_of(const Tensor& tensor) {
  return {tensor.bytes(), tensor.nbytes()};
}

}  // namespace

std::size_t data_bytes(const Dims& shape, DType dtype,
                       std::string_view prefix) {
  if (shape.size() > kMaxDims)
    malformed(prefix, "a shape of ", shape.size(), " dimensions; at most ",
              kMaxDims, " are possible");
  std::int64_t extent = static_cast<std::int64_t>(item_size(dtype));
  bool empty = false;
  for (std::int64_t size : shape) {
    if (size < 0) malformed(prefix, "a dimension of negative size ", size);
    empty = empty || size == 0;
    if (__builtin_mul_overflow(extent, std::max<std::int64_t>(1, size),
                               &extent))
      malformed(prefix, "the shape's elements overflow 64 bits");
  }
  return empty ? 0 : static_cast<std::size_t>(extent);
}

std::shared_ptr<Storage> map_file(const std::filesystem::path& path) {
  auto file = std::make_shared<MappedFile>(path);
  const auto bytes = file->bytes();
  return Storage::wrap(bytes.data(), bytes.size(), std::move(file));
}

std::string_view text_of(const Storage& storage) {
  return {reinterpret_cast<const char*>(storage.data()), storage.bytes()};
}

Tensor tensor_at(const std::shared_ptr<Storage>& storage, DType dtype,
                 Dims shape, std::size_t offset, std::string_view prefix) {
  if (dtype == DType::kBool) {
    const std::size_t count = data_bytes(shape, dtype, prefix);
    const auto bytes =
        std::span(storage->data(), storage->bytes()).subspan(offset, count);
    for (std::byte b : bytes)
      if (b > std::byte{1})
        malformed(prefix, "a bool is neither 0 nor 1 but ",
                  std::to_integer<int>(b));
  }
  Tensor tensor = Tensor::view_bytes(storage, dtype, std::move(shape), offset);
  if (tensor.aligned()) return tensor;
  return tensor.clone();
}

void for_each_block(const Tensor& tensor,
                    const std::function<void(std::span<const std::byte>)>& f) {
  if (tensor.numel() == 0) return;
  if (tensor.contiguous()) {
    f(memory_of(tensor));
    return;
  }
  if (tensor.nbytes() <= kBlock) {
    const Tensor whole = tensor.clone();
    f(memory_of(whole));
    return;
  }
  const std::int64_t rows = tensor.size(0);
  if (rows == 1) {
    for_each_block(tensor.select(0, 0), f);
    return;
  }
  const std::size_t row = tensor.nbytes() / static_cast<std::size_t>(rows);
  const auto step = std::max<std::int64_t>(
      1, static_cast<std::int64_t>(kBlock / std::max<std::size_t>(1, row)));
  for (std::int64_t at = 0; at < rows; at += step)
    for_each_block(tensor.slice(0, at, std::min(rows, at + step)), f);
}

FileWriter::FileWriter(const std::filesystem::path& path, bool durable)
    : file_(path, durable) {
  buffer_.reserve(kBuffer);
}

void FileWriter::write(std::span<const std::byte> bytes) {
  if (buffer_.size() + bytes.size() > kBuffer) flush();
  if (bytes.size() >= kBuffer) {
    file_.write(bytes);
    written_ += bytes.size();
  } else {
    buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
}

void FileWriter::write(const Tensor& tensor) {
  for_each_block(tensor, [this](auto block) { write(block); });
}

void FileWriter::zeros(std::size_t count) { write(std::string(count, '\0')); }

void FileWriter::patch(std::size_t offset, std::string_view bytes) {
  if (offset < written_ && offset + bytes.size() > written_) flush();
  if (offset >= written_)
    std::memcpy(buffer_.data() + (offset - written_), bytes.data(),
                bytes.size());
  else
    file_.write_at(offset, std::as_bytes(std::span(bytes)));
}

void FileWriter::flush() {
  if (buffer_.empty()) return;
  file_.write(std::string_view(buffer_));
  written_ += buffer_.size();
  buffer_.clear();
}

void FileWriter::commit() {
  flush();
  file_.commit();
}

}  // namespace ptutils::detail
